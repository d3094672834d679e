"""QR codes: as modules, and as pictures. The one place that knows the library."""

from __future__ import annotations

import io

BORDER = 4  # modules of quiet zone that the standard asks for


def modules(payload: str, level: str = "m") -> tuple[tuple[bool, ...], ...]:
    """The code's rows of modules, True for dark, without the quiet zone. `level` is L, M, Q or H in either case."""
    import segno

    # No boost: a label printer makes the code at the level that it was told.
    code = segno.make(payload, error=level.lower(), micro=False, boost_error=False)
    return tuple(tuple(bool(module) for module in row) for row in code.matrix)


def pictures(payload: str, *, scale: int = 10) -> dict[str, bytes]:
    """The code as files by their suffix, `svg` and `png`; `scale` is the pixels of a module."""
    import segno

    code = segno.make(payload, error="m", micro=False)
    images: dict[str, bytes] = {}
    for kind in ("svg", "png"):
        stream = io.BytesIO()
        code.save(stream, kind=kind, scale=scale, border=BORDER)
        images[kind] = stream.getvalue()
    return images
