"""`factory flash --card`: several cards in one call, files standing for them; the ledger is told in tests/flashing."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from factory.cli import main
from factory.config import CardReader
from factory.errors import Exit
from factory.flashing import FlashError
from factory.flashing.card import CardResult, Holds, Outcome, work
from factory.flashing.card.writing import Writing
from factory.values import Receipt
from tests.flashing.card.bench import MIB, card_file, holds_nothing, noise, opener, system_image, untouched

PRODUCT = """
[product]
name = "router"
[registration]
profile = "remoteit-bulk"
bulk_identification_code = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
[identity.key]
secret = "file:factory.key"
[flash]
method = "card"
[flash.card]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(work, "open_card", opener())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    (tmp_path / "factory.key").write_text("q3zcb5v7a2mnk4hdq3zcb5v7a2mnk4hd\n")
    (tmp_path / "factory.key").chmod(0o600)
    cards = "".join(f'[[card]]\nname = "{name}"\npath = "{tmp_path / name}"\n' for name in "AB")
    (tmp_path / "bench.toml").write_text(f'[station]\nname = "s1"\n{cards}')
    for name in "AB":
        card_file(tmp_path / name, 26 * MIB)
    return tmp_path


def product(folder: Path, section: str = "", head: str = PRODUCT) -> None:
    (folder / "product.toml").write_text(head + section)


def flash(*arguments: str) -> int:
    where = ("--product", "product.toml", "--bench", "bench.toml", "--off-ledger", "a test of cards")
    return main(["flash", *arguments, *where])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_one_image_for_each_card(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system_image(folder / "os.img")
    product(folder, 'os_image = "os.img"\npartition = 2\n')
    for name in ("one", "two"):
        (folder / name).write_bytes(name.encode() * 1000)
    assert flash("one", "two", "--card", "B", "--card", "A", "--json") == Exit.DONE
    document = said(capsys)
    assert (document["schema"], document["method"]) == ("factory.flash/1", "card")
    assert [card["card"] for card in document["cards"]] == ["B", "A"]
    for card in document["cards"]:
        assert (card["outcome"], card["holds"], card["error"]) == ("written", "new", None)
        assert card["receipt"]["read_back"] == "direct read"
        assert card["receipt"]["written"] == card["receipt"]["found"]
    for name, what in (("B", b"one"), ("A", b"two")):
        assert (folder / name).read_bytes()[5 * MIB : 5 * MIB + 3000] == what * 1000


def test_one_system_for_all_cards_and_one_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system_image(folder / "os.img")
    product(folder, 'os_image = "os.img"\n')
    card_file(folder / "B", 20 * MIB)
    assert flash("--card", "A", "--card", "B") == Exit.FAILED
    captured = capsys.readouterr()
    assert "card.small" in captured.out
    assert "written" in captured.out
    assert "the unit has passed when it runs" in captured.err
    assert untouched(folder / "B")


def test_none_could_be_started(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "os.img").write_bytes(noise(27 * MIB))
    product(folder, 'os_image = "os.img"\n')
    assert flash("--card", "A", "--json") == Exit.NOT_STARTED
    card = said(capsys)["cards"][0]
    assert (card["outcome"], card["error"]["code"], card["receipt"]) == ("refused", "card.small", None)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--card", "C"), "the bench has no card C"),
        (("--card", "A", "--card", "A"), "named twice"),
        (("one", "two", "--card", "A"), "2 images for 1 card"),
        (("--card", "A"), "takes the unit's own image"),
        (("one", "./one", "--card", "A", "--card", "B"), "would both become"),
        (("missing", "--card", "A"), "missing"),
    ],
)
def test_wrong_calls_write_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], what: str
) -> None:
    system_image(folder / "os.img")
    product(folder, 'os_image = "os.img"\npartition = 2\n')
    for name in ("one", "two"):
        (folder / name).write_bytes(noise(4096))
    assert flash(*arguments) == Exit.USAGE
    assert what in capsys.readouterr().err
    assert untouched(folder / "A")
    assert untouched(folder / "B")


def test_a_product_that_is_flashed_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    product(folder, head=PRODUCT.replace('method = "card"', 'method = "files"'))
    (folder / "one").write_bytes(noise(4096))
    assert flash("one", "--card", "A") == Exit.USAGE
    assert 'method "files"' in capsys.readouterr().err
    assert untouched(folder / "A")


def test_ctrl_c_leaves_no_table(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    system_image(folder / "os.img")
    product(folder, 'os_image = "os.img"\n')
    write = Writing._check
    once = threading.Event()

    def check(self: Writing) -> None:
        if not once.is_set():
            once.set()
            os.kill(os.getpid(), signal.SIGINT)
            self._cancel.wait(30)  # the handler runs in the main thread
        write(self)

    monkeypatch.setattr(Writing, "_check", check)
    assert flash("--card", "A", "--json") == Exit.INTERRUPTED
    assert said(capsys)["cards"][0]["holds"] == "nothing"
    assert holds_nothing(folder / "A")


def test_what_people_are_told_of_a_card(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.cli.flash_card import _line, _print, as_json

    monkeypatch.setenv("COLUMNS", "200")

    reader = CardReader(name="A", path="/dev/disk/by-path/x")
    assert _line(CardResult(reader, Outcome.WRITTEN, Holds.NEW, 1.0, note="slowly")) == "A: written (slowly)"
    slow = Receipt("1" * 64, "card", "card:A", {}, 40_000, "direct read", 1.0)
    assert (
        _line(CardResult(reader, Outcome.WRITTEN, Holds.NEW, 1.0, slow))
        == "A: written, 40.0 kB/s written and read back"
    )
    cut = CardResult(reader, Outcome.FAILED, Holds.NOTHING, 1.0, error=FlashError("pulled"), sent=1_234_567)
    assert as_json(cut)["bytes_sent"] == 1_234_567
    _print([cut])
    assert "1,234,567" in capsys.readouterr().out
