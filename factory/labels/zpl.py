"""ZPL II as far as a label needs it: values that cannot become commands, and the commands of a rendered label.

A value enters between two marks. Where they end up is judged command by command: in the data of a field that announces
hex escapes (^FH), or as a plain number in a parameter. Anywhere else a value could change what the printer does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from factory.labels.errors import LabelError
from factory.values import shown

OPEN, CLOSE = "\x01", "\x02"
_MARKED = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_COMMAND = re.compile(r"([\^~])([^\^~]*)")
_PLAIN = re.compile(r"[0-9]{1,6}")
_HEX = re.compile(r"((?:_[0-9A-Fa-f]{2})+)")
# Everything else travels as hex: what starts a command, what starts a hex escape, control characters, non-ASCII.
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;/+-=()#@!?*&%$'\"[]{}|<>")
_DATA = ("FD", "FV")
_COMMENT = "FX"
# They would change which characters are commands, and all that is decided here with them.
_FORBIDDEN = ("CC", "CD", "CT")


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its two letters as in `FO`, and its text; the data of a field is as the printer will read it."""

    name: str
    text: str

    @property
    def parameters(self) -> list[str]:
        """What stands between the commas."""
        return [part.strip() for part in self.text.split(",")]


def marked(value: object) -> str:
    """A value on its way into a template: escaped, and marked as a value."""
    text = str(value)
    escaped = (
        char if char in _SAFE else "".join(f"_{byte:02X}" for byte in char.encode("utf-8", "replace")) for char in text
    )
    return f"{OPEN}{''.join(escaped)}{CLOSE}"


def unmarked(rendered: str) -> str:
    """The ZPL for the printer. Raises LabelError where a value stands in a place that `commands` refuses."""
    for _ in commands(rendered):
        pass
    plain = _MARKED.sub(r"\1", rendered)
    if OPEN in plain or CLOSE in plain:
        raise LabelError(
            "a filter block cuts or turns the values within it, so that nobody can judge where they end up",
            hint="Filter the value itself: {{ device_name | truncate(20) }}.",
        )
    return plain


def commands(rendered: str) -> Iterator[Command]:
    """The commands of a label in order; marks of values may be in it. Raises LabelError."""
    first = _COMMAND.search(rendered)
    if first is None or OPEN in rendered[: first.start()]:
        raise LabelError("there is no command, or a value before the first", hint="A label is ^XA ... ^XZ.")
    escapes = False
    for match in _COMMAND.finditer(rendered):
        name, text = match[2][:2].upper(), match[2][2:]
        if name in _FORBIDDEN:
            raise LabelError(f"{match[1]}{name} changes the characters of ZPL itself", hint="Take it out.")
        if name == "FH":
            escapes = text.strip() in ("", "_")
        _judge(match[0], name, text, escapes=escapes)
        text = _MARKED.sub(r"\1", text)
        if name in _DATA:
            yield Command(name, _decoded(text) if escapes else text)
        elif name != _COMMENT:
            yield Command(name, text.strip())
        if name == "FS":
            escapes = False


def _judge(whole: str, name: str, text: str, *, escapes: bool) -> None:
    values = _MARKED.findall(text)
    if OPEN in name or CLOSE in name:
        raise LabelError(f"a value makes up the name of a command near {_near(whole)}", hint="Write commands out.")
    if not values or name == _COMMENT:
        return
    if name in _DATA:
        if not escapes:
            raise LabelError(
                f"a value stands in ^{name} without ^FH before it: {_near(whole)}",
                hint="Write ^FH^FD{{ value }}^FS: the value is escaped in hex, with the underscore that ^FH has.",
            )
    elif not all(_PLAIN.fullmatch(value) for value in values):
        raise LabelError(
            f"a value that is no number stands in a command: {_near(whole)}", hint="Values belong into ^FH^FD ... ^FS."
        )


def _decoded(text: str) -> str:
    return _HEX.sub(lambda match: bytes.fromhex(match[1].replace("_", "")).decode("utf-8", "replace"), text)


def _near(whole: str) -> str:
    return shown(_MARKED.sub(r"\1", whole).strip(), 40)
