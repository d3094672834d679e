"""`factory report` as somebody calls it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.ledger import open_ledger
from tests.lots.report.made import LOT, plant, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    with open_ledger("sqlite:///ledger.db", folder=tmp_path, station="S1", operator="Kim") as book:
        write(book, plant(60))
    return tmp_path


def test_the_page_is_written_and_only_its_name_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "report.html"
    assert main(["report", "--lot", LOT, "--out", "report.html", "--timezone", "Europe/Berlin"]) == Exit.DONE
    assert capsys.readouterr().out == "report.html\n"
    text = out.read_text(encoding="utf-8")
    assert f"<h1>Lot {LOT}</h1>" in text and "Europe/Berlin" in text
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert main(["report", "--lot", LOT, "--out", "report.html", "--timezone", "Europe/Berlin"]) == Exit.DONE
    assert out.read_text(encoding="utf-8") == text
    assert sorted(path.name for path in folder.iterdir() if ".tmp" in path.name) == []


def test_the_numbers_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--lot", LOT, "--json"]) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "factory.report/1"
    assert told["attempts"]["all"] == sum(one["attempts"] for one in told["groups"]["slot"])
    assert 0.5 < told["yield"]["rate"] <= 1
    assert told["written"] == []


def test_without_a_file_the_main_figures_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--lot", LOT]) == Exit.DONE
    said = capsys.readouterr()
    assert "First-pass yield" in said.out and "Units per hour" in said.out
    assert "not in the ledger" in said.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--timezone", "Mars/Olympus"), "report.zone"),
        (("--timezone", "../../etc/passwd"), "report.zone"),
        (("--shifts", "6,14"), "report.shifts"),
        (("--shifts", "06:00:30"), "report.shifts"),
        (("--shifts", ""), "report.shifts"),
        (("--out", "."), "report.out"),
        (("--out", "missing/report.html"), "report.out"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], code: str
) -> None:
    assert main(["report", "--lot", LOT, "--json", *arguments]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_an_unknown_lot_names_those_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--lot", "nix", "--out", "report.html"]) == Exit.USAGE
    assert LOT in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_the_command_line_starts_without_the_drawing() -> None:
    """`factory --help` stays quick: what draws and counts is loaded when a report is made."""
    code = (
        "import sys, factory.cli.app as app; app.build(); print({'matplotlib', 'pandas', 'jinja2'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "set()"
