"""The wheel works alone: built, installed into a new environment in an empty folder, and the demo run there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*argv: str | Path, cwd: Path, timeout: float = 240) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FACTORY"))}
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def pins(folder: Path) -> Path:
    """The lock's versions as constraints, so that only what the wheel itself needs is installed.

    The markers stay: one library may be locked once for each Python.
    """
    lock = (CHECKOUT / "requirements.lock").read_text()
    path = folder / "constraints.txt"
    path.write_text("\n".join(re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]+)", lock, re.MULTILINE)) + "\n")
    return path


@pytest.mark.timeout(400)
def test_built_wheel_runs_the_demo_in_an_empty_folder(tmp_path: Path) -> None:
    dist, empty, environment = tmp_path / "dist", tmp_path / "empty", tmp_path / "venv"
    empty.mkdir()
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, CHECKOUT, cwd=tmp_path)
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    assert wheel.name.startswith("oem_factory-") and sdist.name.startswith("oem_factory-")

    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "-c", pins(tmp_path), wheel, cwd=empty)
    where = run(python, "-c", "import factory; print(factory.__file__)", cwd=empty).strip()
    assert Path(where).is_relative_to(environment)

    document = json.loads(run(environment / "bin" / "factory", "demo", "--json", cwd=empty))
    assert document["expected"] is True
    assert {path.name for path in empty.iterdir()} == {"factory-demo"}
