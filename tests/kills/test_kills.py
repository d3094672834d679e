"""Killed at every step, and nothing is lost or double: see oracle.py for what that means, steps.py for what a step is.

FACTORY_KILLS is about how many kills each sweep makes: few for everybody's `make test`, hundreds in continuous
integration, thousands in `make soak`. FACTORY_KILLS_SEED changes the steps that are chosen at random.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres

KILLS = int(os.environ.get("FACTORY_KILLS", "8"))
SEED = int(os.environ.get("FACTORY_KILLS_SEED", "1"))
SECONDS = 400 + 8 * KILLS
CHECKOUT = Path(__file__).resolve().parents[2]


def every(steps: int, share: int = 1) -> int:
    """Each how-manieth of so many steps fits a share of the kills that are asked for."""
    return max(1, steps * share // KILLS)


def sweep(folder: Path, kind: str, **options: int | str) -> str:
    """Run a sweep in a process of its own, which forks; the line that it ends with."""
    done = swept(folder, kind, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    print(done.stdout)
    return done.stdout


def swept(folder: Path, kind: str, **options: int | str) -> subprocess.CompletedProcess[str]:
    """Run it, whatever it comes to."""
    arguments = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.kills", kind, str(folder), "--seed", str(SEED), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=CHECKOUT)


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.parametrize("half", [0, 1])
def test_the_line_killed_at_every_step(tmp_path: Path, half: int) -> None:
    step = every(130)
    assert " kills " in sweep(tmp_path, "line", first=1 + half * step, step=2 * step, kills=10_000, again=1)


@pytest.mark.timeout(SECONDS + 10)
def test_several_slots_killed_anywhere_again_and_again(tmp_path: Path) -> None:
    assert f"{KILLS} kills " in sweep(tmp_path, "line", slots=3, kills=KILLS)


@pytest.mark.timeout(SECONDS + 10)
def test_units_that_get_their_addresses_and_labels_killed_anywhere(tmp_path: Path) -> None:
    assert f"{KILLS} kills " in sweep(tmp_path, "line", slots=2, kills=KILLS, full=1)


@pytest.mark.timeout(SECONDS + 10)
def test_the_offices_commands_killed_at_every_step(tmp_path: Path) -> None:
    assert " kills " in sweep(tmp_path, "office", step=every(70), kills=10_000, again=1)


@pytest.mark.timeout(SECONDS + 10)
def test_a_line_on_a_server_killed_anywhere(tmp_path: Path) -> None:
    with postgres.server() as url:
        server = url.render_as_string(hide_password=False)
        assert " kills " in sweep(tmp_path, "line", kills=max(4, KILLS // 5), server=server)


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.parametrize(
    ("kind", "careless", "first", "seen"),
    [
        ("line", "forgets", 50, "that unit is in work"),
        ("line", "loses", 50, "is not as it passed"),
        ("office", "in-place", 11, "export.exists"),
    ],
)
def test_a_sweep_finds_out_a_careless_program(tmp_path: Path, kind: str, careless: str, first: int, seen: str) -> None:
    done = swept(tmp_path, kind, careless=careless, first=first, step=1, kills=20)
    assert done.returncode == 1, done.stdout
    assert seen in done.stderr, done.stderr[-3000:]
