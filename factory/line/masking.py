"""Keeping secrets out of what a line writes: raw, as base64 at any alignment, as hex, as a JSON string.

Commands may travel base64-encoded and a terminal may break a long echo into lines, so looking for the plain value
is not enough: the same secret has three spellings inside a base64 run, one for each offset modulo three.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable

from factory.secrets import Redactor

MASK = Redactor.MASK

# Fewer letters of base64 than this occur by chance everywhere; a secret of four bytes already yields them.
_SHORTEST = 4
# What a terminal puts into an echo that it breaks at its right margin, and how a message shows that.
_GAP = rb"(?:[ ]?[\r\n]{1,3}| \| )?"


def spellings(secret: str) -> frozenset[bytes]:
    """Every form in which `secret` is looked for; of base64 only the letters that the secret alone decides."""
    raw = secret.encode("utf-8", "surrogateescape")
    forms = {
        raw,
        # As messages show what came from a unit.
        raw.decode("ascii", "backslashreplace").encode("ascii"),
        json.dumps(secret)[1:-1].encode("ascii"),
        raw.hex().encode("ascii"),
        raw.hex().upper().encode("ascii"),
    }
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            letters = encode(b"\0" * before + raw)
            inner = letters[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
            if len(inner) >= _SHORTEST:
                forms.add(inner)
    return frozenset(form for form in forms if form)


class Masks:
    """The secrets of one attempt. Any thread may add to it and mask with it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._forms: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask one more secret from now on; an empty one is ignored."""
        if not secret:
            return
        with self._lock:
            self._forms |= spellings(secret)
            # Longest first: of two spellings that start alike the longer one leaves no tail.
            ordered = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile(b"|".join(_spread(form) for form in ordered))

    def spans(self, data: bytes) -> tuple[tuple[int, int], ...]:
        """Where secrets stand in `data`: (start, end) in order, overlapping and adjacent ones joined."""
        pattern = self._pattern
        if pattern is None:
            return ()
        spans: list[tuple[int, int]] = []
        position = 0
        while match := pattern.search(data, position):
            if spans and match.start() <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], match.end()))
            else:
                spans.append(match.span())
            # Not match.end(): a second secret may begin inside the first one.
            position = match.start() + 1
        return tuple(spans)

    def data(self, data: bytes) -> bytes:
        """`data` with every secret replaced."""
        out = bytearray()
        position = 0
        for start, end in self.spans(data):
            out += data[position:start] + MASK
            position = end
        return bytes(out + data[position:])

    def text(self, text: str) -> str:
        """A message with every secret replaced."""
        return self.data(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _spread(form: bytes) -> bytes:
    return _GAP.join(re.escape(bytes([letter])) for letter in form)
