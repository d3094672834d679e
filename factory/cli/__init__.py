"""The `factory` command: one small module per group of commands; each parses, calls a room, prints."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (factory.errors.Exit); the console script ends with it."""
    from factory.cli.app import run

    return run(arguments)
