"""How fast a card is written, against `dd`. A file of the card's size stands for the card: no loop device between, and
both sides write past the page cache, to the same disk.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from factory.config import CardReader
from factory.flashing.card import CardJob, CardResult, Stage, flash_card
from factory.flashing.card.medium import Medium, open_file
from factory.flashing.card.source import Mapped, Source, image_file
from factory.flashing.journal import NullJournal
from tools.measure import Ratio, seconds

MIB = 1024 * 1024
SIZE = 1024 * MIB
RUN = 4 * MIB
"""Mapped ranges of 4 MiB, one in every 40."""
RUNS = 3


def ratios() -> Iterator[Ratio]:
    """1 GiB with a block map of which a tenth is mapped, and without a map: written alone, and with the read-back."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-card-") as name:
        folder = Path(name)
        image, card = folder / "os.img", folder / "card"
        _fill(image)
        card.write_bytes(b"")
        subprocess.run(["fallocate", "-l", str(SIZE), card], check=True)
        _dd(image, card)  # so that every block of it has been written once
        mapped = tuple(Mapped(at, RUN) for at in range(0, SIZE, 10 * RUN))
        whole, sparse = image_file(image), image_file(image, mapped, SIZE)
        read = ["dd", f"if={card}", "iflag=direct", "bs=4M", "status=none"]

        def dd_and_sum() -> None:
            _dd(image, card)
            subprocess.run(f"{' '.join(read)} | sha256sum", shell=True, check=True, stdout=subprocess.DEVNULL)

        def dd() -> None:
            _dd(image, card)

        both = "card, 1 GiB, {}, written and read back : dd, dd | sha256sum"
        alone = "card, 1 GiB, {}, written : dd oflag=direct"
        yield _compare(both.format("a tenth mapped"), lambda: _ours(sparse, card).whole, dd_and_sum, 0.2)
        yield _compare(alone.format("a tenth mapped"), lambda: _ours(sparse, card).written, dd, 0.2)
        yield _compare(alone.format("no map"), lambda: _ours(whole, card).written, dd, 1.1)
        yield _compare(both.format("no map"), lambda: _ours(whole, card).whole, dd_and_sum, 1.1)


class _Took:
    """Seconds of one card: to the end of the writing, sync included, and in all."""

    def __init__(self) -> None:
        self.written = self.whole = 0.0


def _ours(source: Source, card: Path) -> _Took:
    took, marks = _Took(), dict[str, float]()

    class Marked(Medium):
        """Notes when the writing is through: the first time that what was written is to be read back, but for zeros."""

        def uncache(self, ranges: Iterator[tuple[int, int]]) -> str:
            way = super().uncache(ranges)
            marks.setdefault("cleared", time.perf_counter())
            if "filled" in marks:
                marks.setdefault("synced", time.perf_counter())
            return way

    @contextlib.contextmanager
    def opened(_reader: CardReader) -> Iterator[Medium]:
        with open_file(card) as medium:
            medium.__class__ = Marked
            yield medium

    def progress(_name: str, _stage: Stage) -> None:
        marks["filled"] = time.perf_counter()

    reader = CardReader(name="bench", path=str(card))
    began = time.perf_counter()
    job = CardJob(reader, source)
    result: CardResult = flash_card(job, NullJournal(), cancel=threading.Event(), progress=progress, opener=opened)
    took.whole = time.perf_counter() - began
    if result.error is not None or result.note:
        raise RuntimeError(f"the card was not written: {result.error or result.note}")
    took.written = marks["synced"] - began
    return took


def _compare(label: str, ours: Callable[[], float], other: Callable[[], object], at_most: float) -> Ratio:
    left, right = [], []
    ours(), other()
    for _ in range(RUNS):
        left.append(ours())
        right.append(seconds(other))
    ratio = statistics.median(left) / statistics.median(right)
    spread = (max(left) / min(left), max(right) / min(right))
    goal = f"at most {at_most:g}"
    return Ratio(label, statistics.median(left), statistics.median(right), ratio, spread, goal, ratio <= at_most)


def _fill(path: Path) -> None:
    part = os.urandom(16 * MIB)
    with path.open("wb") as stream:
        for _ in range(SIZE // len(part)):
            stream.write(part)
    path.read_bytes()


def _dd(image: Path, card: Path) -> None:
    argv = ["dd", f"if={image}", f"of={card}", "bs=4M", "oflag=direct", "conv=fsync,notrunc", "status=none"]
    subprocess.run(argv, check=True)
