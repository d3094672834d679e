"""`python -m tests.kills.commits FOLDER`: a ledger is written, copied and closed; each commit is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from factory.ledger import open_ledger
from factory.ledger.backup import backup
from tests.kills.traced import MARK

EVENTS = 5


def mark(text: str) -> None:
    """Say what was promised."""
    os.write(2, MARK + text.encode() + b"\n")


def main(folder: Path) -> None:
    """Write events; after the last one the log is folded into the file."""
    with open_ledger("ledger.db", folder=folder, station="S1") as ledger:
        for number in range(1, EVENTS + 1):
            ledger.record("slot.state", slot="A", data={"text": "x" * 900 * (number % 3)})
            mark(f"event {number}")
        backup(ledger._store, folder / "copy.db")
        mark("backup")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
