"""Cards for tests: files of a card's size filled with 0xFF, images with partition tables, and what lies on a card."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from factory.config import CardReader
from factory.flashing.card import CardJob, CardResult, Stage, flash_card
from factory.flashing.card.medium import Medium, open_file
from factory.flashing.card.source import Source, in_memory
from factory.flashing.journal import NullJournal
from tests.programs import require

MIB = 1024 * 1024
OLD = b"\xee"  # what an earlier unit left on a card


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def card_file(path: Path, size: int = 28 * MIB) -> CardReader:
    """A card that held something."""
    path.write_bytes(OLD * size)
    return CardReader(name=path.name, path=str(path))


def opener(*, direct: bool = True, wrapped: Callable[[Medium], Medium] = lambda medium: medium) -> Callable[
    [CardReader], AbstractContextManager[Medium]
]:  # fmt: skip
    @contextlib.contextmanager
    def opened(reader: CardReader) -> Iterator[Medium]:
        with open_file(Path(reader.path), direct=direct) as medium:
            yield wrapped(medium)

    return opened


def sfdisk(path: Path, script: str) -> dict[str, object]:
    """Give a file a partition table; what sfdisk itself reads from it afterwards."""
    program = require("sfdisk")
    subprocess.run([program, "--quiet", path], input=script.encode(), check=True, capture_output=True)
    return shown(path)


def shown(path: Path) -> dict[str, object]:
    said = subprocess.run([require("sfdisk"), "--json", path], check=True, capture_output=True).stdout
    table: dict[str, object] = json.loads(said)["partitiontable"]
    return table


def system_image(path: Path, *, label: str = "gpt", size: int = 24 * MIB) -> Path:
    """An image of a system: a boot loader in the gap, three partitions of 4, 8 and the rest MiB, noise and holes."""
    with path.open("wb") as stream:
        stream.truncate(size)
    sfdisk(path, f"label: {label}\n,4M\n,8M\n,\n")
    with path.open("r+b") as stream:
        os.pwrite(stream.fileno(), noise(64 * 1024, 2), 32 * 1024)
        for place in (1, 4, 7, 12, 17, 20):
            os.pwrite(stream.fileno(), noise(MIB // 4, place), place * MIB + 4096)
        end = size - MIB - 4096  # a GPT's backup lies behind it
        os.pwrite(stream.fileno(), noise(4096, 99), end)
    return path


def unit_source(seed: int = 7) -> Source:
    """Like one of our ext4 builds: 4 MiB of which a few blocks matter."""
    blocks = [(place, noise(4096, seed + place)) for place in (0, 4096, 8192, MIB, 4 * MIB - 4096)]
    return in_memory(f"unit {seed}", 4 * MIB, blocks)


def write(
    job: CardJob,
    *,
    cancel: threading.Event | None = None,
    progress: Callable[[str, Stage], None] = lambda _name, _stage: None,
    **seam: object,
) -> CardResult:
    opened = opener(**seam)  # type: ignore[arg-type]
    return flash_card(job, NullJournal(), cancel=cancel or threading.Event(), progress=progress, opener=opened)


def holds_nothing(path: Path) -> bool:
    """No boot sector, no table, no backup of one: what a system that starts looks for is zeros."""
    content = path.read_bytes()
    return not any(content[:MIB]) and not any(content[-MIB:])


def untouched(path: Path) -> bool:
    content = path.read_bytes()
    return content == OLD * len(content)
