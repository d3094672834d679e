"""Fault 20: two operators export one lot in the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from factory.errors import FactoryError
from factory.ledger import Ledger, open_ledger
from factory.lots import Exported, export
from tests.faults.oracle import sound
from tests.ledger.conftest import both_engines, postgres_server
from tests.ledger.made import url_of
from tests.lots.made import LOT, make_pass, product

__all__ = ["both_engines", "postgres_server"]


@pytest.mark.usefixtures("both_engines")
@pytest.mark.parametrize("same_folder", [False, True])
def test_one_of_two_operators_exports_and_the_other_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_folder: bool
) -> None:
    made = product(tmp_path / "p")
    url = url_of(tmp_path)
    books = [open_ledger(url, folder=tmp_path, station=station) for station in ("office", "office 2")]
    from factory.ledger import Binding

    books[0].bind_lot(LOT, Binding("router", "a" * 64, "b" * 64, 1))
    for number in (1, 2, 3):
        make_pass(books[0], made, number)
    meet = threading.Barrier(2)
    mark = Ledger.mark_exported

    def together(self: Ledger, *arguments: object, **named: object) -> object:
        meet.wait(20)  # both have written their files, and neither is in the ledger
        return mark(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "mark_exported", together)
    done: list[Exported] = []
    told: list[FactoryError] = []

    def work(book: Ledger, out: Path) -> None:
        try:
            done.append(export(book, made, LOT, out))
        except FactoryError as error:
            told.append(error)

    folders = [tmp_path / "out", tmp_path / ("out" if same_folder else "other")]
    threads = [threading.Thread(target=work, args=pair) for pair in zip(books, folders, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (won,), (lost,) = done, told
    assert lost.code == "ledger.already-exported" and lost.hint
    assert won.rows == 3 and won.manifest.exists() and won.files[0].exists()
    names = {won.files[0].name, won.workbook.name, won.manifest.name}
    there = {path.name for folder in set(folders) if folder != won.files[0].parent for path in folder.iterdir()}
    assert there == set(), "what was refused lies nowhere"
    assert {path.name for path in won.files[0].parent.iterdir()} == names
    assert len(books[0].uploads(LOT)) == 1
    sound(books[1])
    for book in books:
        book.close()
