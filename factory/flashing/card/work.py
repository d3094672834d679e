"""Many cards at once, a thread for each: what happens to one changes nothing for the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from factory.config import CardReader
from factory.errors import FactoryError
from factory.flashing.card.layout import lay_out
from factory.flashing.card.medium import Medium, open_card
from factory.flashing.card.source import Source
from factory.flashing.card.writing import Holds, Stage, Writing
from factory.flashing.journal import FlashJournal
from factory.units.deadline import Cancelled
from factory.values import Manifest, Receipt

METHOD = "card"
Opener = Callable[[CardReader], AbstractContextManager[Medium]]


@dataclass(frozen=True, slots=True)
class CardJob:
    """What goes onto one card: the system's image, the unit's own, or both; `manifest` of the unit's, where it has
    one; `partition` takes the unit's image, None where it takes the card whole.
    """

    card: CardReader
    system: Source | None = None
    unit: Source | None = None
    manifest: Manifest | None = None
    partition: int | None = None


class Outcome(StrEnum):
    """How one card ended."""

    WRITTEN = "written"  # read back from the card; the unit has not passed by that
    REFUSED = "refused"  # nothing was written
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CardResult:
    """What became of one card; `seconds` is wall time, `note` what is worth knowing although it went well;
    `sent` is how many bytes went to the card, also when it failed.
    """

    card: CardReader
    outcome: Outcome
    holds: Holds
    seconds: float
    receipt: Receipt | None = None
    error: FactoryError | None = None
    note: str = ""
    sent: int = 0


@dataclass(slots=True)
class _Course:
    """How far one job has come, for the answer after an error."""

    holds: Holds = Holds.BEFORE
    done: int = 0
    intended: bool = False
    note: str = ""
    began: float = field(default_factory=time.monotonic)


def flash_cards(
    jobs: Sequence[CardJob],
    journal: FlashJournal,
    *,
    cancel: threading.Event | None = None,
    progress: Callable[[str, Stage], None] | None = None,
    opener: Opener | None = None,
) -> Iterator[CardResult]:
    """Write every job's card; results as they come. `progress` is called in the cards' threads, with their names.

    What a person can mend is in the results; bugs are raised. Setting `cancel` leaves each card without a table.
    """
    called_off = cancel or threading.Event()
    told = progress or _untold
    with ThreadPoolExecutor(max(len(jobs), 1), thread_name_prefix="card") as pool:
        futures = [
            pool.submit(flash_card, job, journal, cancel=called_off, progress=told, opener=opener) for job in jobs
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            if not all(future.done() for future in futures):
                called_off.set()


def flash_card(
    job: CardJob,
    journal: FlashJournal,
    *,
    cancel: threading.Event,
    progress: Callable[[str, Stage], None],
    opener: Opener | None = None,
) -> CardResult:
    """Write one card. Errors that a person can mend are in the result."""
    course = _Course()
    name = job.card.name
    try:
        receipt = _flashed(job, journal, course, cancel, lambda stage: progress(name, stage), opener)
        journal.flashed(job.manifest, name, receipt)
    except FactoryError as error:
        return _ended(job, journal, course, error)
    return CardResult(
        job.card, Outcome.WRITTEN, course.holds, time.monotonic() - course.began, receipt, note=course.note,
        sent=course.done,
    )  # fmt: skip


def _flashed(
    job: CardJob, journal: FlashJournal, course: _Course, cancel: threading.Event,
    progress: Callable[[Stage], None], opener: Opener | None,
) -> Receipt:  # fmt: skip
    name = job.card.name
    with (opener or open_card)(job.card) as medium:
        layout = lay_out(medium, job.system, job.unit, job.partition)
        if cancel.is_set():
            raise Cancelled(f"{medium.name}: called off", hint="Nothing was written.")
        journal.intent(job.manifest, name, data={"medium": job.card.path, "method": METHOD})
        course.intended = True
        writing = Writing(medium, layout, cancel=cancel, progress=progress)
        began = time.monotonic()
        try:
            writing.run()
        finally:
            course.holds, course.done = writing.holds, writing.done
        seconds = time.monotonic() - began
        course.note = "; ".join(filter(None, (medium.why_buffered, medium.reread_table())))
    return Receipt(
        image=job.manifest.image if job.manifest else writing.digest,
        method=METHOD,
        route=f"card:{name}",
        files={},
        bytes_written=sum(length for _, length in writing.ranges),
        read_back=writing.read_back,
        seconds=seconds,
        medium=job.card.path,
        ranges=writing.ranges,
        written=writing.digest,
        found=writing.found,
    )


def _ended(job: CardJob, journal: FlashJournal, course: _Course, error: FactoryError) -> CardResult:
    outcome = Outcome.FAILED
    if course.holds is Holds.BEFORE:
        outcome = Outcome.REFUSED
    if isinstance(error, Cancelled):
        outcome = Outcome.CANCELLED
    if course.intended:
        data = {"medium": job.card.path, "bytes_written": course.done, "holds": str(course.holds)}
        try:
            journal.failed(job.manifest, job.card.name, error, data=data)
        except FactoryError as unrecorded:
            error.add_note(f"and it could not be recorded: {unrecorded}")
    return CardResult(job.card, outcome, course.holds, time.monotonic() - course.began, error=error, sent=course.done)


def _untold(_name: str, _stage: Stage) -> None:
    """Nobody wants to know."""
