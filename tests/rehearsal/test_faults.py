"""Every fault shows what it says."""

from __future__ import annotations

import base64
import contextlib
import os
import time
from pathlib import Path

import paramiko
import pytest

from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from tests.rehearsal.conftest import MACS, Start
from tests.rehearsal.raw import Terminal, connect, execute, ssh


def test_every_fault_has_help_of_one_line() -> None:
    assert all(fault.help and "\n" not in fault.help for fault in Fault)


def test_silent(start: Start) -> None:
    unit = start(Fault.SILENT)
    with Terminal(unit) as terminal:
        terminal.type("\r")
        assert terminal.for_seconds(0.4) == b""
    ssh(unit, "true")


def test_boot_noise_is_long_and_comes_after_the_prompt_too(start: Start) -> None:
    unit = start(Fault.BOOT_NOISE, boot_seconds=0.3)
    with Terminal(unit) as terminal:
        unit.reboot()
        terminal.until("Restarting")
        log = terminal.until("unit-01 login: ")
        assert log.count("\n") > 100
        terminal.until("crng init done", 5)


def test_kernel_messages_inside_a_reply(start: Start) -> None:
    with Terminal(start(Fault.KERNEL_MESSAGES)) as terminal:
        terminal.login()
        said = terminal.run("seq 1 500").split("\n")
        strange = [line for line in said if not line.isdigit()]
        assert any("] " in line and "[" in line for line in strange)


