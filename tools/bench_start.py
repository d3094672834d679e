"""How long the command takes to start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.measure import Ratio, compare


def ratios() -> Iterator[Ratio]:
    """`factory --help` against the import of the two libraries that any such command needs."""
    factory = Path(sys.executable).with_name("factory")

    def ours() -> None:
        subprocess.run([factory, "--help"], check=True, stdout=subprocess.DEVNULL)

    def imports() -> None:
        subprocess.run([sys.executable, "-c", "import typer, rich"], check=True)

    yield compare("factory --help : python -c 'import typer, rich'", ours, imports, at_most=2.0, runs=15)
