"""A bench of real kernels by commands alone, as a user has it: run, flash, and the power switch."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_station import FACTORY
from tests.qemu import kernel


def factory(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FACTORY, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=200)


@pytest.fixture
def said(tmp_path: Path) -> Iterator[list[str]]:
    """What the bench said when it was up; it must end by Ctrl-C, and well."""
    kernel()
    process = subprocess.Popen(
        [*FACTORY, "rehearse", "bench", "--qemu", "1", "--out", "practice"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, f"it ended: {lines}"
            lines.append(line.strip())
        yield lines
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert not (tmp_path / "practice/units/units").exists()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.timeout(400)  # three boots
def test_run_flash_and_switch_off(said: list[str], tmp_path: Path) -> None:
    bench, product = "practice/bench.toml", "practice/product/product.toml"
    ran = factory(
        "run", "--product", product, "--bench", bench, "--lot", "P1", "--units", "1", "--json-lines", folder=tmp_path
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout[-2000:]
    (row,) = json.loads(ran.stdout.splitlines()[-1])["attempts"]
    assert len(row["routes"]) == 2, "over serial and SSH"

    (image,) = (tmp_path / "practice/images").glob("*.tar.gz")
    call = ["flash", str(image), "--slot", "slot-01", "--bench", bench, "--product", product, "--json"]
    done = factory(*call, "--reason", "practice", folder=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    flashed = json.loads(done.stdout)
    assert (flashed["outcome"], flashed["hardware_id"]) == ("passed", row["hardware_id"])

    (switch,) = [line for line in said if "factory.rehearsal.power" in line]
    program, *words = shlex.split(switch.partition("(or ")[0])
    assert (program, words[-1]) == (sys.executable, "on")
    off = subprocess.run([program, *words[:-1], "off"], capture_output=True, text=True, timeout=60, check=False)
    assert off.returncode == 0, off.stderr
    (address,) = [word for line in said for word in line.split() if word.startswith("root@")]
    read = factory("read", "--product", product, "--ssh", address, "--wait", "1", "--json", folder=tmp_path)
    assert read.returncode != 0, "it has no power"
    wrong = subprocess.run([program, *words[:-1], "explode"], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 2 and "on, off, reset" in wrong.stderr
