"""A simulated unit neither changes nor sees the computer it runs on, as far as a command keeps to relative paths."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from factory.errors import NotStartedError, UsageError
from factory.rehearsal import folder as folder_module
from factory.rehearsal import tools
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.shims import shims_for
from factory.rehearsal.unit import SimulatedUnit
from tests.rehearsal.conftest import MACS, Start
from tests.rehearsal.raw import Terminal, connect, execute, ssh

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_PLAN = UnitPlan("unit-01", MACS, "1", frozenset({"ssh"}))


def _shims(unit: SimulatedUnit) -> list[str]:
    return sorted(shims_for(unit.plan, unit.root, unit.control, Path("/bin/sh")))


def _everything(folder: Path, without: set[Path]) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(part) for part in without):
            continue
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def test_nothing_outside_the_folder_changes(start: Start, tmp_path: Path) -> None:
    (tmp_path / "neighbour").write_text("untouched")
    unit = start()
    inside = {unit.root, unit.control}
    before = _everything(tmp_path, inside)
    host = {name: Path(name).read_bytes() for name in ("/etc/passwd", "/etc/hostname") if Path(name).exists()}
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    work = "sync; mount -o remount,rw /; ifconfig eth0 down; ip link set lo down; dmesg -n 1; umount /tmp; "
    work += "cp -r etc var/etc; rm -rf etc/connectd; mktemp -d tmp/XXXXXX; date >home/date; reboot"
    with Terminal(unit) as terminal:
        terminal.login()
        terminal.type(f"{work}\r")
        terminal.until("Restarting system")
        terminal.until("login: ")
    unit.wait_until_settled()
    ssh(unit, work.replace("rm -rf etc/connectd; ", "").replace("cp -r", "cp -rf").replace("; reboot", ""))
    assert _everything(tmp_path, inside) == before
    assert {name: Path(name).read_bytes() for name in host} == host
    assert float(Path("/proc/uptime").read_text().split()[0]) > uptime


def test_the_host_s_macs_and_names_are_never_seen(start: Start) -> None:
    host = {path.read_text().strip() for path in Path("/sys/class/net").glob("*/address")}
    host = {mac for mac in host if _MAC.fullmatch(mac)} - {"00:00:00:00:00:00"}
    unit = start(routes="ssh")
    commands = [f"{name} {arguments}" for name in _shims(unit) for arguments in ("", "-a", "link", "addr show", "show")]
    commands = [line for line in commands if not line.startswith(("reboot", "poweroff"))]
    commands += ["cat sys/class/net/*/address", "set", "env", "cat proc/mounts", "hostname; uname -a; id; whoami"]
    with connect(unit) as client:
        said = "".join("".join(part.decode() for part in execute(client, line)[1:]) for line in commands).lower()
    found = set(_MAC.findall(said))
    assert found <= {*MACS.values(), "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}
    assert not found & host
    assert MACS["eth0"] in found
    assert os.uname().release not in said


def test_the_environment_is_cleared_and_the_path_is_the_unit_s_own(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_SECRET", "sing")
    unit = start()
    over_ssh = ssh(unit, "env; echo $PWD")
    with Terminal(unit) as terminal:
        terminal.login()
        over_serial = terminal.run("env; echo $PWD")
    for said in (over_ssh, over_serial):
        assert "CANARY" not in said
        assert f"PATH={unit.root}/bin\n" in said
        assert said.strip().endswith(str(unit.root))
    with connect(unit) as client:
        for program in ("python3", "systemctl", "apt", "ssh", "curl", "busybox"):
            assert execute(client, f"command -v {program}")[:2] == (127, b"")


def test_shims_work_from_any_folder_and_under_sudo(start: Start) -> None:
    unit = start(routes="ssh")
    assert ssh(unit, "cd tmp && sudo -n sh -c 'pwd; hostname'").split() == [f"{unit.root}/tmp", "unit-01"]
    assert "sync" in (unit.control / "calls").read_text() or ssh(unit, "sync") == ""
    assert "hostname" in (unit.control / "calls").read_text()


@pytest.mark.parametrize("name", ["a b'c\"d$e", "x" * 200])
def test_awkward_and_long_folder_names(tmp_path: Path, name: str) -> None:
    plan = UnitPlan("unit-01", MACS, "1")
    with SimulatedBench(tmp_path / name / name, [plan], baud=None, boot_seconds=0.1) as bench:
        unit = bench.units[0]
        with Terminal(unit) as terminal:
            terminal.login()
            assert terminal.run("hostname") == "unit-01"
        mounts = ssh(unit, "cat proc/mounts").splitlines()
        assert mounts[0].split()[1].replace("\\040", " ") == str(unit.root)
        boots = unit.boot_id
        ssh(unit, "connectd_control show; reboot")
        while unit.boot_id == boots:
            pass


def test_shims_are_functions_where_the_disk_is_mounted_noexec(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_runs", lambda program: False)
    unit = start()
    for shim in _shims(unit):
        (unit.root / "bin" / shim).chmod(0o644)
    assert ssh(unit, "hostname; sudo -n sh -c 'hostname; sh -c hostname'").split() == ["unit-01"] * 3
    with Terminal(unit) as terminal:
        terminal.login()
        assert MACS["eth0"] in terminal.run("ip link")
        terminal.type("reboot\r")
        terminal.until("Restarting system")


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="colon"):
        SimulatedBench(tmp_path / "a:b", [_PLAN]).start()
    with SimulatedBench(tmp_path / "bench", [_PLAN], boot_seconds=0):
        with pytest.raises(UsageError, match="earlier or another run"):
            SimulatedBench(tmp_path / "bench", [_PLAN]).start()
        assert (tmp_path / "bench/units/unit-01/root/etc").is_dir()


def test_no_proper_shell_or_tool_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_SHELLS", ("/no/such/sh",))
    with pytest.raises(NotStartedError, match="need dash or bash") as caught:
        tools.find_shell()
    assert "dash" in caught.value.hint
    monkeypatch.setattr(tools, "SYSTEM_PATH", "/no/such/folder")
    with pytest.raises(NotStartedError, match="simulated units need cat"):
        tools.find_tools()
