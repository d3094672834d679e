"""Scans of labels: they come in on one keyboard, and what they say decides which slot they are for."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from factory.errors import FactoryError
from factory.labels import ScanFault, read_scan
from factory.ledger import LabelRecord
from factory.values import LabelCode, LabelState

# A scanner that is held too long reads the same label twice; a person who takes up the next one needs longer.
DOUBLE_SECONDS = 2.0
KEPT_CHARACTERS = 120


class Heard(Enum):
    """What a waiting slot hears. REMARK changes nothing and is shown; ENDED: no scan can come any more."""

    RIGHT = "right"
    WRONG = "wrong"
    REMARK = "remark"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as a slot hears it: what it was, in words, and the text; `label` is the other label, if there is one."""

    heard: Heard
    message: str = ""
    text: str = ""
    label: LabelRecord | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A slot that waits for one label."""

    slot: str
    nonce: str
    hardware_id: str
    scans: queue.SimpleQueue[Scan]

    def next(self, timeout: float) -> Scan | None:
        """The next scan, or None when there is none within `timeout` seconds."""
        try:
            return self.scans.get(timeout=timeout)
        except queue.Empty:
            return None


class Scans:
    """Hands each scan to the slot whose label it is. `fed` says that somebody calls `take`; any thread may."""

    def __init__(self, label_of: Callable[[str], LabelRecord | None], *, fed: bool) -> None:
        self.fed = fed
        self._label_of = label_of
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiting] = {}
        self._last: tuple[str, float] = ("", 0.0)
        self._ended = ""

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that wait for a scan now."""
        with self._lock:
            return tuple(self._waiting)

    @contextlib.contextmanager
    def waiting(self, slot: str, nonce: str, hardware_id: str) -> Iterator[Waiting]:
        """Let a slot wait for the label `nonce` of the unit `hardware_id` while the block runs."""
        one = Waiting(slot, nonce, hardware_id, queue.SimpleQueue())
        with self._lock:
            self._waiting[slot] = one
            if self._ended:
                one.scans.put(Scan(Heard.ENDED, self._ended))
        try:
            yield one
        finally:
            with self._lock:
                del self._waiting[slot]

    def take(self, text: str) -> str:
        """One line as it was scanned or typed; returns what came of it, for whoever looks on."""
        found = read_scan(text)
        if isinstance(found, ScanFault):
            message = f"{found.message}. {found.hint}"
            with self._lock:
                for one in self._waiting.values():
                    one.scans.put(Scan(Heard.REMARK, message, text[:KEPT_CHARACTERS]))
            return message
        return "; ".join(self._one(code) for code in found)

    def end(self, why: str) -> None:
        """No scan can come any more: every slot that waits, and every later one, hears why."""
        with self._lock:
            self._ended = why
            for one in self._waiting.values():
                one.scans.put(Scan(Heard.ENDED, why))

    def _one(self, code: LabelCode) -> str:
        now = time.monotonic()
        with self._lock:
            own = next((one for one in self._waiting.values() if one.nonce == code.nonce), None)
            if self._last[0] == code.nonce and now - self._last[1] < DOUBLE_SECONDS:
                self._last = code.nonce, now
                return "the same label twice: the second scan does not count"
            if self._waiting:
                self._last = code.nonce, now
            if own is not None and code.is_of(own.hardware_id):
                own.scans.put(Scan(Heard.RIGHT, text=code.text))
                return f"{own.slot}: scanned"
        try:
            label = self._label_of(code.nonce)
        except FactoryError as error:
            return f"the ledger does not say whose label that is: {error.message}"
        return self._wrong(code, label)

    def _wrong(self, code: LabelCode, label: LabelRecord | None) -> str:
        whose = _whose(label)
        with self._lock:
            waits = tuple(self._waiting.values())
            for one in waits:
                old = label is not None and label.hardware_id == one.hardware_id
                message = f"that is an old label of this very unit: {whose}" if old else f"that is {whose}"
                # With several at work it may be anybody's mistake: all are told, and it counts for none.
                heard = Heard.WRONG if len(waits) == 1 else Heard.REMARK
                one.scans.put(Scan(heard, message, code.text, label))
        return f"{'' if waits else 'no slot waits for a label; '}that is {whose}"


def _whose(label: LabelRecord | None) -> str:
    if label is None:
        return "a label that this ledger never printed"
    throw = "; throw it away" if label.state is LabelState.VOID else ""
    return f"{label.standing()}{throw}"
