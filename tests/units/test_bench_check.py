"""What `factory doctor` sees at a bench before any unit is connected."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.config import PowerSection, SerialSection, Slot, SshSection
from factory.units.bench_check import bench_findings
from factory.values import Finding, Severity


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def serial(name: str, port: str) -> Slot:
    return Slot(name=name, serial=SerialSection(port=port))


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A list of processes without any that claims ports."""
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "1" / "comm").write_text("init\n")
    return tmp_path / "proc"


def test_a_bench_in_order(port: str, quiet: Path) -> None:
    power = PowerSection(on=("true",), off=("false",))
    slots = [
        Slot(name="A", serial=SerialSection(port=port), ssh=SshSection(host="192.0.2.1", interface="lo"), power=power)
    ]
    assert bench_findings(slots, quiet) == []
    assert bench_findings([serial("A", "socket://127.0.0.1:1")], quiet) == [], "a network port is no device"


def test_what_is_missing_is_named_with_its_slot(quiet: Path) -> None:
    missing = Slot(
        name="A",
        serial=SerialSection(port="/dev/serial/by-path/none"),
        ssh=SshSection(host="192.0.2.1", interface="no-such-nic"),
        power=PowerSection(on=("no-such-program", "1"), off=("true",)),
    )
    findings = bench_findings([missing], quiet)
    assert codes(findings) == ["PORT-MISSING", "NIC-MISSING", "POWER-PROGRAM"]
    assert all("slot A" in finding.place and finding.hint for finding in findings)


def test_one_device_under_two_names(port: str, quiet: Path, tmp_path: Path) -> None:
    link = tmp_path / "other-name"
    link.symlink_to(port)
    (finding,) = bench_findings([serial("A", port), serial("B", str(link))], quiet)
    assert finding.code == "PORT-DOUBLE"
    assert "slot B" in finding.place and "slot A" in finding.message


def test_a_busy_port_names_who_has_it(port: str, quiet: Path) -> None:
    child = os.fork()
    if child == 0:
        os.open(port, os.O_RDWR | os.O_NOCTTY)
        time.sleep(30)
        os._exit(0)
    try:
        until = time.monotonic() + 5
        while not (findings := bench_findings([serial("A", port)], quiet)) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert {finding.code for finding in findings} == {"PORT-BUSY"}
    assert any(f"(pid {child})" in finding.message for finding in findings)


def test_a_port_without_the_right_to_it(port: str, quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (finding,) = bench_findings([serial("A", port)], quiet)
    assert finding.code == "PORT-RIGHTS"
    assert "dialout" in finding.hint


@pytest.mark.parametrize("service", ["ModemManager", "brltty"])
def test_services_that_claim_ports(port: str, quiet: Path, service: str) -> None:
    (quiet / "812").mkdir()
    (quiet / "812" / "comm").write_text(f"{service}\n")
    (finding,) = bench_findings([serial("A", port)], quiet)
    assert (finding.code, finding.severity, finding.place) == ("PORT-CLAIMED", Severity.WARNING, service)
    assert "mask" in finding.hint
    ssh = Slot(name="A", ssh=SshSection(host="192.0.2.1"))
    assert bench_findings([ssh], quiet) == [], "where no slot has a serial port it does not matter"


def test_the_number_of_a_tty_is_no_place(quiet: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    real = Path.resolve
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(Path, "resolve", lambda path: real(Path(port)))
    (finding,) = bench_findings([serial("A", "/dev/ttyUSB0")], quiet)
    assert (finding.code, finding.severity) == ("PORT-NAME", Severity.WARNING)
    assert "by-path" in finding.hint
