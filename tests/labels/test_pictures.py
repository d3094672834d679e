"""The pictures of a label: what stands on it, and a code that a reader reads."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from factory.config import load_product
from factory.config.starter import write_product_folder
from factory.labels import Label, LabelError, open_template, sample_names
from factory.labels.drawing import Box, TextLine
from tests.programs import require

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
SVG = "{http://www.w3.org/2000/svg}"


def sample(folder: Path) -> tuple[Label, str]:
    path = write_product_folder(
        folder / "acme", bulk_identification_code=CODE, settings={"label.template": "templates/label/unit.zpl"}
    )
    product = load_product(path)
    names = sample_names(product)
    return open_template(product).render(names), names["code"]


def test_the_shipped_template_shows_who_the_unit_is(tmp_path: Path) -> None:
    label, code = sample(tmp_path)
    assert label.not_drawn == ()
    root = ElementTree.fromstring(label.svg())
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == [
        *("router", "b827eb010203", "S/N 00000000a1b2c3d4", "eth0 b8:27:eb:01:02:03", "wlan0 b8:27:eb:01:02:04"),
        "-".join(code[start : start + 4] for start in range(0, 24, 4)),
    ]
    widths = [int(element.get("x", "0")) + int(element.get("textLength", "0")) for element in root.iter(f"{SVG}text")]
    assert max(widths) <= 400, "nothing runs over the edge"
    picture = Image.open(io.BytesIO(label.png()))
    assert picture.size == (800, 400)


def test_a_reader_reads_the_code_from_both_pictures(tmp_path: Path) -> None:
    label, code = sample(tmp_path)
    reader = require("zbarimg")
    png = tmp_path / "label.png"
    png.write_bytes(label.png())
    assert read(reader, png) == code
    shot = tmp_path / "svg.png"
    render(label.svg(), shot, tmp_path)
    assert read(reader, shot) == code


def read(reader: str, picture: Path) -> str:
    command = [reader, "--raw", "--quiet", str(picture)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def render(svg: bytes, shot: Path, folder: Path) -> None:
    """As a browser shows it."""
    from playwright.sync_api import sync_playwright

    chromium = require("chromium")
    (folder / "label.svg").write_bytes(svg)
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*arguments, "--disable-sync"])
        page = browser.new_page(viewport={"width": 400, "height": 200}, device_scale_factor=2)
        page.goto((folder / "label.svg").as_uri())
        page.screenshot(path=str(shot))
        browser.close()


def drawn(text: str) -> Label:
    return Label(text.encode())


def test_what_is_not_drawn_is_named() -> None:
    label = drawn("^XA^PW300^LL100^FO1,1^BCN,50^FD123^FS^FO1,60^BY2^A0R,20^FDturned^FS^GD10,10^FS^XZ")
    assert label.not_drawn == ("^A0R (turned)", "^BC", "^BY", "^GD")
    assert drawn("^XA^BQN,2,3^FDno level^FS^XZ").not_drawn == ("^BQ (data must begin with HA, QA, MA, or LA,)",)


def test_boxes_fonts_and_places() -> None:
    label = drawn("^XA^LH10,20^CF0,30,20^FO5,5^FDa^FS^FT5,100^A0N,40^FDb^FS^FO0,0^GB100,50,3^FS^FO1,1^GB9,0,4^FS^XZ")
    parts = label._drawing().parts
    assert [part for part in parts if isinstance(part, TextLine)] == [
        TextLine(15, 25, 30, 20, "a"),
        TextLine(15, 88, 40, 40, "b"),
    ]
    boxes = [part for part in parts if isinstance(part, Box)]
    assert boxes[0] == Box(10, 20, 100, 3) and boxes[-1] == Box(11, 21, 9, 4)
    assert len(label.png()) > 100


@pytest.mark.parametrize("text", ["^XA^PW99999^XZ", "^XA^LL0^XZ", "^XA^FOa,1^XZ"])
def test_numbers_that_make_no_sense(text: str) -> None:
    with pytest.raises(LabelError):
        drawn(text).svg()


def test_hostile_text_is_text_in_a_picture_too() -> None:
    label = drawn("^XA^FO1,1^FD</text><script>alert(1)</script>\x1b&^FS^XZ")
    root = ElementTree.fromstring(label.svg())
    assert not list(root.iter(f"{SVG}script"))
    assert next(root.iter(f"{SVG}text")).text == "</text><script>alert(1)</script>\ufffd&"
    assert label.png()
