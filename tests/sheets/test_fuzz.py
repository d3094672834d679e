"""Mutated sheets: no traceback, no hang, no memory that grows. In a child process, which may die without us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("FACTORY_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("FACTORY_FUZZ_SEED", "1"))


@pytest.mark.timeout(SECONDS + 120)
def test_mutated_sheets(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sheets.fuzz_worker", str(SECONDS), str(SEED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 100, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "cases" in done.stderr
