"""The `factory` command: one small module per group of commands; each parses, calls a room, prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (factory.errors.Exit); the console script ends with it."""
    from factory.cli.app import run

    _hold_standard_streams()
    return run(arguments)


def _hold_standard_streams() -> None:
    """Open on nothing what the caller has closed: the next file or serial port would get the number of stdout, and
    everything printed would go there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
