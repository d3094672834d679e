"""`python -m tests.kills.over_ssh FOLDER UNITS KILL_AT`: a line on a floor of tests/line in a process of its own.

It kills itself at a step (0: never); prints the number of steps where it was not killed.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from factory.config import load_bench, load_product
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import open_ledger
from factory.line import open_line
from factory.units import SshUnit, ssh_connect
from tests.kills.steps import Steps, counted
from tests.line.floor import FAST, LOT


def main(folder: Path, units: int, kill_at: int) -> int:
    """Run the line."""
    product = load_product(folder / "product" / "product.toml")
    bench = load_bench(folder / "bench.toml")
    keys = KeySource.open(product.identity.key, product.folder)
    builder = open_builder(product.image, product.folder, product.product.name)
    steps = Steps(kill_at, sys.stderr.fileno())

    def told(name: str) -> Any:
        real = getattr(SshUnit, name)

        def call(unit: SshUnit, *arguments: Any, **named: Any) -> Any:
            steps(f"before the unit's command ({name})")
            done = real(unit, *arguments, **named)
            steps(f"after the unit's command ({name})")
            return done

        return patch.object(SshUnit, name, call)

    with ExitStack() as stack:
        stack.enter_context(patch.object(ssh_connect, "PROBE_EVERY", 0.3))
        stack.enter_context(told("run"))
        stack.enter_context(told("put"))
        ledger = stack.enter_context(open_ledger("sqlite:///ledger.db", station="S1", folder=folder))
        stack.enter_context(counted(steps, folder, without=Path("sim")))
        line = open_line(
            product,
            bench,
            LOT,
            ledger=ledger,
            builder=builder,
            keys=keys,
            timing=FAST,
            images_out=folder / "images",
        )
        line.run(units=units, on_event=lambda event: None)
    print(steps.count)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
