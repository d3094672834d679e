"""What a terminal adds to text: VT100 codes, carriage returns, backspaces. Taken away before anyone reads it."""

from __future__ import annotations

import re

# ECMA-48 control sequences, OSC strings (ended by BEL or ST), and two-byte escapes.
_CODES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PRINTABLE = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n\b\x1b\x07")


def plain(data: bytes) -> bytes:
    """Remove terminal codes and control characters; keep text, tabs and line feeds."""
    return _CONTROLS.sub(b"", _CODES.sub(b"", data)).replace(b"\r", b"")


def last_line(data: bytes) -> bytes:
    """What stands on the cursor's line: after the last line feed, and after a carriage return that overwrote it."""
    line = _CODES.sub(b"", data).rpartition(b"\n")[2].rstrip(b"\r")
    return _CONTROLS.sub(b"", line.rpartition(b"\r")[2])


def is_garbage(data: bytes) -> bool:
    """True when bytes look like a line read at the wrong baud rate: many, and few of them text."""
    strange = sum(byte not in _PRINTABLE for byte in data)
    if len(data) < 12:
        return len(data) > 1 and strange * 2 > len(data)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return strange * 4 > len(data)
    return strange * 2 > len(data)


def excerpt(data: bytes, limit: int = 160) -> str:
    """The end of what was seen, escaped and bounded, for an error message."""
    text = plain(data[-4 * limit :]).decode("ascii", "backslashreplace").strip()
    shown = text[-limit:].replace("\n", " | ")
    return f'"{shown}"' if shown else "nothing"
