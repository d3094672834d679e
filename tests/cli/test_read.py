"""`factory read` as people and scripts use it, on simulated units over both routes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.cli import main
from factory.config.starter import write_product_folder
from factory.errors import Exit
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit

MACS = {"eth0": "b8:27:eb:00:00:01", "wlan0": "b8:27:eb:00:00:02"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SimulatedBench]:
    plan = UnitPlan("u1", MACS, "10000000aaaa0001")
    with SimulatedBench(tmp_path / "sim", [plan], baud=None, boot_seconds=0.1) as made:
        yield made


def ssh(unit: SimulatedUnit) -> str:
    assert unit.ssh_address
    return f"root@127.0.0.1:{unit.ssh_address[1]}"


def route(unit: SimulatedUnit, kind: str) -> list[str]:
    return ["--serial", str(unit.serial_port)] if kind == "serial" else ["--ssh", ssh(unit)]


@pytest.mark.parametrize("kind", ["serial", "ssh"])
def test_a_unit_is_read_without_a_product_file(
    bench: SimulatedBench, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    password = f"file:{bench.password_file}"
    assert main(["read", *route(bench.units[0], kind), "--user", "root", "--password", password, "--json"]) == Exit.DONE
    out = capsys.readouterr().out
    document = json.loads(out)
    assert set(document) == {"schema", "route", "interfaces", "facts", "connectd", "seconds"}
    assert document["schema"] == "factory.read/1"
    assert document["route"].startswith(f"{kind}:")
    assert document["interfaces"] == MACS, "and never the host's own"
    assert document["facts"]["serial"] == "10000000aaaa0001"
    assert bench.units[0].password not in out


def test_a_table_for_people(bench: SimulatedBench, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["read", "--ssh", ssh(bench.units[0]), "--password", f"file:{bench.password_file}"]
    assert main(arguments) == Exit.DONE
    captured = capsys.readouterr()
    assert "b8:27:eb:00:00:01" in captured.out and "10000000aaaa0001" in captured.out
    assert "SHA256:" in captured.err, "a person sees which host key it was"


def test_a_product_for_real_units_is_refused_before_anything_is_read(
    bench: SimulatedBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
    product = write_product_folder(
        tmp_path / "p",
        bulk_identification_code=code,
        settings={"unit.login.user": "root", "unit.login.password": f"file:{bench.password_file.resolve()}"},
    )
    assert main(["read", "--ssh", ssh(bench.units[0]), "--product", str(product), "--json"]) != Exit.DONE
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "unit.simulated"
    assert "simulated = true" in error["hint"]


def test_a_wrong_password_and_a_missing_one(
    bench: SimulatedBench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "swordfish")
    for given, code in ((["--password", "env:WRONG"], "unit.login-incorrect"), ([], "unit.password-needed")):
        assert main(["read", "--ssh", ssh(bench.units[0]), *given, "--json"]) == Exit.FAILED
        out = capsys.readouterr().out
        assert json.loads(out)["error"]["code"] == code
        assert "swordfish" not in out


def test_a_password_is_asked_for_on_a_terminal(bench: SimulatedBench) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "factory", "read", "--ssh", ssh(bench.units[0]), "--json"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen = b""
    until = time.monotonic() + 20
    while b"password of root" not in seen and time.monotonic() < until:
        seen += os.read(master, 1000)
    os.write(master, bench.units[0].password.encode() + b"\n")
    out, _ = process.communicate(timeout=30)
    os.close(master)
    assert process.returncode == Exit.DONE
    assert json.loads(out)["interfaces"] == MACS
    assert bench.units[0].password.encode() not in seen + out
