"""`factory xyte` against the simulated cloud: each command, in words and in JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.identity import Identifier, KeySource
from factory.rehearsal.clouds.faults import CloudFault
from factory.values import AttemptState, Facts, Mac, Work
from tests.clouds.xyte.conftest import World, clouds, world
from tests.ledger.made import LOT, proof, receipt

__all__ = ["clouds", "world"]
BENCH = '[station]\nname = "S1"\n[[slot]]\nname = "a"\nserial = { port = "/dev/null" }\n'


class Office:
    """A lot of two passed units of a Xyte product, and the commands over it."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self._capsys = world, capsys
        (world.folder / "bench.toml").write_text(BENCH)
        product = world.product
        identifier = Identifier.open(product.identity, product.registration, KeySource(0, 0, None), "panel")
        for number in (1, 2):
            facts = Facts({"eth0": Mac.parse(f"b8:27:eb:00:00:{number:02x}")}, serial=f"SN{number}")
            identity = identifier.identify(facts, Work(LOT, assigned={"cloud_id": f"abcd{number:020d}"})).identity
            attempt = world.ledger.admit(identity, facts, lot=LOT, slot="a", fingerprint=None)
            for state in (AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED):
                world.ledger.advance(attempt.id, state, image="c" * 64)
            world.ledger.passed(attempt.id, receipt(), proof())
        world.ledger.close()

    def __call__(self, name: str, *arguments: str, bench: bool = True) -> tuple[int, str, str]:
        product = ["--product", str(self.world.product.folder / "product.toml"), "--lot", LOT]
        place = ["--bench", str(self.world.folder / "bench.toml")] if bench else []
        ca = [] if name == "qr" else ["--ca", str(self.world.clouds.ca)]
        code = main(["xyte", name, *arguments, *product, *place, *ca])
        said = self._capsys.readouterr()
        for hush in (self.world.key.reveal(), self.world.clouds.xyte.partner_key):
            assert hush not in said.out + said.err
        return code, said.out, said.err

    def json(self, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = self(name, *arguments, "--json")
        return code, dict(json.loads(out))


@pytest.fixture
def office(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    made = Office(world, capsys)
    monkeypatch.setattr(world.ledger, "verify", lambda: ())  # the commands opened it anew
    return made


def test_a_lot_is_registered_checked_and_labelled(office: Office, tmp_path: Path) -> None:
    code, told = office.json("register")
    assert code == Exit.DONE and told["schema"] == "factory.xyte.register/1"
    assert [(one["hardware_id"], one["state"]) for one in told["units"]] == [
        ("SN1", "registered"),
        ("SN2", "registered"),
    ]
    code, out, err = office("register", "--unit", "SN1")
    assert code == Exit.DONE and "registered as" in out and "1 of 1" in err
    assert len(office.world.clouds.xyte.devices()) == 2
    code, told = office.json("check")
    assert code == Exit.DONE and told["good"] == 2 and [one["claimed"] for one in told["units"]] == [False, False]
    device = told["units"][0]["device"]
    office.world.clouds.xyte.set_device(device, claimed="A customer")
    code, out, _ = office("check")
    assert code == Exit.FAILED and "XYTE-CLAIMED" in out and "SN2: as it should be" in out
    code, told = office.json("qr", "--out", str(tmp_path / "labels"))
    assert code == Exit.DONE
    assert [one["url"] for one in told["labels"]] == [f"https://cloud.acme.com/c/abcd{n:020d}" for n in (1, 2)]
    names = sorted(path.name for path in (tmp_path / "labels").iterdir())
    assert names == ["SN1.png", "SN1.svg", "SN2.png", "SN2.svg", "labels.csv"]


def test_a_lost_reply_from_end_to_end(office: Office) -> None:
    office.world.clouds.faults.set(CloudFault.LOST_REPLY, count=1, path="/v1/devices")
    code, out, _ = office("register")
    assert code == Exit.FAILED and "xyte.unknown" in out and "SN2: registered as" in out
    code, out, _ = office("register")
    assert code == Exit.FAILED and out.count("nobody knows") == 1
    code, out, _ = office("check")
    assert code == Exit.FAILED and "is not registered: unknown" in out
    code, told = office.json("resolve", "--yes")
    assert code == Exit.DONE and [one["removed"] for one in told["resolved"]] == [True]
    assert office("resolve")[0] == Exit.DONE
    assert office("register")[0] == Exit.DONE and office("check")[0] == Exit.DONE


def test_an_interrupt_waits_for_the_key(office: Office) -> None:
    world = office.world
    world.clouds.faults.set(CloudFault.SLOW, count=1, path="/v1/devices")
    command = [sys.executable, "-m", "factory", "xyte", "register", "--lot", LOT, "--ca", str(world.clouds.ca)]
    command += ["--product", str(world.product.folder / "product.toml"), "--bench", str(world.folder / "bench.toml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as registering:
        until = time.monotonic() + 60
        while world.clouds.faults.left() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(registering.pid, signal.SIGINT)
        assert registering.wait(60) == Exit.INTERRUPTED
    assert len(world.clouds.xyte.devices()) == 1
    code, told = office.json("check")
    assert [one["findings"] for one in told["units"]] == [[]] and code == Exit.DONE


def test_without_the_partner_key_it_says_what_to_do(office: Office) -> None:
    file = office.world.product.folder / "product.toml"
    text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("partner_key"))
    file.write_text(text + "\n")
    office.world.clouds.faults.set(CloudFault.LOST_REPLY, count=1, path="/v1/devices")
    office("register", "--unit", "SN1")
    code, _, err = office("resolve")
    assert code == Exit.FAILED and "partner portal" in err and "serial SN1" in err
    code, out, _ = office("resolve", "--by-hand", "deleted in the portal")
    assert code == Exit.DONE and "by hand" in out


def test_children(office: Office, tmp_path: Path) -> None:
    office("register", "--unit", "SN1")
    model = office.world.clouds.xyte.create_model("sensor")
    file = tmp_path / "children.json"
    children = [{"model_id": model, "sn": f"C{number}", "firmware_version": "1.0.0"} for number in (1, 2)]
    file.write_text(json.dumps(children))
    code, told = office.json("children", str(file), "--parent", "SN1")
    assert code == Exit.DONE and len(told["children"]) == 2
    assert office("children", str(file), "--parent", "SN1")[0] == Exit.DONE
    (parent,) = office.world.clouds.xyte.find(sn="SN1")
    assert sorted(one["sn"] for one in office.world.clouds.xyte.children(parent["id"])) == ["C1", "C2"]
    assert office("children", str(file), "--parent", "SN2")[0] == Exit.USAGE
    faults: list[object] = [[], [{}], [children[0], children[0]], [{**children[0], "hardware_key": "x"}]]
    for wrong in faults:
        file.write_text(json.dumps(wrong))
        assert office("children", str(file), "--parent", "SN1")[0] == Exit.USAGE


def test_what_is_asked_wrongly(office: Office) -> None:
    assert office("register", "--unit", "SN9")[0] == Exit.USAGE
    assert office("resolve", "--lost-key")[0] == Exit.USAGE
    file = office.world.product.folder / "product.toml"
    file.write_text(file.read_text().replace('registers = "station"', 'registers = "unit"'))
    code, _, err = office("register")
    assert code == Exit.USAGE and "register themselves" in err
