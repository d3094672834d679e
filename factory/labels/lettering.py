"""How wide a text of the printer's font 0 comes out, near enough for a picture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from factory.labels.drawing import TextLine

# The printer's font is a narrow one; ours, which comes with Pillow, is of usual width.
_NARROW = 0.85
_SIZE = 64


def width_of(line: TextLine) -> int:
    """Dots."""
    share = line.width / line.height if line.height else 1.0
    return max(1, round(font(_SIZE).getlength(line.text) * line.height / _SIZE * _NARROW * share))


@lru_cache(maxsize=8)
def font(size: int) -> FreeTypeFont:
    """The font of the pictures."""
    from PIL.ImageFont import FreeTypeFont, load_default

    loaded = load_default(size)
    assert isinstance(loaded, FreeTypeFont)
    return loaded
