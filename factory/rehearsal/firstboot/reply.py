"""How connectd reads a reply: by words and lines, not as JSON (remote.it reference, section 4.3)."""

from __future__ import annotations

import json
import re

_DROPPED = bytes.maketrans(b",", b"\n")


def value(reply: bytes, key: str) -> str:
    """What the unit takes for the value of `key`: empty when no line has it, more than one line when several do."""
    word = re.compile(rb"(?<!\w)" + re.escape(key.encode("ascii")) + rb"(?!\w)")
    lines = reply.translate(_DROPPED, delete=b'{}\\"').split(b"\n")
    found = [_after_marks(line) for line in lines if word.search(line)]
    return b"\n".join(found).decode("utf-8", "backslashreplace")


def _after_marks(line: bytes) -> bytes:
    for mark, last in ((b"[", False), (b":", False), (b"|", True)):
        before, sep, after = line.rpartition(mark) if last else line.partition(mark)
        line = after if sep else before or after
    return line


def projects(reply: bytes) -> tuple[str, ...]:
    """The project ids: the one value that a strict JSON reader takes. A blank ends a joined string."""
    try:
        found = json.loads(reply)["projects"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    if isinstance(found, str):
        words = found.split()
        names: list[object] = list(words[0].split(",")) if words else []
    else:
        names = found if isinstance(found, list) else []
    return tuple(one for one in names if isinstance(one, str) and one)
