"""One attempt at the unit in one slot, from first contact to its outcome."""

from __future__ import annotations

import re
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from factory.config import Slot
from factory.errors import FactoryError
from factory.images import Image
from factory.line.contact import Contact
from factory.line.ending import Ending, end
from factory.line.feed import SlotFeed
from factory.line.hostkeys import SlotHostKeys
from factory.line.masking import Masks
from factory.line.operator import SlotKeys
from factory.line.pool_taking import RESTARTING
from factory.line.progress import Progress, Tools
from factory.line.routes import Route
from factory.line.setup import Setup
from factory.line.steps import Steps
from factory.line.summary import Outcome, Row
from factory.line.transcript import AttemptTranscript
from factory.units.deadline import Deadline
from factory.values import Facts, Mac, Receipt


@dataclass(frozen=True, slots=True)
class Known:
    """The unit that a slot had last: what it showed when it was read, and what it held when it passed (else None)."""

    interfaces: Mapping[str, Mac]
    serial: str | None
    boot_id: str | None
    held: Image | None

    @classmethod
    def of(cls, facts: Facts, *, held: Image | None) -> Known:
        """Remember a unit by what was read from it."""
        return cls(dict(facts.interfaces), facts.serial, facts.boot_id, held)

    @property
    def passed(self) -> bool:
        """True when the unit passed."""
        return self.held is not None

    def is_still(self, facts: Facts) -> bool:
        """True when this seems to be the same unit and nobody asked for another go: it passed, or was not even
        restarted. A clone without a serial shows the same, and so does a board with another card: of one that passed
        look at what it holds.
        """
        if dict(facts.interfaces) != dict(self.interfaces) or facts.serial != self.serial:
            return False
        return self.passed or (self.boot_id is not None and facts.boot_id == self.boot_id)


@dataclass(frozen=True, slots=True)
class StillHere:
    """The unit was there before: no attempt was made."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt that ended. `booting_until` is the monotonic time up to which the unit may be silent because of our
    own reboot; `known` is None when nothing was read, `receipt` when nothing was written and read back.
    """

    row: Row
    known: Known | None
    booting_until: float = 0.0
    receipt: Receipt | None = None


