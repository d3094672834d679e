"""A label as SVG, in dots."""

from __future__ import annotations

from xml.sax.saxutils import escape

from factory.labels.drawing import Box, Code, Drawing, TextLine
from factory.labels.lettering import width_of

_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def as_svg(drawing: Drawing) -> bytes:
    """The picture; it needs no font of its own and refers to nothing outside."""
    size = f'width="{drawing.width}" height="{drawing.height}" viewBox="0 0 {drawing.width} {drawing.height}"'
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(_part(part) for part in drawing.parts),
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _part(part: TextLine | Box | Code) -> str:
    if isinstance(part, Box):
        return f'<rect x="{part.x}" y="{part.y}" width="{part.width}" height="{part.height}"/>'
    if isinstance(part, Code):
        return _code(part)
    if not part.text:
        return ""
    wide = width_of(part)
    place = f'x="{part.x}" y="{part.y + round(0.8 * part.height)}" font-size="{part.height}"'
    fit = f'textLength="{wide}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"'
    clean = "".join(character if character.isprintable() else "\ufffd" for character in part.text)
    return f'<text {place} font-family="{_FONT}" font-weight="bold" {fit}>{escape(clean)}</text>'


def _code(code: Code) -> str:
    runs = []
    for row, modules in enumerate(code.rows):
        column = 0
        while column < len(modules):
            end = column
            while end < len(modules) and modules[end]:
                end += 1
            if end > column:
                wide = (end - column) * code.dots
                runs.append(f"M{code.x + column * code.dots} {code.y + row * code.dots}h{wide}v{code.dots}h-{wide}z")
            column = end + 1
    return f'<path shape-rendering="crispEdges" d="{"".join(runs)}"/>'
