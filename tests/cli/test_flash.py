"""`factory flash` by its command: the record, the unit, and what is kept of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.cli.app import run
from factory.units import ssh_connect
from tests.line.floor import LOT, SERIAL, Floor, eventually, plan
from tests.line.leaks import leaks

CHECKOUT = Path(__file__).resolve().parents[2]
CONNECTD = "etc/connectd"


@pytest.fixture(autouse=True)
def quick_knocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated units ban nobody, so a test need not wait three seconds between two knocks."""
    monkeypatch.setattr(ssh_connect, "PROBE_EVERY", 0.3)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """Two units that have passed, and their images."""
    with Floor(tmp_path, [plan(1), plan(2)]) as floor:
        assert floor.run(2).passed == 2
        yield floor


def slot_of(floor: Floor, number: int) -> str:
    return next(slot.name for slot in floor.config.slot if slot.ssh and _port(floor, number) == slot.ssh.port)


def _port(floor: Floor, number: int) -> int:
    address = floor.unit(number).ssh_address
    assert address is not None
    return address[1]


def image_of(floor: Floor, number: int) -> Path:
    eth0 = plan(number).macs["eth0"].replace(":", "")
    (path,) = [path for path in (floor.folder / "images").glob("*.tar.gz") if eth0 in path.name.lower()]
    return path


def call(
    capsys: pytest.CaptureFixture[str], floor: Floor, *arguments: str | Path, slot: int | None = 1
) -> tuple[int, dict[str, Any]]:
    """Run the command with --json; its exit code and document."""
    place = [] if slot is None else ["--slot", slot_of(floor, slot), "--bench", str(floor.bench_file)]
    floor.ledger.close()
    capsys.readouterr()
    code = run(["flash", *map(str, arguments), "--product", str(floor.product_file), *place, "--json"])
    floor.open()
    out = capsys.readouterr().out
    document: dict[str, Any] = json.loads(out)
    assert document["schema"] == "factory.flash/1"
    return code, document


