"""Images from sheets of clouds other than bulk registration: each row is worked out as the line would a unit."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from factory.config import Product, load_product
from factory.config.starter import write_product_folder
from factory.config.toml_text import Setting
from factory.errors import UsageError
from factory.identity import KeySource
from factory.images import open_builder, open_pack
from factory.lots.build import build
from factory.lots.build_cloud import rows_of_sheet
from factory.lots.build_rows import Rows, SheetRefused

HARDWARE_KEY = "5b6a2f3c-0d1e-4f2a-9b8c-7d6e5f4a3b2c"
XYTE_HEADER = "sn,mac,cloud_id,name,sub_model,firmware_version,parent"
KEYS = KeySource(0, 0, None)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XYTE_HARDWARE_KEY", HARDWARE_KEY)


def made(folder: Path, kind: str, **settings: Setting) -> Product:
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    return load_product(write_product_folder(folder / kind, kind, settings=changes))


def cells(number: int, **changes: str) -> str:
    row = {
        "sn": f"A26-{number:06}",
        "mac": f"00:1b:77:a4:{number >> 8:02x}:{number & 255:02x}",
        "cloud_id": f"abcdN5DiKi34LdV5qs{number:06}",
        "name": f"Panel {number}",
        "sub_model": "",
        "firmware_version": "1.4.0",
        "parent": "",
        **changes,
    }
    return ",".join(row.values())


def sheet(folder: Path, *rows: str, header: str = XYTE_HEADER) -> Path:
    path = folder / "units.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def packed(product: Product, rows: Rows, out: Path, *, executor: ProcessPoolExecutor | None = None) -> Path:
    builder = open_builder(product.image, product.folder, product.product.name, product.registration)
    build(rows, product, builder, KEYS, out, pack=True, executor=executor)
    return next(out.glob("*.pack"))


def test_a_sheet_of_xyte(tmp_path: Path) -> None:
    product = made(tmp_path, "xyte")
    rows = rows_of_sheet(sheet(tmp_path, cells(1), cells(2, name="")), product, KEYS)
    path = packed(product, rows, tmp_path / "out")
    with open_pack(path) as pack:
        assert len(pack) == 2
        first, second = pack.read("A26-000001"), pack.read("A26-000002")
    said = json.loads(first.contents["identity.json"])
    assert (said["sn"], said["mac"], said["name"]) == ("A26-000001", "00:1b:77:a4:00:01", "Panel 1")
    assert said["cloud_id"] == "abcdN5DiKi34LdV5qs000001"
    assert json.loads(second.contents["identity.json"])["name"] == "Panel A26-000002", "the product's own expression"
    assert first.contents["hardware_key"] == f"{HARDWARE_KEY}\n".encode()


def test_an_order_for_the_package(tmp_path: Path) -> None:
    product = made(tmp_path, "remoteit-package")
    order = sheet(tmp_path, "A26-1,001b77a4c011,Gateway 1", "A26-2,001b77a4c012,", header="SERIAL,MAC,DEVICE_NAME")
    with open_pack(packed(product, rows_of_sheet(order, product, KEYS), tmp_path / "out")) as pack:
        assert list(pack.ids()) == ["001b77a4c011", "001b77a4c012"]
        image = pack.read("001b77a4c011")
    assert image.contents == {"registration": b""} and image.manifest.identity["device_name"] == "Gateway 1"


def test_processes_make_the_same(tmp_path: Path) -> None:
    product = made(tmp_path, "xyte")
    rows = rows_of_sheet(sheet(tmp_path, *(cells(number) for number in range(1, 5))), product, KEYS)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        there = packed(product, rows, tmp_path / "there", executor=executor)
    assert there.read_bytes() == packed(product, rows, tmp_path / "here").read_bytes()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((cells(1), cells(1)), "has 3 errors in 2 rows"),
        ((cells(1), cells(2, cloud_id="")), "row 3: the unit's identity has 1 error"),
        ((cells(1, mac=""),), "unknown name mac.eth0"),
        ((cells(1, mac="00:1b:77"),), "error"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(tmp_path: Path, rows: tuple[str, ...], said: str) -> None:
    product = made(tmp_path, "xyte")
    with pytest.raises(SheetRefused) as caught:
        rows_of_sheet(sheet(tmp_path, *rows), product, KEYS)
    assert said in caught.value.message and "No image was made" in caught.value.hint


def test_two_rows_that_come_out_as_one_unit(tmp_path: Path) -> None:
    product = made(tmp_path, "xyte", identity__hardware_id="{{ facts.serial[:6] }}", registration__sn="{{ order.sn }}")
    with pytest.raises(SheetRefused, match="row 3: A26-00 is that of row 2 too"):
        rows_of_sheet(sheet(tmp_path, cells(1), cells(2)), product, KEYS)


def test_what_a_sheet_cannot_give(tmp_path: Path) -> None:
    product = made(tmp_path / "a", "xyte", registration__registers="station")
    with pytest.raises(UsageError, match="no access key before they are registered"):
        rows_of_sheet(sheet(tmp_path, cells(1)), product, KEYS)
    product = made(tmp_path / "b", "xyte", identity__hardware_id="{{ mac.wlan0 }}")
    with pytest.raises(UsageError, match="addresses of eth0 and wlan0, and a sheet has one MAC"):
        rows_of_sheet(sheet(tmp_path, cells(1)), product, KEYS)
