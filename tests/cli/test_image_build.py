"""`factory image build` as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.cli import main
from factory.images import open_pack
from factory.sheets import REMOTEIT_BULK
from tests.lots.made import LOT, ledger, make_pass, product


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    product(tmp_path / "p", product__name="router")
    rows = "".join(f"\n,b827eb{n:06x},Unit {n}{',' * 10}" for n in range(3))
    (tmp_path / "s.csv").write_text(REMOTEIT_BULK.header + rows)
    return tmp_path


def build(*arguments: str) -> int:
    return main(["image", "build", "--product", "p/product.toml", "--jobs", "1", *arguments])


def test_into_a_container_and_one_out_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("--sheet", "s.csv", "--out", "o", "--pack", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "schema": "factory.image.build/1", "out": "o/s.pack", "images": 3, "before": 0, "unusual": 0, "notes": [],
    }  # fmt: skip
    assert main(["image", "show", "o/s.pack", "--id", "b827eb000001"]) == 0
    assert "b827eb000001" in capsys.readouterr().out
    assert build("--sheet", "s.csv", "--out", "o", "--pack") == 0
    assert "3 of them made before" in capsys.readouterr().err


def test_into_a_tree_in_another_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("--sheet", "s.csv", "--out", "o", "--format", "cpio") == 0
    assert len(list((folder / "o").rglob("*.cpio"))) == 3
    assert "3 images: o" in capsys.readouterr().err


def test_the_images_of_a_lot(folder: Path) -> None:
    from factory.config import load_product

    with ledger(folder) as book:
        make_pass(book, load_product(folder / "p" / "product.toml"), 1)
    assert build("--lot", LOT, "--out", "o", "--pack") == 0
    with open_pack(folder / "o" / "lot-2026-11-A.pack") as pack:
        assert pack.verify() == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "either --sheet or --lot"),
        (("--sheet", "s.csv", "--lot", "x"), 2, "either --sheet or --lot"),
        (("--sheet", "s.csv", "--format", "zip"), 2, "no format 'zip'"),
        (("--sheet", "s.csv", "--format", "dir", "--pack"), 2, "a container holds files"),
        (("--sheet", "none.csv"), 2, "none.csv"),
        (("--sheet", "bad.csv"), 1, "row 2"),
    ],
)
def test_what_cannot_be_built(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    (folder / "bad.csv").write_text(REMOTEIT_BULK.header + "\n,xx/yy,Unit,,,,,,,,,,")
    assert build(*arguments, "--out", "o") == code
    assert said in capsys.readouterr().err
    assert not (folder / "o").exists()
