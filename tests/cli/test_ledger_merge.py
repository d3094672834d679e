"""`factory ledger merge` as somebody calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.ledger import open_ledger
from tests.ledger.made import BINDING, LOT, make_pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    for name, station, units in (("ledger.db", "S1", (1, 2)), ("other.db", "S2", (2, 3))):
        with open_ledger(name, folder=tmp_path, station=station, operator="Kim") as book:
            book.bind_lot(LOT, BINDING)
            for unit in units:
                make_pass(book, unit, serial=f"SN{unit}")
    return tmp_path


def test_conflicts_are_shown_and_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "ledger.db").read_bytes()
    assert main(["ledger", "merge", "other.db"]) == Exit.FAILED
    said = capsys.readouterr()
    assert "station S1" in said.out and "station S2" in said.out and "hw-2" in said.out
    assert "--quarantine" in said.err and "station S2" not in said.err  # the table has it
    assert (folder / "ledger.db").read_bytes() == before
    assert main(["ledger", "merge", "other.db", "--json"]) == Exit.FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["merged"], len(told["conflicts"])) == ("factory.ledger.merge/1", False, 1)
    assert not list(folder.glob("*.bak"))


def test_quarantine_takes_the_rest_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "merge", "other.db", "--quarantine"]) == Exit.DONE
    said = capsys.readouterr()
    assert "1 new units" in said.out and "1 set aside (hw-2)" in said.out
    (copy,) = folder.glob("ledger.db.before-merge-*.bak")
    with open_ledger(str(copy)) as kept:
        assert [one.hardware_id for one in kept.passed_units(LOT)] == ["hw-1", "hw-2"]
    assert main(["ledger", "verify"]) == Exit.DONE
    assert main(["ledger", "trace", "hw-3"]) == Exit.DONE
    capsys.readouterr()
    assert main(["ledger", "trace", "hw-2"]) == Exit.DONE
    story = " ".join(capsys.readouterr().out.split())
    assert "two ledgers contradict each other" in story and "HERE passed" in story and "fatal" not in story
    capsys.readouterr()
    assert main(["ledger", "merge", "other.db", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["merged"] is False
    assert len(list(folder.glob("*.bak"))) == 1


def test_what_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "merge", "nix.db"]) == Exit.USAGE
    assert main(["ledger", "merge", "ledger.db"]) == Exit.USAGE
    assert main(["ledger", "merge", "other.db", "--into", "nix.db"]) == Exit.USAGE
    assert "nix.db" in capsys.readouterr().err
    assert not (folder / "nix.db").exists()
