"""One transcript per attempt: what went over the wire, when, bounded, and with every secret masked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.files import PRIVATE, write_bytes
from factory.line.masking import MASK, Masks

LIMIT = 1024 * 1024
_JOIN_UP_TO = 4096
_SENT, _RECEIVED, _NOTE = ">", "<", "#"


@dataclass(slots=True)
class _Record:
    at: float  # seconds since the transcript began, monotonic
    mark: str
    data: bytearray


class AttemptTranscript:
    """Implements units.Transcript for one attempt, over all its routes.

    The raw records stay in memory (the first and the last `limit`/2 bytes) and each `save` renders them anew: so a
    secret is found across any number of pieces, and one that becomes known later still masks what came before.
    """

    def __init__(self, path: Path, *, masks: Masks, header: Sequence[str] = (), limit: int = LIMIT) -> None:
        self.path = path
        self._masks = masks
        self._header = tuple(header)
        self._half = limit // 2
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._head: list[_Record] = []
        self._tail: deque[_Record] = deque()
        self._head_size = 0
        self._tail_size = 0
        self._dropped = 0

    def sent(self, data: bytes) -> None:
        """Bytes that went to the unit."""
        self._add(_SENT, data)

    def received(self, data: bytes) -> None:
        """Bytes that came from the unit."""
        self._add(_RECEIVED, data)

    def note(self, text: str) -> None:
        """A line about what happens."""
        self._add(_NOTE, text.encode("utf-8", "backslashreplace") + b"\n")

    def secret(self, value: str) -> None:
        """A value that is masked in everything that is saved from now on, also in what came before."""
        self._masks.add(value)

    def save(self) -> None:
        """Write the file (0600, whole or not at all). Raises FileError."""
        write_bytes(self.path, self.render(), mode=PRIVATE)

    def render(self) -> bytes:
        """The transcript as text: one line per line of the wire, seconds since the start, direction, content."""
        with self._lock:
            head = [_Record(record.at, record.mark, bytearray(record.data)) for record in self._head]
            tail = [_Record(record.at, record.mark, bytearray(record.data)) for record in self._tail]
            dropped = self._dropped
        lines = [f"# {self._masks.text(line)}" for line in self._header]
        lines.append("# seconds since the start (monotonic), > to the unit, < from it, # remark; secrets masked")
        lines += _lines(head, self._masks)
        if dropped:
            lines.append(f"# ... {dropped} bytes left out here ...")
        lines += _lines(tail, self._masks)
        return ("\n".join(lines) + "\n").encode("ascii")

    def _add(self, mark: str, data: bytes) -> None:
        if not data:
            return
        at = time.monotonic() - self._began
        with self._lock:
            room = self._half - self._head_size
            if room > 0:
                _append(self._head, at, mark, data[:room])
                self._head_size += min(room, len(data))
                data = data[room:]
            if data:
                _append(self._tail, at, mark, data[-self._half :])
                self._tail_size += min(len(data), self._half)
                self._dropped += max(0, len(data) - self._half)
                self._trim()

    def _trim(self) -> None:
        while self._tail_size > self._half:
            first = self._tail[0]
            excess = self._tail_size - self._half
            gone = min(excess, len(first.data))
            del first.data[:gone]
            if not first.data:
                self._tail.popleft()
            self._tail_size -= gone
            self._dropped += gone


def _append(records: list[_Record] | deque[_Record], at: float, mark: str, data: bytes) -> None:
    last = records[-1] if records else None
    if last is not None and last.mark == mark != _NOTE and len(last.data) < _JOIN_UP_TO:
        last.data += data
    else:
        records.append(_Record(at, mark, bytearray(data)))


def _lines(records: Sequence[_Record], masks: Masks) -> Iterator[str]:
    shown = [bytes(record.data) for record in records]
    for mark in (_SENT, _RECEIVED, _NOTE):
        places = [index for index, record in enumerate(records) if record.mark == mark]
        masked = _mask_joined([shown[place] for place in places], masks)
        for place, data in zip(places, masked, strict=True):
            shown[place] = data
    for record, data in zip(records, shown, strict=True):
        for line in data.splitlines(keepends=True):
            yield f"{record.at:10.3f} {record.mark} {_escaped(line)}"


def _mask_joined(pieces: Sequence[bytes], masks: Masks) -> list[bytes]:
    """Mask over all pieces joined, so that no secret hides by straddling two; the mask stands where it began."""
    spans = masks.spans(b"".join(pieces))
    masked: list[bytes] = []
    start = 0
    for piece in pieces:
        end = start + len(piece)
        out = bytearray()
        position = start
        for first, last in spans:
            if last <= start or first >= end:
                continue
            if first >= start:
                out += piece[position - start : first - start] + MASK
            position = min(last, end)
        masked.append(bytes(out + piece[position - start :]))
        start = end
    return masked


def _escaped(line: bytes) -> str:
    # latin-1 and not UTF-8: a transcript shows bytes, and a terminal that prints it must stay unharmed.
    text = line.decode("latin-1").replace("\\", "\\\\")
    return "".join(character if " " <= character <= "~" else f"\\x{ord(character):02x}" for character in text)