class Attempt:
    """Runs one attempt. It owns the session and closes it, whatever happens."""

    def __init__(
        self,
        setup: Setup,
        slot: Slot,
        routes: Sequence[Route],
        feed: SlotFeed,
        keys: SlotKeys,
        *,
        cancel: threading.Event,
        known: Known | None,
        steps: Callable[[Tools, Progress], Steps] = Steps,
    ) -> None:
        masks = Masks(secret.reveal() for secret in setup.secrets)
        transcript = AttemptTranscript(
            _new_path(setup.transcripts, slot.name), masks=masks, header=_header(setup, slot)
        )
        host_keys = SlotHostKeys(setup.ledger, slot)
        contact = Contact(routes, setup.product.unit, transcript, host_keys)
        self._tools = Tools(setup, slot, feed, keys, contact, host_keys, transcript, masks, cancel)
        self._progress = Progress()
        self._steps = steps(self._tools, self._progress)
        self._known = known
        self._began = time.monotonic()

    def run(self) -> Finished | StillHere:
        """Do the attempt. Whatever goes wrong with the unit, the bench or this program ends in the row; only what
        goes wrong while ending it is raised.
        """
        try:
            facts = self._first_contact()
            if self._known is not None and self._known.is_still(facts) and self._steps.holds(self._known.held):
                return StillHere()
            self._steps.admit(facts)
            self._steps.work(self._progress.facts or facts)
        except Exception as error:  # noqa: BLE001 - one slot's bug must not stop the others; it is reported loudly
            ending = end(self._tools, self._steps, self._progress, error)
            return self._finished(ending)
        else:
            return self._finished(None)
        finally:
            self._tools.contact.close()

    def _first_contact(self) -> Facts:
        tools = self._tools
        timeouts = tools.setup.product.unit.timeouts
        timing = tools.setup.timing
        deadline = Deadline(timeouts.boot + timeouts.login + 8 * timeouts.command, cancel=tools.cancel)
        facts = tools.contact.establish(
            deadline, tries=timing.tries, pause=timing.retry_pause, doing=self._doing, retried=self._retried
        )
        self._progress.facts = facts
        if self._steps.restore_pending(facts):
            facts = tools.contact.read(tools.contact.unit, deadline)
            self._progress.facts = facts
        return facts

    def _doing(self, step: str, routes: tuple[str, ...]) -> None:
        self._progress.step = step
        self._tools.feed.step(step, None, routes)

    def _retried(self, step: str, count: int, error: FactoryError) -> None:
        tools = self._tools
        self._progress.retries += 1
        message = tools.masks.text(error.message)
        tools.transcript.note(f"try {count} of {step} failed: {message} [{error.code}]")
        data = {"step": step, "try": count, "of": tools.setup.timing.tries, "code": error.code, "message": message}
        tools.setup.ledger.record("attempt.retry", slot=tools.slot.name, data=data)

    def _finished(self, ending: Ending | None) -> Finished:
        tools, progress = self._tools, self._progress
        self._save_transcript()
        booting = 0.0
        proving = progress.step == "prove" and tools.setup.product.prove.reboot != "none"
        if ending is not None and (proving or progress.step == RESTARTING):
            booting = time.monotonic() + tools.setup.product.unit.timeouts.reboot
        held = progress.image if ending is None else None
        known = None if progress.facts is None else Known.of(progress.facts, held=held)
        return Finished(self._row(ending), known, booting, progress.receipt)

    def _row(self, ending: Ending | None) -> Row:
        tools, progress = self._tools, self._progress
        hook = progress.hook
        told = ending or _of_hook(progress)
        record = None if progress.record is None else progress.record.id
        return Row(
            slot=tools.slot.name,
            routes=tools.contact.routes,
            outcome=Outcome.PASSED if ending is None else ending.outcome,
            seconds=time.monotonic() - self._began,
            transcript=tools.transcript.path,
            attempt=record if ending is None else ending.attempt,
            hardware_id=None if progress.identity is None else progress.identity.hardware_id.text,
            code=None if told is None else told.code,
            cause=None if told is None else told.cause,
            hint=None if told is None else told.hint,
            hook=None if hook is None else ("ok" if hook.ok else "failed"),
            image=progress.kept_image if ending is None else None,
            retries=progress.retries,
            warnings=tuple(progress.warnings),
        )

    def _save_transcript(self) -> None:
        try:
            self._tools.transcript.save()
        except FactoryError as error:
            # The outcome stands without its transcript, but nobody shall think that there is one.
            data = {"code": error.code, "message": error.message}
            self._tools.feed.unrecorded("attempt.transcript-lost", None, data)


def _of_hook(progress: Progress) -> Ending | None:
    hook = progress.hook
    if hook is None or hook.ok:
        return None
    return Ending(Outcome.PASSED, hook.code or "line.hook", hook.message, "Repeat it once its cause is mended.")


def _header(setup: Setup, slot: Slot) -> tuple[str, ...]:
    return (
        f"factory transcript: station {setup.bench.station.name}, slot {slot.name}, lot {setup.lot}",
        f"product {setup.product.product.name}, started {datetime.now(UTC).isoformat(timespec='milliseconds')}",
    )


def _new_path(folder: Path, slot: str) -> Path:
    """A name that is not taken, also when the station's clock goes backwards."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", slot)
    if plain != slot:
        plain += f"-{zlib.crc32(slot.encode()):08x}"  # "A b" and "A_b" may start in the same second
    stem = f"{stamp}-{plain}"
    path = folder / f"{stem}.txt"
    count = 1
    while path.exists():
        count += 1
        path = folder / f"{stem}-{count}.txt"
    return path