def test_slow_echo(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.login()
        unit.inject(Fault.SLOW_ECHO, delay=0.5)
        begun = time.monotonic()
        terminal.type("x")
        terminal.until("x")
        assert time.monotonic() - begun > 0.45


@pytest.mark.parametrize("fault", [Fault.DROPPED_BYTES, Fault.CHANGED_BYTES])
def test_bytes_are_lost_or_changed(start: Start, fault: Fault) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.login()
        sound = terminal.run("seq 1 2000")
        unit.inject(fault, rate=0.01)
        terminal.type("seq 1 2000\r")
        damaged = terminal.for_seconds(1.0).decode("latin-1").replace("\r", "")
        assert sound not in damaged


def test_fifo_overrun_loses_what_is_not_taken(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.login()
        unit.inject(Fault.FIFO_OVERRUN)
        terminal.type("sleep 1\r" + "".join(f"echo typed-''{number:02}\r" for number in range(20)))
        said = terminal.for_seconds(2.0).decode("latin-1")
        assert 0 < said.count("typed-0") + said.count("typed-1") < 20


def test_cable_cut_at_byte_n(start: Start) -> None:
    unit = start()
    with Terminal(unit) as terminal:
        terminal.login()
        unit.inject(Fault.CABLE_CUT, at=100)
        terminal.type("seq 1 1000\r")
        assert 0 < len(terminal.for_seconds(0.5)) < 100
        unit.plug()
        assert terminal.run("echo mended").endswith("mended")


def test_garbage_is_another_speed(start: Start) -> None:
    unit = start(Fault.GARBAGE)
    with Terminal(unit) as terminal:
        for _ in range(4):
            terminal.type("\r")
        heard = terminal.for_seconds(0.5)
        assert heard
        assert b"login" not in heard
    with Terminal(unit, baud=57600) as terminal:
        terminal.type("\r")
        assert terminal.until(": ").split()[-1] in {"login:", "Password:"}


def test_a_station_at_the_wrong_speed_hears_garbage(start: Start) -> None:
    with Terminal(start(baud=115200), baud=9600) as terminal:
        terminal.type("\r\r\r")
        assert b"login" not in terminal.for_seconds(0.5)


def test_press_enter(start: Start) -> None:
    unit = start(Fault.PRESS_ENTER)
    with Terminal(unit) as terminal:
        unit.reboot()
        terminal.until("Restarting")
        terminal.until("Please press Enter to activate this console.")
        terminal.type("\r")
        terminal.until("# ")
        assert terminal.run("id -u") == "0"


def test_logged_in_and_half_typed(start: Start) -> None:
    unit = start(Fault.HALF_TYPED)
    with Terminal(unit) as terminal:
        unit.reboot()
        terminal.until("Restarting")
        terminal.until("cat /etc/iss")
        terminal.type("\x15")
        terminal.for_seconds(0.2)
        assert terminal.run("echo mine") == "mine"


def test_already_logged_in(start: Start) -> None:
    with Terminal(start(Fault.LOGGED_IN)) as terminal:
        assert terminal.run("id -un").endswith("root")


def test_password_change_is_forced_and_takes_effect(start: Start) -> None:
    unit = start(Fault.PASSWORD_CHANGE)
    old = unit.password
    with Terminal(unit) as terminal:
        terminal.prompted()
        terminal.type("root\r")
        terminal.until("Password: ")
        terminal.type(f"{old}\r")
        terminal.until("required to change your password immediately")
        terminal.until("Current password: ")
        terminal.type(f"{old}\r")
        for prompt in ("New password: ", "Retype new password: "):
            terminal.until(prompt)
            terminal.type("quite-new\r")
        terminal.until("# ")
    assert unit.password == "quite-new"
    with pytest.raises(paramiko.AuthenticationException):
        connect(unit, old)


def test_u_boot_prompt(start: Start) -> None:
    unit = start(Fault.U_BOOT)
    with Terminal(unit) as terminal:
        terminal.type("\r")
        terminal.until("=> ")
        with pytest.raises(OSError, match=r"refused|Unable to connect"):
            connect(unit)
        terminal.type("boot\r")
        terminal.until("login: ")


def test_emergency_shell(start: Start) -> None:
    unit = start(Fault.EMERGENCY_SHELL)
    with Terminal(unit) as terminal:
        terminal.type("\r")
        terminal.until("Give root password for maintenance")
        terminal.until("to continue): ")
        terminal.type(f"{unit.password}\r")
        terminal.until("# ")


def test_initramfs_shell(start: Start) -> None:
    with Terminal(start(Fault.INITRAMFS_SHELL)) as terminal:
        terminal.type("ifconfig -a\r")
        terminal.until("sh: ifconfig: not found")
        terminal.until("(initramfs) ")
        terminal.type("reboot\r")
        terminal.until("Hit any key")


def test_wrong_password(start: Start, tmp_path: Path) -> None:
    unit = start(Fault.WRONG_PASSWORD)
    believed = (tmp_path / "bench/password").read_text().strip()
    with pytest.raises(paramiko.AuthenticationException):
        connect(unit, believed)
    with Terminal(unit) as terminal:
        terminal.prompted()
        terminal.type("root\r")
        terminal.until("Password: ")
        terminal.type(f"{believed}\r")
        terminal.until("Login incorrect")


def test_new_host_key_at_every_boot(start: Start) -> None:
    unit = start(Fault.NEW_HOST_KEY, routes="ssh")
    keys = set()
    for _ in range(2):
        with connect(unit) as client:
            keys.add(client.get_transport().get_remote_server_key())  # type: ignore[union-attr]
        unit.reboot()
        unit.wait_until_settled()
    assert len(keys) == 2


def test_clone_and_zero_mac(tmp_path: Path) -> None:
    ssh_only = frozenset({"ssh"})
    plans = [
        UnitPlan("first", MACS, "1", ssh_only),
        UnitPlan("twin", {"eth0": "b8:27:eb:77:77:77"}, "2", ssh_only, faults=frozenset({Fault.CLONE})),
        UnitPlan("zero", MACS, "3", ssh_only, faults=frozenset({Fault.ZERO_MAC})),
    ]
    read = "cat sys/class/net/eth0/address; tr -d '\\0' <proc/device-tree/serial-number"
    with SimulatedBench(tmp_path / "bench", plans, boot_seconds=0.05) as bench:
        said = [ssh(unit, read).split("\n") for unit in bench.units]
    assert said == [[MACS["eth0"], "1"], [MACS["eth0"], "2"], ["00:00:00:00:00:00", "3"]]


def test_swapped_after_n_commands(start: Start) -> None:
    unit = start(routes="ssh")
    unit.inject(Fault.UNIT_SWAPPED, after=3)
    assert [ssh(unit, "cat sys/class/net/eth0/address").strip() for _ in range(2)] == [MACS["eth0"]] * 2
    with connect(unit) as client:
        # The connection ends before or after the command is acknowledged.
        with contextlib.suppress(EOFError, paramiko.SSHException):
            client.exec_command("sleep 5")[0].channel.close()
        deadline = time.monotonic() + 5
        while unit.plan.macs == MACS or not unit.boots:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    unit.wait_until_settled()
    assert ssh(unit, "cat sys/class/net/eth0/address").strip() == unit.plan.macs["eth0"] != MACS["eth0"]


@pytest.mark.parametrize(
    ("fault", "size", "holds"),
    [
        (Fault.HOSTILE_NEWLINE, 35, b"\n"),
        (Fault.HOSTILE_ANSI, None, b"\x1b[2J"),
        (Fault.HOSTILE_HUGE, 10_000_001, b"AAAA"),
        (Fault.HOSTILE_BYTES, None, b"\xff\xfe"),
    ],
)
def test_hostile_serial_numbers(start: Start, fault: Fault, size: int | None, holds: bytes) -> None:
    with connect(start(fault, routes="ssh")) as client:
        answer = execute(client, "cat proc/device-tree/serial-number")[1]
    assert holds in answer
    assert size is None or len(answer) == size


def test_disk_full(start: Start) -> None:
    unit = start(Fault.DISK_FULL, routes="ssh")
    with connect(unit) as client:
        assert "100%" in execute(client, "df")[1].decode()
        status, _, errors = execute(client, "cat >etc/connectd/new", b"x")
        assert status != 0
        assert b"File too large" in errors
        assert execute(client, "reboot")[0] == 0


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (None, ["mine"]),
        (Fault.FORGETS_ON_REBOOT, ["hardware_id.txt"]),
        (Fault.VOLATILE_CONNECTD, []),
    ],
)
def test_what_a_reboot_leaves_of_etc_connectd(start: Start, fault: Fault | None, left: list[str]) -> None:
    unit = start(*([fault] if fault else []), routes="ssh")
    ssh(unit, "rm etc/connectd/hardware_id.txt; echo me >etc/connectd/mine")
    unit.reboot()
    unit.wait_until_settled()
    names = ssh(unit, "ls etc/connectd").split()
    assert [name for name in names if name in {"mine", "hardware_id.txt"}] == left
    on_tmpfs = f"{unit.root}/etc/connectd tmpfs" in ssh(unit, "cat proc/mounts")
    assert on_tmpfs == (fault is Fault.VOLATILE_CONNECTD)


