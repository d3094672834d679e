"""Whether every card reader of the bench is there and fit: for `factory doctor`. An empty reader is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from factory.config import CardReader
from factory.flashing.card.disk import CardRefused, Host, find_disk
from factory.values import Finding, Severity


def card_findings(readers: Iterable[CardReader], host: Host | None = None) -> Iterator[Finding]:
    """What is wrong with each reader; nothing is opened or written."""
    for reader in readers:
        try:
            disk = find_disk(reader, host or Host())
        except CardRefused as refused:
            if refused.code != "card.empty":
                yield Finding(refused.code, Severity.ERROR, "bench", refused.message, refused.hint, reader.path)
            continue
        if not os.access(disk.device, os.R_OK | os.W_OK):
            hint = f"Add a udev rule for this port, or the user to the group of {Path(disk.device).name}."
            yield Finding(
                "card.rights",
                Severity.ERROR,
                f"card {reader.name}",
                f"no right to write to {disk.device}",
                hint,
                reader.path,
            )
