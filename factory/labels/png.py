"""A label as PNG, so that it can be looked at anywhere, and scanned from a screen."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from factory.labels.drawing import Box, Code, Drawing, TextLine
from factory.labels.lettering import font, width_of

if TYPE_CHECKING:
    from PIL.Image import Image

SCALE = 2  # pixels per dot
_WHITE, _BLACK = 255, 0


def as_png(drawing: Drawing) -> bytes:
    """The picture in grey; the same label gives the same bytes with the same release of Pillow."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (drawing.width * SCALE, drawing.height * SCALE), _WHITE)
    pen = ImageDraw.Draw(picture)
    for part in drawing.parts:
        if isinstance(part, Box):
            pen.rectangle(_area(part.x, part.y, part.width, part.height), fill=_BLACK)
        elif isinstance(part, Code):
            for row, modules in enumerate(part.rows):
                for column, dark in enumerate(modules):
                    if dark:
                        x, y = part.x + column * part.dots, part.y + row * part.dots
                        pen.rectangle(_area(x, y, part.dots, part.dots), fill=_BLACK)
        elif part.text.strip():
            _write(picture, part)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=False, compress_level=9)
    return stream.getvalue()


def _area(x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    return x * SCALE, y * SCALE, (x + width) * SCALE - 1, (y + height) * SCALE - 1


def _write(picture: Image, line: TextLine) -> None:
    """Draw the text as wide as the printer's narrower font makes it."""
    from PIL import Image, ImageDraw

    size = max(1, line.height * SCALE)
    letters = font(size)
    natural = max(1, round(letters.getlength(line.text)))
    strip = Image.new("L", (natural, size + size // 3), _WHITE)
    ImageDraw.Draw(strip).text((0, round(0.8 * size)), line.text, font=letters, fill=_BLACK, anchor="ls",
                               stroke_width=round(size / 45), stroke_fill=_BLACK)  # fmt: skip
    narrow = strip.resize((width_of(line) * SCALE, strip.height), Image.Resampling.LANCZOS)
    ink = narrow.point(lambda shade: _WHITE - shade)
    picture.paste(_BLACK, (line.x * SCALE, line.y * SCALE), ink)
