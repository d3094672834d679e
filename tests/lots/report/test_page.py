"""The page as a file: whole, safe, the same each time; and in a browser, on a screen, a phone and paper."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from factory.lots.report import page, report
from factory.lots.report.words import share, span
from tests import programs
from tests.lots.report.made import UTC_DAY, Try, plant, records

EVIL = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;$x^2${{ 7*7 }}\u202e\x1b[2J"
_VOID = frozenset({"meta", "br"})


class Elements(HTMLParser):
    """Every element with its attributes; raises where one is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def made(tries: list[Try]) -> str:
    return page(report(records(tries), UTC_DAY))


def evil(count: int = 20) -> list[Try]:
    return [
        Try(
            index, "passed" if index % 3 else "failed", at=index * 60, slot=EVIL, station=EVIL, operator=EVIL + "工場",
            code=EVIL, cause=EVIL, serial=f"{EVIL}{index}",
        )
        for index in range(1, count)
    ]  # fmt: skip


LOTS = {
    "empty": [],
    "one": [Try(1)],
    "at work": [Try(1, "flashing")],
    "all failed": [Try(index, "failed", at=index * 60, code="flash.cut") for index in range(1, 20)],
    "never read": [Try(None, "failed", at=index, code="unit.silent", seconds=0) for index in range(3)],
    "no time at all": [Try(index, at=index, seconds=0) for index in range(1, 12)],
    "1970": [Try(index, at=index * 60 - 1.79e9) for index in range(1, 12)],
    "evil": evil(),
    "plant": plant(150, skew=-7200),
}


@pytest.mark.parametrize("name", LOTS)
def test_every_lot_makes_a_whole_page_that_needs_nothing_else(name: str) -> None:
    text = made(LOTS[name])
    found = Elements(text).found
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in found}
    attributes = [(key, value or "") for _, one in found for key, value in one.items()]
    assert not [key for key, _ in attributes if key == "style" or key.startswith("on")]
    refers = [value for key, value in attributes if key in ("href", "xlink:href", "src")]
    names = [value for key, value in attributes if key == "id"]
    assert len(names) == len(set(names))
    refers += re.findall(r"url\(([^)]*)\)", text)
    assert {one.removeprefix("#") for one in refers} <= set(names)
    assert all(one.startswith("#") for one in refers)
    classes = {one for key, value in attributes if key == "class" for one in value.split()}
    missing = {one for one in classes if one[0] == "d" and len(one) == 7 and f".{one}{{" not in text}
    assert missing == set()
    assert "nan" not in re.findall(r"\bnan\b", text)


def test_the_policy_of_the_page_allows_its_one_style_and_nothing_else() -> None:
    text = made(LOTS["plant"])
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in text or (
        f"default-src 'none'; style-src 'sha256-{digest}'" in text
    )
    assert text.count("<style") == 1


def test_ten_thousand_boards_over_three_days_make_a_page_of_the_same_size() -> None:
    found = report(records(plant(10_000)), UTC_DAY)
    assert found.yields.boards >= 10_000
    assert (found.pace.unit, len(found.groups["day"]), len(found.groups["shift"])) == ("hour", 3, 3)
    assert [(one.place, one.verdict) for one in found.cycle.drifting] == [("S2 / 4", "slower")]
    assert len(page(found)) < 300_000


def test_what_units_and_operators_say_stays_text() -> None:
    text = made(LOTS["evil"])
    assert "<script" not in text and "<img" not in text
    assert "\u202e" not in text and "\x1b" not in text
    assert "{{ 7*7 }}" in text
    assert "工場" in text


_AGAIN = """
import sys
from tests.lots.report.made import UTC_DAY, plant, records
from factory.lots.report import page, report
sys.stdout.buffer.write(page(report(records(plant(80)), UTC_DAY)).encode())
"""


def test_the_same_ledger_gives_the_same_bytes_to_everybody(tmp_path: Path) -> None:
    """Also to somebody with other settings, another time zone, another language and another order of hashes."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\naxes.facecolor: red\n")
    other = {"MATPLOTLIBRC": str(tmp_path), "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", _AGAIN], env={**os.environ, **other}, capture_output=True, check=True, timeout=100
    )
    assert there.stdout == made(plant(80)).encode()


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert (share(0.9999999), share(0.00001), share(1.0), share(0.0)) == ("99.99%", "0.01%", "100%", "0%")
    assert (share(0.947, 200), share(None)) == ("94.7%", "–")  # noqa: RUF001


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "0.0 s"), (42, "42 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations_are_told_in_words(seconds: float, told: str) -> None:
    assert span(seconds) == told


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = programs.require("chromium")
    arguments = (
        "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
        "--disable-sync"
    )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments.split())
        yield started
        started.close()


def _opened(browser: Any, file: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """The page, and everything that it asked for or complained of."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    view = context.new_page()
    told: list[str] = []
    view.on("request", lambda request: told.append(request.url))
    view.on("console", lambda message: told.append(message.text))
    view.on("pageerror", lambda error: told.append(str(error)))
    view.goto(file.as_uri())
    return view, told


@pytest.mark.parametrize("name", ["plant", "evil"])
def test_in_a_browser(browser: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(made(LOTS[name]), encoding="utf-8")
    shades = []
    for width, scheme in ((1100, "light"), (390, "dark")):
        view, told = _opened(browser, file, width, scheme)
        assert told == [file.as_uri()]
        assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shown = "[...document.querySelectorAll('svg.drawing')].filter(one => one.getBoundingClientRect().width).length"
        assert view.evaluate(shown) >= 4
        shades.append(view.evaluate("getComputedStyle(document.body).backgroundColor"))
        if width > 1000:
            assert view.pdf(prefer_css_page_size=True).startswith(b"%PDF")
        view.context.close()
    assert shades[0] != shades[1]
