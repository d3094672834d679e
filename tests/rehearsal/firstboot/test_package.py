"""A first boot by a package of our own with connectd's interface, in a jail and without one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.rehearsal.firstboot import jail, package
from factory.rehearsal.firstboot.package import open_package
from factory.rehearsal.firstboot.unit_files import Boot
from tests import programs
from tests.rehearsal.firstboot.conftest import MAC, PACKAGE, Shop

_TRACES = ("/tmp/hwid", "/tmp/ready", "/tmp/information", "/etc/connectd", "/var/run/connectd")


@pytest.fixture(params=["namespace", "paths"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for program in ("curl", "unshare"):
        programs.require(program)
    if request.param == "paths":
        monkeypatch.setattr(jail, "namespace", lambda: None)
        monkeypatch.setattr(package, "namespace", lambda: None)
    elif jail.namespace() is None:
        pytest.skip("no mount namespace is allowed here")
    return str(request.param)


def boot(shop: Shop, root: Path, folder: Path = PACKAGE) -> Boot:
    before = [os.path.lexists(path) for path in _TRACES]
    done = open_package(folder, shop.clouds.url, shop.clouds.ca).boot(root, MAC)
    assert [os.path.lexists(path) for path in _TRACES] == before
    assert [path.name for path in root.parent.glob("*.jail")] == []
    return done


def test_a_sound_unit_comes_online(shop: Shop) -> None:
    hardware_id = shop.new_id()
    done = boot(shop, shop.unit(hardware_id))
    cloud = shop.clouds.remoteit.unit(hardware_id)
    assert (done.stopped, done.reset) == ("", False)
    assert cloud["online"] and cloud["mac"] == MAC
    held = done.held.services[shop.code]
    assert (held.uid, held.secret_sha256) == (cloud["uid"], cloud["secret_sha256"])
    assert sum(line.endswith(" is provisioned") for line in done.said) == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"hardware_id": None}, "placeholder"),  # the package's own default. is what is left
        ({"registration_key": b"other\n"}, "wrong registration key"),
        ({"hardware_id": b"aa\r\n"}, "dprovision for"),
    ],
)
def test_what_stops_a_unit(shop: Shop, files: dict[str, bytes | None], said: str) -> None:
    done = boot(shop, shop.unit(shop.new_id(), **files))
    assert said in done.stopped
    assert done.held.services == {}


def test_a_package_that_says_all_is_well_and_does_nothing(shop: Shop, tmp_path: Path) -> None:
    """Files count, not words."""
    mine = tmp_path / "mine"
    shutil.copytree(PACKAGE, mine)
    control = mine / "usr" / "bin" / "connectd_control"
    text = control.read_text().replace(
        "    show) show ;;", '    show) show ;;\n    *) echo "OK: all is well"; exit 0 ;;'
    )
    control.write_text(text)
    assert boot(shop, shop.unit(shop.new_id()), mine).stopped == "the bulk service is not provisioned"
    control.write_text("#!/bin/sh\nexit 0\n")
    assert "did not print who the unit is" in boot(shop, shop.unit(shop.new_id()), mine).stopped


def test_a_package_that_does_not_end(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(PACKAGE, mine)
    (mine / "usr" / "bin" / "connectd_control").write_text("#!/bin/sh\nwhile :; do sleep 30; done\n")
    monkeypatch.setattr(package, "_WITHIN", 1.0)
    assert "did not end within 1 s" in boot(shop, shop.unit(shop.new_id()), mine).stopped


def test_the_key_is_never_said(shop: Shop, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(PACKAGE, mine)
    control = mine / "usr" / "bin" / "connectd_control"
    control.write_text(control.read_text().replace('echo "OK: $pid', 'echo "OK: $key $pid'))
    hardware_id = shop.new_id()
    done = boot(shop, shop.unit(hardware_id), mine)
    assert done.stopped == ""
    assert f"KEY-{hardware_id}" not in repr(done)
    assert "[hidden]" in repr(done)


def test_what_is_no_package(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no unpacked connectd package"):
        open_package(tmp_path, shop.clouds.url, shop.clouds.ca)
