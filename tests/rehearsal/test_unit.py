"""One sound unit: login, shell, SSH, reboot, power, and what it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import paramiko
import pytest
import serial

from factory.errors import UsageError
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit
from tests.rehearsal.conftest import MACS, Start
from tests.rehearsal.raw import Terminal, connect, execute, ssh


def test_serial_login_has_echo_prompt_and_no_echo_of_the_password(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.prompted()
        terminal.type("root\r")
        assert terminal.until("Password: ").startswith("root\r\n")
        terminal.type(f"{unit.password}\r")
        said = terminal.until("root@unit-01:~# ")
        assert unit.password not in said
        assert terminal.run("cat proc/sys/kernel/random/boot_id") == unit.boot_id
        assert "no-su-file" in terminal.run("ls no-such\x7f\x7f-file")
        terminal.type("exit\r")
        terminal.until("unit-01 login: ")


def test_a_wrong_password_is_refused_after_a_while(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.prompted()
        terminal.type("root\r")
        terminal.until("Password: ")
        begun = time.monotonic()
        terminal.type("nonsense\r")
        terminal.until("Login incorrect")
        assert time.monotonic() - begun > 0.3
        terminal.login()
    with pytest.raises(paramiko.AuthenticationException):
        connect(unit, "nonsense")


def test_the_shell_on_serial_has_job_control_and_takes_ctrl_c(start: Start) -> None:
    with Terminal(start()) as terminal:
        terminal.login()
        terminal.type("sleep 60\r")
        terminal.until("sleep 60\r\n")
        time.sleep(0.2)
        terminal.type("\x03")
        terminal.until("# ", 3)
        assert terminal.run("echo $?") == "130"


def test_ssh_streams_both_ways_and_brings_the_exit_status(start: Start) -> None:
    unit = start(routes="ssh")
    payload = os.urandom(3_000_000)
    with connect(unit) as client:
        assert execute(client, "cat; echo woe >&2; exit 7", payload) == (7, payload, b"woe\n")
        assert execute(client, "kill -9 $$")[0] == 137
        assert [execute(client, "true")[0] for _ in range(30)] == [0] * 30
    assert unit.serial_port is None


def test_reboot_ends_sessions_changes_the_boot_id_and_keeps_only_what_persists(start: Start) -> None:
    unit = start(boot_seconds=0.6)
    before = unit.boot_id
    with Terminal(unit) as terminal, connect(unit) as client:
        key = client.get_transport().get_remote_server_key()  # type: ignore[union-attr]
        terminal.login()
        execute(client, "echo kept >etc/connectd/kept; echo lost >tmp/lost; echo lost >run/lost")
        _, long_running, _ = client.exec_command("sleep 60")
        terminal.type("reboot\r")
        terminal.until("reboot: Restarting system")
        terminal.until("Hit any key to stop autoboot")
        with pytest.raises(OSError, match=r"refused|Unable to connect"):
            connect(unit)
        assert long_running.channel.recv_exit_status() == -1
        terminal.until("Run /sbin/init")
        terminal.until("unit-01 login: ")
    unit.wait_until_settled()
    assert unit.boots == 2
    assert ssh(unit, "cat proc/sys/kernel/random/boot_id").strip() != before
    assert ssh(unit, "cat etc/connectd/kept; ls tmp run") == "kept\nrun:\nconnectd\n\ntmp:\n"
    with connect(unit) as client:
        assert client.get_transport().get_remote_server_key() == key  # type: ignore[union-attr]


def test_reboot_over_ssh_still_answers_that_it_was_understood(start: Start) -> None:
    unit = start(routes="ssh")
    before = unit.boot_id
    with connect(unit) as client:
        assert execute(client, "reboot")[0] == 0
    deadline = time.monotonic() + 5
    while unit.boot_id == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_key_during_the_boot_stops_it_at_the_loader(start: Start) -> None:
    unit = start(boot_seconds=2.0)
    with Terminal(unit) as terminal:
        unit.reboot()
        terminal.until("Hit any key")
        terminal.type("\r")
        terminal.until("=> ")
        terminal.type("help me\r")
        terminal.until("Unknown command 'help'")
        terminal.type("boot\r")
        terminal.until("unit-01 login: ")


def test_power_switch_from_outside(start: Start) -> None:
    unit = start()

    def switch(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "factory.rehearsal.power", str(unit.control), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)

    assert switch("off").returncode == 0
    with pytest.raises(OSError, match=r"refused|Unable to connect"):
        connect(unit)
    with Terminal(unit) as terminal:
        terminal.type("\r")
        assert terminal.for_seconds(0.3) == b""
    assert switch("on").returncode == 0
    unit.wait_until_settled()
    assert unit.boots == 2
    refused = switch("dance")
    assert refused.returncode == 2
    assert "does not know the request 'dance'" in refused.stderr
    gone = subprocess.run(
        [sys.executable, "-m", "factory.rehearsal.power", str(unit.control / "none"), "on"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert gone.returncode == 3
    assert "Start the rehearsal bench first" in gone.stderr


def test_pull_and_plug(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.login()
        unit.pull()
        terminal.type("echo hello\r")
        assert terminal.for_seconds(0.3) == b""
        with pytest.raises(OSError, match=r"refused|Unable to connect"):
            connect(unit)
        unit.plug()
        terminal.until("unit-01 login: ")
        unit.wait_until_settled()
        ssh(unit, "true")
        unit.pull(cable_only=True)
        assert unit.boots == 2
        unit.plug()
        ssh(unit, "true")
        assert unit.boots == 2


def test_the_adapter_vanishes_and_returns(start: Start) -> None:
    unit = start(routes="serial")
    assert unit.serial is not None
    assert unit.serial_port is not None
    with Terminal(unit) as terminal:
        terminal.login()
        unit.serial.unplug_adapter()
        assert not Path(unit.serial_port).exists()
        with pytest.raises((serial.SerialException, OSError)):
            terminal.for_seconds(1)
    unit.serial.replug_adapter()
    with Terminal(unit) as terminal:
        assert terminal.run("echo back") == "back"


def test_swap_on_demand_answers_seamlessly_as_another_unit(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal, connect(unit) as client:
        key = client.get_transport().get_remote_server_key()  # type: ignore[union-attr]
        terminal.login()
        first = terminal.run("cat sys/class/net/eth0/address proc/device-tree/serial-number; echo")
        unit.swap()
        second = terminal.run("cat sys/class/net/eth0/address proc/device-tree/serial-number; echo")
        assert MACS["eth0"] in first
        assert MACS["eth0"] not in second
        assert unit.plan.serial in second
        with connect(unit) as other:
            assert other.get_transport().get_remote_server_key() != key  # type: ignore[union-attr]


def test_swap_to_a_unit_of_one_s_own_with_a_copied_host_key(start: Start) -> None:
    unit = start()
    with connect(unit) as client:
        key = client.get_transport().get_remote_server_key()  # type: ignore[union-attr]
    unit.swap(UnitPlan("other", {"eth0": "b8:27:eb:99:99:99"}, "77"), logged_in=False, same_host_key=True)
    unit.wait_until_settled()
    with connect(unit) as client:
        assert client.get_transport().get_remote_server_key() == key  # type: ignore[union-attr]
    with Terminal(unit) as terminal:
        terminal.type("\r")
        terminal.until("other login: ")


def test_connectd_control_speaks_as_the_vendor_s_does(start: Start) -> None:
    unit = start(Fault.RUNNING_CONNECTD, routes="ssh")
    assert ssh(unit, "connectd_control show").splitlines() == [
        "Hardware ID is default.",
        "Registration key is default.",
        "Bulk ID Code is missing. Add your code to bulk_identification_code.txt.",
    ]
    assert "enabled and running" in ssh(unit, "connectd_control status all")
    ssh(unit, "connectd_control stop all")
    assert "enabled but not running" in ssh(unit, "connectd_control status all")
    assert ssh(unit, "connectd_control reset y") == "Reset OK.\n"
    assert ssh(unit, "connectd_control status all") == "no devices found\n"
    ssh(unit, "rm etc/connectd/*.txt")
    assert ssh(unit, "cd tmp && connectd_control show").splitlines() == [
        "Hardware ID is b827eb000011",
        "Registration key is b827eb000010",
        "Bulk ID Code is Bulk ID code file is missing.",
    ]


def test_the_mounts_file_names_the_mount_of_etc_connectd(start: Start) -> None:
    unit = start(routes="ssh")
    real = ssh(unit, "readlink -f etc/connectd").strip()
    mounts = [line.split() for line in ssh(unit, "cat proc/mounts").splitlines()]
    below = [fields for fields in mounts if f"{real}/".startswith(f"{fields[1]}/")]
    assert max(below, key=lambda fields: len(fields[1]))[2:4] == ["ext4", "rw,relatime"]


def test_close_leaves_no_process_thread_or_file(start: Start, tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    unit = start()
    with Terminal(unit) as terminal, connect(unit) as client:
        terminal.login()
        terminal.type("sleep 61 & \r")
        terminal.until("# ")
        client.exec_command("sleep 62 & sleep 63")
        unit.close()
    assert _sleepers(unit) == []
    deadline = time.monotonic() + 3
    while {t.name for t in set(threading.enumerate()) - threads} - {"control"}:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)
    assert not unit.root.exists()


def _sleepers(unit: SimulatedUnit) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={unit.root}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_an_unknown_parameter_of_a_fault_is_refused(start: Start) -> None:
    with pytest.raises(UsageError, match="no parameter speed") as caught:
        start().inject(Fault.SLOW_ECHO, speed=3)
    assert "delay" in caught.value.hint
