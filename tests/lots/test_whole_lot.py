"""A full lot: simulated bench, line, export, portal, first boots, confirmation, and a real sshd through the cloud."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factory.cli import main
from factory.demo import write_rehearsal
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.plan import SSH_ROUTE, bench_plans
from tests import programs
from tools.openssh import Sshd

UNITS = 50
LOT = ("--lot", "WHOLE", "--product", "product/product.toml")
SERVICES = '\n[[registration.services]]\nname = "ssh"\ntype = "SSH"\nport = 22\n'


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the ledger of a lot that the line has worked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACTORY_LEDGER", "sqlite:///ledger.db")
    monkeypatch.delenv("FACTORY_REMOTEIT_URL", raising=False)
    # Over SSH alone: the serial wire's own time is tested elsewhere.
    plans = tuple(replace(plan, routes=frozenset({SSH_ROUTE})) for plan in bench_plans(UNITS))
    with SimulatedBench(tmp_path / "units", plans) as bench:
        product, station = write_rehearsal(bench, tmp_path)
        product.write_text(product.read_text() + SERVICES)
        assert main(["run", *LOT, "--bench", str(station), "--units", str(UNITS), "--json-lines"]) == 0
    return tmp_path


@pytest.mark.timeout(600)
def test_from_the_bench_to_a_shell_behind_the_cloud(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program in ("sshd", "ssh-keygen"):
        programs.require(program)

    def factory(*arguments: str, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == status, capsys.readouterr().err
        return dict(json.loads(capsys.readouterr().out))

    factory("sheet", "export", *LOT, "--out", "upload")
    with SimulatedClouds(made / "clouds") as clouds, Sshd(_folder(made / "sshd")) as sshd:
        where = ("--server", clouds.url, "--ca", str(clouds.ca))
        account = (*where, "--credentials", str(clouds.credentials))
        booted = factory("rehearse", "lot", *LOT, *where, "--jobs", "1")
        assert (booted["units"], booted["online"], booted["named"]) == (UNITS, UNITS, [])
        assert [(one["rows"], one["origin"]) for one in booted["uploads"]] == [(UNITS, "as exported")]
        confirmed = factory("remoteit", "confirm", *LOT, *account, "--online")
        assert (confirmed["rows"], confirmed["named"]) == ({"online": UNITS}, [])
        unit = clouds.query("SELECT hardware_id FROM remoteit_units ORDER BY line")[-1]["hardware_id"]
        clouds.remoteit.set_target(unit, "ssh", f"127.0.0.1:{sshd.port}")
        reached = factory("remoteit", "connect", f"{unit}/ssh", *account, "--check")
        assert reached["stopped"]
        assert "SSH-2.0-OpenSSH" in json.dumps(reached["reached"])


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
