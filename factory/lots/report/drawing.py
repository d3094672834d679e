"""One figure of matplotlib as SVG that lies within a page: same input, same bytes; colours and fonts are the page's.

The figure is drawn in stand-in colours, which become classes: so one drawing serves a light screen, a dark one and
paper, and a page that forbids inline styles shows it, too.
"""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a colour is for, by the stand-in that it is drawn in. The page's style sheet says how it looks.
PAPER, INK, MUTED, GRID = "#000001", "#000002", "#000003", "#000004"
GOOD, BAD, WARN, ACCENT, BAND = "#000005", "#000006", "#000007", "#000008", "#000009"
_NAMES = {
    PAPER: "--paper", INK: "--ink", MUTED: "--muted", GRID: "--grid", GOOD: "--good", BAD: "--bad", WARN: "--warn",
    ACCENT: "--accent", BAND: "--band",
}  # fmt: skip
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
INCH = 72.0  # an SVG of matplotlib counts points

Draw = Callable[["Figure"], None]


class Sheet:
    """The drawings of one page, and the style rules that all of them share."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def rules(self) -> str:
        """The style rules of all drawings so far, as CSS."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self._classes.items())

    def draw(self, name: str, size: tuple[float, float], title: str, draw: Draw) -> str:
        """Draw a figure of `size` points. `name` is unique in the page; `title` is what is read to the blind."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        with _settings(name):
            figure = Figure(figsize=(size[0] / INCH, size[1] / INCH), facecolor="none")
            FigureCanvasSVG(figure)
            draw(figure)
            stream = io.StringIO()
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
        return self._inline(stream.getvalue(), name, title)

    def _inline(self, svg: str, name: str, title: str) -> str:
        body = svg[svg.index("<svg") :]
        body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
        body = body.replace("<defs>\n  </defs>\n", "")
        # Names of groups repeat in every figure; what is referred to is hashed with the figure's own salt.
        used = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', body))
        body = re.sub(r' id="([\w.-]+)"', lambda one: one[0] if one[1] in used else "", body)
        body = re.sub(r' style="([^"]*)"', lambda one: f' class="{self._class(one[1])}"', body)
        head = re.search(r'viewBox="([^"]+)"', body)
        assert head is not None
        label = f'aria-labelledby="{name}-title"'
        start = f'<svg viewBox="{head[1]}" class="drawing" role="img" {label} xmlns="http://www.w3.org/2000/svg" '
        start += f'xmlns:xlink="http://www.w3.org/1999/xlink"><title id="{name}-title">{_escaped(title)}</title>'
        return start + re.sub(r"\n\s*", "\n", body[body.index(">") + 1 :])

    def _class(self, style: str) -> str:
        for colour, variable in _NAMES.items():
            style = style.replace(colour, f"var({variable})")
        # The page's font, at the size that the layout was made for.
        style = re.sub(r"font: (?:(\w+) )?([\d.]+px) [^;]*", _font, style)
        return self._classes.setdefault(style, f"d{sha256(style.encode()).hexdigest()[:6]}")


def _font(found: re.Match[str]) -> str:
    return f"font-size: {found[2]}" + (f"; font-weight: {found[1]}" if found[1] else "")


def plain(text: str) -> str:
    """A text without what would hide or turn round what it says: controls and directions are named instead."""
    return "".join(f"\\u{ord(one):04x}" if unicodedata.category(one) in _HIDDEN else one for one in text)


def _escaped(text: str) -> str:
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@contextlib.contextmanager
def _settings(salt: str) -> Iterator[None]:
    """The library as it comes, whatever this machine's user has set, and afterwards as it was."""
    import matplotlib as mpl

    settings: dict[str, Any] = {
        "svg.hashsalt": salt,
        "svg.fonttype": "none",
        # Comes with matplotlib, so that the layout is the same everywhere; it is wide, so that other fonts have room.
        "font.family": ["DejaVu Sans"],
        "font.size": 10.5,
        "text.parse_math": False,
        "axes.unicode_minus": False,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GRID,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
    }
    with mpl.rc_context(), warnings.catch_warnings():
        # A name in letters that this font lacks is measured wrongly and shown rightly: the page has another font.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, settings))
        yield