def held(floor: Floor, number: int) -> dict[str, bytes]:
    folder = floor.unit(number).root / CONNECTD
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_unit_that_passed_is_written_again_with_a_reason_and_passes_again(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(floor, 1)
    code, refused = call(capsys, floor, image_of(floor, 1))
    assert (code, refused["error"]["code"]) == (1, "flash.passed")
    assert "--reason" in refused["error"]["hint"]
    assert floor.unit(1).boots == 2

    code, done = call(capsys, floor, image_of(floor, 1), "--reason", "new storage")
    assert (code, done["outcome"], done["recorded"], done["notes"]) == (0, "passed", True, []), done
    assert floor.unit(1).boots == 3, "proved by a reboot"
    assert done["receipt"]["read_back"] and done["receipt"]["image"] == done["image_hash"]
    assert held(floor, 1) == before

    found: Any = floor.ledger.trace(done["hardware_id"]).as_json()
    (unit,) = found["units"]
    assert [attempt["state"] for attempt in unit["attempts"]] == ["passed", "passed"]
    assert all(attempt["receipt"]["medium"] for attempt in unit["attempts"])
    assert unit["state"] == "passed"
    kinds = [event["kind"] for event in unit["events"]]
    assert kinds.count("flash.refused") == 1 and kinds.count("attempt.flashed") == 2
    (listed,) = [one for one in floor.ledger.passed_units(LOT) if one.hardware_id == done["hardware_id"]]
    assert listed.attempt == done["attempt"], "it stands in the lot once, by its newest pass"
    assert floor.ledger.doctor() == ()
    assert leaks([*floor.transcripts(), *floor.folder.glob("ledger.db*")], floor.secrets()) == []

    floor.ledger.close()
    assert run(["ledger", "trace", done["hardware_id"], "--bench", str(floor.bench_file)]) == 0
    floor.open()
    said = " ".join(capsys.readouterr().out.split())
    assert "by files over" in said and "read back: hash" in said

    floor.product_file.write_text(floor.product_file.read_text() + '\n[hardware]\nmodels = ["Router 3"]\n')
    code, refused = call(capsys, floor, image_of(floor, 1), "--reason", "new storage")
    assert (code, refused["outcome"], refused["code"]) == (1, "refused", "flash.model"), refused
    assert (held(floor, 1), floor.unit(1).boots) == (before, 3), "another board is not written to"


def test_another_units_image_is_refused_before_anything_is_written(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(floor, 1)
    for extra in (["--reason", "mixed up"], ["--off-ledger", "mixed up"]):
        code, document = call(capsys, floor, image_of(floor, 2), *extra)
        assert (code, document["outcome"], document["code"]) == (1, "refused", "flash.wrong-unit"), document
        assert "b8:27:eb:00:01:00" in document["cause"] and "b8:27:eb:00:02:00" in document["cause"]
    assert held(floor, 1) == before and floor.unit(1).boots == 2
    assert {unit.attempt for unit in floor.ledger.passed_units(LOT)} == {1, 2}
    assert floor.ledger.doctor() == ()


def test_without_a_record_only_off_the_ledger_and_that_is_recorded(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"sqlite:///{floor.folder}/other.db"
    floor.ledger.close()
    from factory.ledger import open_ledger

    open_ledger(other, station="S1").close()
    code, document = call(capsys, floor, image_of(floor, 1), "--ledger", other)
    assert (code, document["error"]["code"]) == (1, "flash.unknown-unit")
    assert "--off-ledger" in document["error"]["hint"]

    code, document = call(capsys, floor, image_of(floor, 1), "--ledger", other, "--off-ledger", "ledger is at the fair")
    assert (code, document["outcome"]) == (0, "proved"), document
    with open_ledger(other, station="office") as book:
        trace: Any = book.trace("b8:27:eb:00:01:00").as_json()
        assert trace["units"] == []
        (attempt,) = trace["strangers"]
        assert (attempt["state"], attempt["unit"], attempt["lot"]) == (
            "passed",
            None,
            f"off-ledger {floor.product.product.name}",
        )
        assert attempt["receipt"]["image"] == document["image_hash"]
        assert attempt["note"] == "off-ledger: ledger is at the fair"
        events = {event["kind"]: event for event in attempt["events"]}
        told = events["flash.off-ledger"]["data"]
        assert told["reason"] == "ledger is at the fair" and told["image"] == document["image_hash"]
        assert told["interfaces"]["eth0"] == "b8:27:eb:00:01:00" and told["serial"] == "SN000001"
        assert book.passed_units(attempt["lot"]) == (), "nobody passes off the ledger"
        assert book.doctor() == ()


def test_where_there_is_no_ledger_it_says_so(
    floor: Floor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(floor.folder / "product")
    address = f"127.0.0.1:{_port(floor, 1)}"
    code, refused = call(capsys, floor, image_of(floor, 1), "--ssh", address, slot=None)
    assert (code, refused["error"]["code"]) == (2, "ledger.missing")
    code, done = call(
        capsys, floor, image_of(floor, 1), "--ssh", address, "--off-ledger", "at the customer's", slot=None
    )
    assert (code, done["outcome"], done["recorded"]) == (0, "proved", False), done
    assert done["receipt"]["bytes_written"] > 0
    assert not (floor.folder / "product/ledger.db").exists()


def test_people_are_not_told_that_it_passed_off_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    from factory.cli.flash_show import print_result
    from factory.line import Flashed, Outcome, Row, Summary

    row = Row("A", ("ssh:x",), Outcome.PASSED, 1.0, Path("t.log"), hardware_id="b827eb000001")
    print_result(Flashed(Summary(LOT, "S1", (row,), 1.0, interrupted=False), None, ()), off_ledger=True)
    said = capsys.readouterr().out
    assert "written and proved, off the ledger" in said and ": passed" not in said


def test_a_slot_without_a_bench_asks_for_the_bench(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.config.starter import write_product_folder

    monkeypatch.chdir(tmp_path)
    product = write_product_folder(
        tmp_path / "product", bulk_identification_code="0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
    )
    assert run(["flash", "x", "--slot", "A", "--product", str(product), "--json"]) == 2
    assert "--bench" in json.loads(capsys.readouterr().out)["error"]["hint"]


def test_one_image_out_of_a_container(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    packed = floor.folder / "packed"
    floor.ledger.close()
    built = run(
        [
            "image",
            "build",
            "--lot",
            LOT,
            "--product",
            str(floor.product_file),
            "--bench",
            str(floor.bench_file),
            "--out",
            str(packed),
            "--pack",
        ]
    )
    assert built == 0
    (pack,) = packed.glob("*.pack")
    (hardware_id,) = [unit.hardware_id for unit in _passed(floor) if unit.macs["eth0"] == "b8:27:eb:00:01:00"]
    code, which = call(capsys, floor, "--pack", pack)
    assert (code, which["error"]["code"]) == (2, "usage")
    code, done = call(capsys, floor, "--pack", pack, "--id", hardware_id, "--reason", "again")
    assert (code, done.get("outcome"), done.get("notes")) == (0, "passed", []), done


def _passed(floor: Floor) -> tuple[Any, ...]:
    floor.open()
    return floor.ledger.passed_units(LOT)


def test_an_image_of_the_same_identity_but_another_build_is_said_to_be_one(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    template = floor.folder / "product/templates/connectd/template.toml"
    template.write_text(template.read_text().replace('mode = "0600"', 'mode = "0400"'))
    out = floor.folder / "rebuilt"
    floor.ledger.close()
    assert (
        run(
            [
                "image",
                "build",
                "--lot",
                LOT,
                "--product",
                str(floor.product_file),
                "--bench",
                str(floor.bench_file),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    rebuilt = next(out.rglob(image_of(floor, 1).name))
    code, done = call(capsys, floor, rebuilt, "--reason", "stricter rights")
    assert (code, done["outcome"]) == (0, "passed"), done
    assert "of the same identity" in done["notes"][0]
    key = floor.unit(1).root / CONNECTD / "registration_key.txt"
    assert key.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("hardware_id.txt", "image.identity"),
        ("registration_key.txt", "flash.other-key"),
        ("registration_key.txt is not there", "flash.no-key"),
    ],
)
def test_an_image_with_another_key_or_id_is_refused(
    floor: Floor, capsys: pytest.CaptureFixture[str], changed: str, expected: str
) -> None:
    import hashlib
    from dataclasses import replace

    from factory.images import Image, read_image, write_image
    from factory.images.canonical_tar import canonical_tar

    image = read_image(image_of(floor, 1))
    changed, _, missing = changed.partition(" ")
    contents = dict(image.contents) | {changed: b"a" * 32 + b"\n"}
    files = tuple(
        replace(entry, sha256=hashlib.sha256(contents[entry.path]).hexdigest(), size=len(contents[entry.path]))
        if entry.path == changed
        else entry
        for entry in image.manifest.files
        if not (missing and entry.path == changed)
    )
    contents = {name: content for name, content in contents.items() if not missing or name != changed}
    tar = canonical_tar(files, contents)
    manifest = replace(image.manifest, files=files, image=hashlib.sha256(tar).hexdigest())
    forged = write_image(Image(manifest, contents, tar), floor.folder / "forged")
    code, document = call(capsys, floor, forged, "--reason", "a test")
    assert (code, document["error"]["code"]) == (1, expected)
    assert "a" * 32 not in json.dumps(document) or "id" in changed
    assert floor.unit(1).boots == 2


def test_swapped_in_the_middle_of_it_nobody_passes(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    unit = floor.unit(1)
    staged = unit.root / CONNECTD / ".factory-flash"

    def swap() -> None:
        eventually(staged.exists, 30)
        unit.swap()

    thread = threading.Thread(target=swap)
    thread.start()
    code, document = call(capsys, floor, image_of(floor, 1), "--reason", "a test")
    thread.join()
    assert (code, document["outcome"]) == (1, "failed"), document
    (history,) = floor.ledger.trace(document["hardware_id"]).units
    assert history.state == "rework", "what it holds now has to be proved again"
    assert document["hardware_id"] not in {one.hardware_id for one in floor.ledger.passed_units(LOT)}
    assert (unit.root / CONNECTD / "hardware_id.txt").read_text().strip() != document["hardware_id"]


def test_a_station_that_is_killed_leaves_unknown_and_the_next_call_goes_on(floor: Floor) -> None:
    unit, slot = floor.unit(1), slot_of(floor, 1)
    arguments = ["flash", str(image_of(floor, 1)), "--product", str(floor.product_file), "--slot", slot]
    arguments += ["--bench", str(floor.bench_file), "--reason", "a test"]
    floor.ledger.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "factory", *arguments], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("prove"):
                break
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    floor.open()
    assert [finding.code for finding in floor.ledger.doctor()] == ["LEDGER-OPEN"]
    (history,) = floor.ledger.trace("b8:27:eb:00:01:00").units
    assert history.state == "rework" and history.receipts[history.attempts[-1].id]["method"] == "files"
    floor.ledger.close()
    again = subprocess.run(
        [sys.executable, "-m", "factory", *arguments], cwd=CHECKOUT, capture_output=True, text=True, timeout=90
    )
    assert again.returncode == 0, again.stdout + again.stderr
    floor.open()
    (history,) = floor.ledger.trace("b8:27:eb:00:01:00").units
    assert [str(attempt.state) for attempt in history.attempts] == ["passed", "failed", "passed"]
    assert history.state == "passed" and floor.ledger.doctor() == ()
    assert not (unit.root / CONNECTD / ".factory-flash").exists()


def test_power_lost_in_the_middle_leaves_a_debt_that_the_next_call_pays(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    unit, before = floor.unit(1), held(floor, 1)
    staged = unit.root / CONNECTD / ".factory-flash"

    def lose_power() -> None:
        eventually(staged.exists, 60)
        unit.power_off()

    thread = threading.Thread(target=lose_power)
    thread.start()
    code, document = call(capsys, floor, image_of(floor, 1), "--reason", "a test")
    thread.join()
    assert (code, document["outcome"]) == (1, "failed"), document
    (history,) = floor.ledger.trace(document["hardware_id"]).units
    kept = history.receipts[document["attempt"]]
    assert kept["method"] == "files" and kept["read_back"] == "not reached"
    assert history.state == "rework"
    assert "LEDGER-RESTORE" in [finding.code for finding in floor.ledger.doctor()]
    unit.power_on()
    code, document = call(capsys, floor, image_of(floor, 1), "--reason", "a test")
    assert (code, document["outcome"]) == (0, "passed"), document
    assert held(floor, 1) == before and floor.ledger.doctor() == ()


def test_over_a_serial_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Floor(tmp_path, [plan(1, SERIAL)]) as floor:
        assert floor.run(1).passed == 1
        port = floor.unit(1).serial_port
        assert port is not None
        bench = ["--bench", str(floor.bench_file), "--serial", port]
        code, document = call(capsys, floor, image_of(floor, 1), *bench, "--reason", "a test", slot=None)
        assert (code, document["outcome"], document["routes"]) == (0, "passed", [f"serial:{port}"]), document


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.tar.gz", "--ssh", "127.0.0.1"], "flash.no-manifest"),
        ([], "usage"),
        (["x", "--ssh", "h", "--serial", "p"], "flash.no-manifest"),
        (["x", "--off-ledger", " "], "usage"),
        (["x", "--card", "A"], "usage"),
        (["x", "--slot", "A"], "usage"),
    ],
)
def test_wrong_calls_are_told_before_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    from factory.config.starter import write_product_folder
    from factory.ledger import open_ledger

    product = write_product_folder(
        tmp_path / "product", bulk_identification_code="0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
    )
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(ledger).close()
    assert run(["flash", *arguments, "--product", str(product), "--ledger", ledger, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
