"""`factory label`: shown, printed again, checked; by the command alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.cli.app import run
from factory.config import load_product
from factory.config.starter import write_product_folder
from factory.ledger import Ledger
from factory.lots.labels import label_of
from factory.values import LabelCode, LabelState, UnitState
from tests.ledger.made import make_pass, opened

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
BENCH = """
[station]
name = "S1"
ledger = "sqlite:///ledger.db"
printer = "file:paper"

[[slot]]
name = "A"
ssh = { host = "127.0.0.1" }
"""


class Plant:
    """A ledger with one passed unit, hw-1, and the files that its commands want."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.product = write_product_folder(
            folder / "acme", bulk_identification_code=CODE, settings={"label.template": "templates/label/unit.zpl"}
        )
        self.bench = folder / "bench.toml"
        self.bench.write_text(BENCH)
        with opened(folder) as ledger:
            self.attempt = make_pass(ledger, 1, serial="SN1")

    def open(self) -> Ledger:
        return opened(self.folder)

    def call(self, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
        assert run([str(one) for one in arguments]) == code, self._capsys.readouterr()
        said = self._capsys.readouterr()
        return said.out, said.err

    def document(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        out, _ = self.call(*arguments, "--json", code=code)
        found: dict[str, Any] = json.loads(out)
        return found

    def print_one(self, *more: str | Path, code: int = 0) -> dict[str, Any]:
        given = ("--product", self.product, "--bench", self.bench, *more)
        return self.document("label", "print", "hw-1", *given, code=code)


@pytest.fixture
def plant(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.chdir(tmp_path)
    yield Plant(tmp_path, capsys)


def test_printed_checked_shown(plant: Plant) -> None:
    made = plant.print_one("--reason", "the first is torn")["label"]
    assert (made["state"], made["number"], made["proves"]) == ("printed", 1, False)
    (zpl,) = (plant.folder / "paper").glob("hw-1-*.zpl")
    assert f"MA,{made['code']}" in zpl.read_text()
    assert plant.document("label", "check", made["code"], "--bench", plant.bench, code=1)["labels"][0]["valid"] is False
    wrong = plant.document("label", "check", made["code"], "--bench", plant.bench, "--unit", "SN1")
    assert wrong["labels"][0]["valid"] is True, "its first scan, at its own unit"
    out, _ = plant.call("label", "check", made["code"].lower(), "--bench", plant.bench)
    assert out.startswith("valid: label 1 of unit hw-1, verified")
    pictures = [plant.folder / f"out.{suffix}" for suffix in ("png", "svg", "zpl")]
    asked = [part for path in pictures for part in (f"--{path.suffix[1:]}", path)]
    shown = plant.document(
        "label", "show", "b8:27:eb:00:00:01", "--bench", plant.bench, "--product", plant.product, *asked
    )
    assert shown["as_printed"] is True
    assert [label["state"] for label in shown["labels"]] == ["verified"]
    assert pictures[2].read_bytes() == zpl.read_bytes()
    assert pictures[0].read_bytes().startswith(b"\x89PNG") and b"<svg" in pictures[1].read_bytes()
    template = plant.product.parent / "templates/label/unit.zpl"
    template.write_text(template.read_text().replace("^LL200", "^LL240"))
    _, err = plant.call("label", "show", made["code"], "--bench", plant.bench, "--product", plant.product)
    assert "changed since it was printed" in err
    out, _ = plant.call("label", "show", made["code"], "--bench", plant.bench)
    assert LabelCode.parse(made["code"]).for_people in out.replace("\n", "")


def test_a_reprint_voids_and_the_old_one_is_told(plant: Plant) -> None:
    first = plant.print_one()["label"]
    second = plant.print_one("--reason", "smeared", "--slot", "A")["label"]
    assert (second["number"], second["slot"], second["reason"]) == (2, "A", "smeared")
    told = plant.document("label", "check", first["code"], second["code"], "--bench", plant.bench, code=1)["labels"]
    assert "void" in told[0]["what"] and "smeared" in told[0]["what"]
    assert "not scanned back yet" in told[1]["what"]
    other = plant.document("label", "check", first["code"], "--bench", plant.bench, "--unit", "hw-1", code=1)
    assert other["labels"][0]["label"]["state"] == "void", "never verified after that"


def test_scanned_at_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = plant.folder / "paper"
    old = plant.print_one()["label"]["code"]
    before = set(paper.glob("*.zpl"))

    class Hand:
        """Scans what comes out, after a few mistakes."""

        def isatty(self) -> bool:
            return False

        def __iter__(self) -> Iterator[str]:
            yield "ииисивиап\n"
            yield f"{old}\n"
            (new,) = set(paper.glob("*.zpl")) - before
            yield new.read_text().split("MA,")[1].split("^")[0] + "\r\n"

    monkeypatch.setattr("sys.stdin", Hand())
    given = ("--product", plant.product, "--bench", plant.bench, "--scans", "-")
    out, err = plant.call("label", "print", "hw-1", *given)
    assert "label 2 of unit hw-1, printed" in out
    assert "keyboard layout" in err and "WRONG LABEL: that is label 1 of unit hw-1, void" in err
    assert "it is this unit's" in err
    with plant.open() as ledger:
        kinds = [event.kind for event in ledger.trace("hw-1").units[0].events if event.kind.startswith("label.")]
    assert kinds[-2:] == ["label.wrong-scan", "label.verified"]


def test_no_scan_comes(plant: Plant) -> None:
    given = ("--product", plant.product, "--bench", plant.bench, "--scans", "-")
    _, err = plant.call("label", "print", "hw-1", *given, code=1)
    assert "no scan can come any more" in err and "factory label check --bench BENCH --unit hw-1 CODE" in err


def test_who_gets_none(plant: Plant) -> None:
    given = ("--product", plant.product, "--bench", plant.bench)
    _, err = plant.call("label", "print", "nobody", *given, code=2)
    assert "no unit has the value" in err
    _, err = plant.call("label", "print", "hw-1", *given, "--slot", "Z", code=2)
    assert "no slot 'Z'" in err
    plant.bench.write_text(BENCH.replace('printer = "file:paper"', ""))
    _, err = plant.call("label", "print", "hw-1", *given, code=2)
    assert "no printer is named" in err
    plant.bench.write_text(BENCH)
    with plant.open() as ledger:
        ledger.change_unit("hw-1", UnitState.SCRAPPED, "burnt")
    _, err = plant.call("label", "print", "hw-1", *given, code=1)
    assert "it is scrapped" in err
    assert not (plant.folder / "paper").exists()


def test_a_printer_that_is_away_leaves_no_valid_label(plant: Plant) -> None:
    plant.bench.write_text(BENCH.replace("file:paper", "tcp://127.0.0.1:1"))
    error = plant.print_one(code=1)["error"]
    assert error["code"] == "label.printer-away"
    with plant.open() as ledger:
        unit = ledger.label_subject("hw-1").unit
        assert [label.state for label in ledger.labels_of(unit)] == [LabelState.VOID]


def test_another_products_file_is_refused(plant: Plant) -> None:
    other = write_product_folder(
        plant.folder / "other",
        bulk_identification_code=CODE,
        settings={"product.name": "bridge", "label.template": "templates/label/unit.zpl"},
    )
    _, err = plant.call("label", "print", "hw-1", "--product", other, "--bench", plant.bench, code=2)
    assert "of another product than bridge" in err


def test_a_preview_needs_neither_unit_nor_ledger(plant: Plant) -> None:
    out, _ = plant.call("label", "preview", "--product", plant.product, "--out", plant.folder / "look")
    assert [Path(line).name for line in out.split()] == ["sample.zpl", "sample.svg", "sample.png"]
    assert all(Path(line).is_file() for line in out.split())
    _, err = plant.call("label", "preview", "--product", plant.product, "--printer", "tcp://127.0.0.1:1", code=1)
    assert "cannot reach the printer at 127.0.0.1 port 1" in err
    bare = write_product_folder(plant.folder / "bare", bulk_identification_code=CODE)
    _, err = plant.call("label", "preview", "--product", bare, code=2)
    assert "has no labels" in err


def test_codes_that_are_none(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = LabelCode.of("B" * 16, "x").text
    monkeypatch.setattr("sys.stdin", io.StringIO(f"4006381333931\n\n{strange}\n"))
    told = plant.document("label", "check", "--bench", plant.bench, code=1)["labels"]
    assert "is no code of a unit's label" in told[0]["what"]
    assert told[1]["what"] == "a label that this ledger never printed"


def test_no_secret_is_on_a_label(plant: Plant) -> None:
    """What a template may name holds none; asking for one is an error that names what there is."""
    template = plant.product.parent / "templates/label/unit.zpl"
    template.write_text("^XA^FH^FD{{ registration_key }}^FS^XZ")
    error = plant.print_one(code=1)["error"]
    assert "'registration_key' is undefined" in error["message"] and "hardware_id" in error["hint"]
    template.write_text("^XA^FH^FD{{ mac }}{{ registration }}{{ category }}{{ text }}{{ device_name }}^FS^XZ")
    product = load_product(plant.product)
    with plant.open() as ledger:
        subject = ledger.label_subject("hw-1")
    assert b"SECRET" not in label_of(product, subject, "B" * 16).zpl


def test_the_labels_of_a_lot(plant: Plant) -> None:
    given = ("2026-11", "--bench", plant.bench)
    out, err = plant.call("label", "lot", *given, code=1)
    assert out == "unit hw-1 never got a label\n"
    assert "0 of 1 passed units of lot 2026-11 have a valid label; 0 printed again" in err
    plant.print_one()
    code = plant.print_one()["label"]["code"]
    out, _ = plant.call("label", "lot", *given, code=1)
    assert "label 2 of unit hw-1, printed" in out and "not scanned back yet" in out
    plant.call("label", "check", code, "--unit", "hw-1", "--bench", plant.bench)
    told = plant.document("label", "lot", *given)
    assert (told["without"], told["printed_again"]) == ([], 1)
    assert [label["state"] for label in told["units"][0]["labels"]] == ["void", "verified"]
    with plant.open() as ledger:
        ledger.change_unit("hw-1", UnitState.REWORK, "came back")
    assert plant.document("label", "lot", *given)["units"] == []
    plant.call("label", "lot", "none", "--bench", plant.bench, code=2)