def test_read_only_connectd(start: Start) -> None:
    unit = start(Fault.READ_ONLY_CONNECTD, routes="ssh")
    assert f"{unit.root}/etc/connectd ext4 ro" in ssh(unit, "cat proc/mounts")
    if os.getuid() != 0:
        with connect(unit) as client:
            assert execute(client, "echo x >etc/connectd/x")[0] != 0


def test_leftover_files(start: Start) -> None:
    unit = start(Fault.LEFTOVER_FILES, routes="ssh")
    for name in ("dfiles", "pfiles", "available", "active"):
        assert ssh(unit, f"ls etc/connectd/{name}")
    assert "enabled but not running" in ssh(unit, "connectd_control status all")


def test_running_connectd(start: Start) -> None:
    unit = start(Fault.RUNNING_CONNECTD, routes="ssh")
    assert "enabled and running" in ssh(unit, "connectd_control status all")
    assert "connectd" in ssh(unit, "ps")
    assert ssh(unit, "pidof connectd.arm") == "412\n"


@pytest.mark.parametrize("fault", [Fault.NO_BASE64, Fault.NO_SHA256SUM])
def test_a_missing_tool(start: Start, fault: Fault) -> None:
    tool = fault.value.removeprefix("no-")
    unit = start(routes="ssh")
    assert ssh(unit, f"command -v {tool}")
    assert base64.b64decode(ssh(unit, "printf hello | base64")) == b"hello"
    unit.inject(fault)
    with connect(unit) as client:
        assert execute(client, f"command -v {tool}")[0] == 127 or not execute(client, f"command -v {tool}")[1]
