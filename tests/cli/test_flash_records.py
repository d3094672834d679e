"""`factory flash --card` and the ledger: whose card it is, told before the first byte and after the last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.cli.app import run
from factory.flashing.card import work
from factory.ledger import open_ledger
from tests.flashing.card.bench import MIB, card_file, opener
from tests.line.floor import LOT, Floor, plan


@pytest.fixture
def floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Floor]:
    """A unit that has passed, its image as a file system, a product for cards, and a card."""
    monkeypatch.setattr(work, "open_card", opener())
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    with Floor(tmp_path, [plan(1)]) as floor:
        assert floor.run(1).passed == 1
        floor.ledger.close()
        where = ["--product", str(floor.product_file), "--bench", str(floor.bench_file)]
        out = ["--format", "ext4", "--out", str(tmp_path / "built")]
        assert run(["image", "build", "--lot", LOT, *where, *out]) == 0
        cards = floor.product_file.with_name("cards.toml")
        cards.write_text(
            floor.product_file.read_text().replace("[flash]", "").replace('method = "files"', "")
            + '\n[flash]\nmethod = "card"\n[flash.card]\n'
        )
        with floor.bench_file.open("a") as bench:
            bench.write(f'\n[[card]]\nname = "A"\npath = "{tmp_path / "card"}"\n')
        card_file(tmp_path / "card", 8 * MIB)
        yield floor


def call(
    floor: Floor, capsys: pytest.CaptureFixture[str], *arguments: str, image: Path | None = None
) -> tuple[int, dict[str, Any]]:
    image = image or next((floor.folder / "built").rglob("*.ext4"))
    capsys.readouterr()
    where = ["--product", str(floor.product_file.with_name("cards.toml")), "--bench", str(floor.bench_file)]
    code = run(["flash", str(image), "--card", "A", *where, *arguments, "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def test_the_card_of_a_unit_that_passed_wants_a_reason_and_lets_nobody_pass(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (floor.folder / "card").read_bytes()
    code, refused = call(floor, capsys)
    assert (code, refused["error"]["code"]) == (1, "flash.passed")
    assert (floor.folder / "card").read_bytes() == before

    code, document = call(floor, capsys, "--reason", "new card")
    assert (code, document["cards"][0]["outcome"]) == (0, "written"), document
    floor.open()
    (history,) = floor.ledger.trace("b8:27:eb:00:01:00").units
    told = [event for event in history.events if event.kind.startswith("flash.")]
    assert [event.kind for event in told] == ["flash.begun", "flash.written"]
    assert told[0].data["reason"] == "new card"
    assert _receipt(told[1].data)["found"] == document["cards"][0]["receipt"]["written"]
    assert history.state == "rework" and floor.ledger.passed_units(LOT) == ()
    assert floor.ledger.doctor() == ()
    assert run(["ledger", "trace", document_id(floor), "--bench", str(floor.bench_file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "written: card, to " in said and "the same was found" in said


def test_a_file_without_a_manifest_is_nobodys_image(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    before = (floor.folder / "card").read_bytes()
    (image,) = (floor.folder / "built").rglob("*.ext4")
    moved = image.rename(floor.folder / "built" / "moved.ext4")
    for path, said in ((moved, "no manifest"), (moved.with_name("none"), "no image")):
        code, refused = call(floor, capsys, image=path)
        assert (code, refused["error"]["code"]) == (2, "flash.no-manifest") and said in refused["error"]["message"]
    assert (floor.folder / "card").read_bytes() == before
    code, document = call(floor, capsys, "--off-ledger", "of another maker", image=moved)
    assert (code, document["cards"][0]["outcome"]) == (0, "written"), document


def test_off_the_ledger_is_told_to_a_ledger_that_does_not_know_the_unit(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"sqlite:///{floor.folder}/other.db"
    open_ledger(other, station="S1").close()
    code, document = call(floor, capsys, "--ledger", other)
    assert (code, document["cards"][0]["outcome"]) != (0, "written")
    assert document["cards"][0]["error"]["code"] == "flash.unknown-unit"
    code, document = call(floor, capsys, "--ledger", other, "--off-ledger", "first cards")
    assert (code, document["cards"][0]["outcome"]) == (0, "written"), document
    with open_ledger(other, station="office") as book:
        (unit,) = {str(event.data["hardware_id"]) for event in book.trace(document_id(floor)).events}
        assert unit == document_id(floor)
        kinds = [event.kind for event in book.trace(unit).events]
        assert kinds == ["flash.off-ledger", "flash.begun", "flash.written"]


def document_id(floor: Floor) -> str:
    (manifest,) = (floor.folder / "built").rglob("*.manifest.json")
    return str(json.loads(manifest.read_text())["identity"]["hardware_id"])


def _receipt(data: Any) -> dict[str, Any]:
    receipt: dict[str, Any] = data["receipt"]
    return receipt
