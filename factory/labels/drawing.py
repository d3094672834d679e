"""What a label shows, worked out from its commands: texts, lines, codes, in dots from the top left corner.

It draws what label templates use most; what it leaves out, it names. The printer is the measure, not this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from factory.labels.errors import LabelError
from factory.labels.zpl import Command
from factory.qr import modules

_QR_DATA = re.compile(r"([HQML])A,(.*)", re.DOTALL)
_LARGEST = 4000  # dots: half a metre at 203 dpi
_DEFAULT_WIDTH, _DEFAULT_HEIGHT = 400, 200
# They say how the printer works and nothing about what is seen.
_SILENT = frozenset({"XA", "XZ", "CI", "PQ", "PR", "MD", "MM", "MN", "MT", "LS", "LT", "JM", "JU", "FX", "FH", "PO"})


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text with its top left corner; `height` and `width` are those of ZPL's font 0."""

    x: int
    y: int
    height: int
    width: int
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code: `dots` per module, and its rows of modules."""

    x: int
    y: int
    dots: int
    rows: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole label, in dots. `left_out` names the commands that are not drawn."""

    width: int
    height: int
    parts: tuple[TextLine | Box | Code, ...]
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Pen:
    """Where the next field goes and how it looks."""

    width: int = _DEFAULT_WIDTH
    height: int = _DEFAULT_HEIGHT
    home: tuple[int, int] = (0, 0)
    at: tuple[int, int] = (0, 0)
    baseline: bool = False
    usual: tuple[int, int] = (20, 20)
    font: tuple[int, int] | None = None
    code: int | None = None  # dots per module, while the field is a QR code
    unknown: str = ""  # the kind of barcode that the field is, where that is not drawn
    parts: list[TextLine | Box | Code] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


def draw(label: Iterable[Command]) -> Drawing:
    """Work out what is seen. Raises LabelError for numbers that make no sense."""
    pen = _Pen()
    for command in label:
        known = _KNOWN.get(command.name)
        if known is not None:
            known(pen, command)
        elif command.name[:1] == "A":
            _font(pen, command)
        elif command.name[:1] == "B":
            pen.unknown = command.name
        elif command.name not in _SILENT:
            pen.left_out.add(f"^{command.name}")
    if not (0 < pen.width <= _LARGEST and 0 < pen.height <= _LARGEST):
        raise LabelError(f"a label of {pen.width} x {pen.height} dots", hint=f"^PW and ^LL are 1 to {_LARGEST} dots.")
    return Drawing(pen.width, pen.height, tuple(pen.parts), tuple(sorted(pen.left_out)))


def _number(command: Command, index: int, default: int = 0) -> int:
    parameters = command.parameters
    text = parameters[index] if index < len(parameters) else ""
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise LabelError(f"^{command.name}{command.text}: {text!r} is no number", hint="Look it up in ZPL.") from error


def _font(pen: _Pen, command: Command) -> None:
    if command.text[:1].upper() not in ("", "N", ","):
        pen.left_out.add(f"^{command.name}{command.text[:1]} (turned)")
    height = _number(command, 1, pen.usual[0])
    pen.font = height, _number(command, 2, height)


def _usual(pen: _Pen, command: Command) -> None:
    height = _number(command, 1, pen.usual[0])
    pen.usual = height, _number(command, 2, height)


def _place(pen: _Pen, command: Command) -> None:
    pen.at = pen.home[0] + _number(command, 0), pen.home[1] + _number(command, 1)
    pen.baseline = command.name == "FT"


def _home(pen: _Pen, command: Command) -> None:
    pen.home = _number(command, 0), _number(command, 1)


def _width(pen: _Pen, command: Command) -> None:
    pen.width = _number(command, 0, pen.width)


def _height(pen: _Pen, command: Command) -> None:
    pen.height = _number(command, 0, pen.height)


def _qr(pen: _Pen, command: Command) -> None:
    pen.code = max(1, min(10, _number(command, 2, 3)))


def _box(pen: _Pen, command: Command) -> None:
    thick = _number(command, 2, 1)
    wide, high = max(_number(command, 0, thick), thick), max(_number(command, 1, thick), thick)
    x, y = pen.at
    if 2 * thick >= min(wide, high):
        pen.parts.append(Box(x, y, wide, high))
        return
    pen.parts += [Box(x, y, wide, thick), Box(x, y + high - thick, wide, thick)]
    pen.parts += [Box(x, y, thick, high), Box(x + wide - thick, y, thick, high)]


def _data(pen: _Pen, command: Command) -> None:
    if pen.unknown:
        pen.left_out.add(f"^{pen.unknown}")
    elif pen.code is not None:
        _draw_code(pen, pen.code, command.text)
    else:
        height, width = pen.font or pen.usual
        x, y = pen.at
        top = y - round(0.8 * height) if pen.baseline else y
        pen.parts.append(TextLine(x, top, height, width, command.text.strip("\r\n")))


def _draw_code(pen: _Pen, dots: int, text: str) -> None:
    match = _QR_DATA.fullmatch(text.strip())
    if match is None:
        pen.left_out.add("^BQ (data must begin with HA, QA, MA, or LA,)")
        return
    rows = modules(match[2], match[1])
    x, y = pen.at
    pen.parts.append(Code(x, y - len(rows) * dots if pen.baseline else y, dots, rows))


def _end(pen: _Pen, command: Command) -> None:  # noqa: ARG001 - as every command
    pen.font = pen.code = None
    pen.unknown = ""


_KNOWN: dict[str, Callable[[_Pen, Command], None]] = {
    "CF": _usual, "FO": _place, "FT": _place, "LH": _home, "PW": _width, "LL": _height, "BQ": _qr, "GB": _box,
    "FD": _data, "FV": _data, "FS": _end,
}  # fmt: skip
