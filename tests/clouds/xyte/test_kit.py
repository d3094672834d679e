"""The kit script of a unit that registers itself, under sh, against the simulated cloud."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.rehearsal.clouds.faults import CloudFault
from factory.resources import template_set
from tests import programs
from tests.clouds.xyte.conftest import World, request


@dataclass
class Unit:
    """A unit's folder and its script."""

    folder: Path
    ca: Path
    shell: list[str]

    def once(self) -> subprocess.CompletedProcess[str]:
        command = [*self.shell, str(template_set("xyte") / "xyte_register"), "once"]
        environment = {
            **os.environ,
            "XYTE_DIR": str(self.folder), "CURL_CA_BUNDLE": str(self.ca), "NO_PROXY": "127.0.0.1,localhost",
        }  # fmt: skip
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture(params=["sh", "busybox"])
def unit(request: pytest.FixtureRequest, world: World) -> Unit:
    programs.require("curl")
    if request.param == "busybox":
        programs.require("busybox")
    folder = world.folder / "unit"
    folder.mkdir()
    (folder / "hardware_key").write_text(world.key.reveal() + "\n")
    return Unit(folder, world.clouds.ca, ["sh"] if request.param == "sh" else ["busybox", "sh"])


def identity(world: World, unit: Unit, number: int = 1) -> None:
    told = {"server": world.clouds.url, **request(number)}
    (unit.folder / "identity.json").write_text(json.dumps(told, indent=2) + "\n")


def test_it_registers_once_and_again_when_it_was_deleted(world: World, unit: Unit) -> None:
    identity(world, unit)
    done = unit.once()
    assert done.returncode == 0, done.stderr
    (device,) = world.clouds.xyte.devices()
    key = (unit.folder / "access_key").read_text().strip()
    assert (device["sn"], device["mac"], device["name"]) == ("SN1", "00:1b:77:00:00:01", "Panel 1")
    assert world.clouds.xyte.holder(device["id"], key)[0]
    assert (unit.folder / "access_key").stat().st_mode & 0o777 == 0o600
    assert json.loads((unit.folder / "registered.json").read_text())["id"] == device["id"]
    assert unit.once().returncode == 0 and len(world.clouds.xyte.devices()) == 1
    world.clouds.xyte.delete(device["id"])
    done = unit.once()
    assert done.returncode == 0 and "registering again" in done.stderr
    (second,) = world.clouds.xyte.devices()
    assert second["id"] != device["id"]
    assert key not in done.stderr and world.key.reveal() not in done.stderr


def test_what_goes_wrong_leaves_no_half_registration(world: World, unit: Unit) -> None:
    identity(world, unit)
    world.clouds.faults.set(CloudFault.HTML_ERROR, count=1, path="/v1/devices")
    done = unit.once()
    assert done.returncode == 1 and "HTTP 502" in done.stderr
    assert sorted(path.name for path in unit.folder.iterdir()) == ["hardware_key", "identity.json"]
    world.clouds.faults.set(CloudFault.GARBAGE, count=1, path="/v1/devices")
    assert unit.once().returncode == 1
    assert unit.once().returncode == 0
    before = (unit.folder / "access_key").read_text()
    world.clouds.faults.set(CloudFault.HTML_ERROR, count=1, path="/telemetry")
    assert unit.once().returncode == 1
    assert (unit.folder / "access_key").read_text() == before, "only a clear no takes the key away"


def test_a_reply_that_was_lost_is_said(world: World, unit: Unit) -> None:
    identity(world, unit)
    world.clouds.faults.set(CloudFault.LOST_REPLY, count=1, path="/v1/devices")
    assert unit.once().returncode == 1
    done = unit.once()
    assert done.returncode == 1 and "HTTP 422" in done.stderr and "already been taken" in done.stderr


@pytest.mark.parametrize("name", ["access_key", "registered.json"])
def test_what_was_broken_off_after_the_reply_is_finished(world: World, unit: Unit, name: str) -> None:
    identity(world, unit)
    obstacle = unit.folder / f".{name}.new"
    obstacle.mkdir()
    assert unit.once().returncode == 1
    assert (unit.folder / "reply.json").stat().st_mode & 0o777 == 0o600
    assert not (unit.folder / "registered.json").exists()
    obstacle.rmdir()
    done = unit.once()
    assert done.returncode == 0, done.stderr
    (device,) = world.clouds.xyte.devices()
    key = (unit.folder / "access_key").read_text().strip()
    assert world.clouds.xyte.holder(device["id"], key)[0] and key not in done.stderr
    assert (unit.folder / "access_key").stat().st_mode & 0o777 == 0o600
    assert json.loads((unit.folder / "registered.json").read_text())["id"] == device["id"]
    assert not (unit.folder / "reply.json").exists()


def test_without_an_identity_it_says_so_in_one_line(unit: Unit) -> None:
    done = unit.once()
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no identity.json" in done.stderr
