"""A station by its commands alone: a simulated bench in one process, everything else against it."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.cli import options

FACTORY = [sys.executable, "-m", "factory"]


def factory(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FACTORY, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=90)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Path]:
    """The folder of a bench with two units; it must end by Ctrl-C, and well."""
    out = tmp_path / "practice"
    process = subprocess.Popen(
        [*FACTORY, "rehearse", "bench", "--units", "2", "--out", str(out), "--fault", "boot-noise"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, f"it ended: {said}"
            said.append(line)
        assert "--lot PRACTICE" in said[-1]
        yield out
        assert process.poll() is None, "it stays up until Ctrl-C"
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_from_a_bench_to_the_upload(rehearsal: Path) -> None:
    product, bench = rehearsal / "product/product.toml", rehearsal / "bench.toml"
    ran = factory(
        "run", "--product", product, "--bench", bench, "--lot", "P1", "--units", "2", "--json-lines", folder=rehearsal
    )
    assert ran.returncode == 0, ran.stderr
    documents = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (documents[-1]["schema"], documents[-1]["passed"]) == ("factory.run/1", 2)
    texts = [document["data"]["text"] for document in documents if document.get("kind") == "slot.state"]
    assert texts[0] == "connect a unit"
    assert any(text.startswith("working: ") for text in texts)
    assert sum(text == "PASS remove" for text in texts) == 2
    passed = [row["hardware_id"] for row in documents[-1]["attempts"]]

    again = factory("run", "--product", product, "--bench", bench, "--lot", "P1", "--units", "2", folder=rehearsal)
    assert again.returncode == 1
    assert "already passed" in again.stdout + again.stderr

    doctor = factory("doctor", "--bench", bench, "--json", folder=rehearsal)
    findings = json.loads(doctor.stdout)["findings"]
    assert [finding for finding in findings if finding["severity"] == "error"] == []
    assert doctor.returncode == 0

    out = rehearsal / "upload"
    exported = factory(
        "sheet", "export", "--lot", "P1", "--product", product, "--bench", bench, "--out", out, folder=rehearsal
    )
    assert exported.returncode == 0, exported.stderr
    (csv,) = out.glob("*.csv")
    assert all(hardware_id in csv.read_text() for hardware_id in passed)
    shown = factory("ledger", "show", "--bench", bench, folder=rehearsal)
    assert shown.returncode == 0 and passed[0] in shown.stdout


def test_faults_are_listed_and_misspelt_ones_explained(tmp_path: Path) -> None:
    listed = factory("rehearse", "bench", "--fault", "list", folder=tmp_path)
    assert listed.returncode == 0 and "kernel-messages" in listed.stdout
    wrong = factory("rehearse", "bench", "--fault", "kernel-mesages", folder=tmp_path)
    assert wrong.returncode == 2 and "kernel-messages" in wrong.stderr
    assert not list(tmp_path.iterdir())


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert options.logged_in() == f"uid {os.getuid()}"
