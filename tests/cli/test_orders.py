"""The office's commands around a lot: an order in, an upload out, the answer in, what was refused out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.ledger import migrate
from tests.ledger.test_upgrade import old_ledger
from tests.lots.made import LOT, ledger, make_pass, product

Call = Callable[..., int]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    product(tmp_path / "p")

    def run(*arguments: object) -> int:
        return main(["sheet", *map(str, arguments)])

    return run


@pytest.fixture
def made(call: Call, tmp_path: Path) -> None:
    """A lot with two passed units."""
    from factory.config import load_product

    with ledger(tmp_path) as book:
        for number in (1, 2):
            make_pass(book, load_product(tmp_path / "p" / "product.toml"), number)


PRODUCT = ("--product", "p/product.toml", "--lot", LOT)


def test_an_order_makes_the_ledger(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = tmp_path / "order.csv"
    order.write_text("MAC,DEVICE_NAME\nb827eb000001,Gate 1\n")
    assert call("import", order, *PRODUCT) == Exit.DONE
    assert "1 rows of" in capsys.readouterr().err
    assert call("import", order, *PRODUCT) == Exit.FAILED
    said = capsys.readouterr()
    assert "DUP-LEDGER" in said.out and "was not imported" in said.err
    order.write_text("MAC,DEVICE_NAME\nb827eb000001,Gate 1\nb827eb000002,Gate 2\n")
    assert call("import", order, *PRODUCT, "--skip-existing", "--json") == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["rows"], document["profile"]) == ("factory.sheet.import/1", 1, "order")
    assert [(one["row"], one["kind"], one["value"]) for one in document["skipped"]] == [(2, "mac", "b827eb000001")]
    assert call("import", order, *PRODUCT, "--skip-existing", "--profile", "order") == Exit.DONE
    said = capsys.readouterr()
    assert "skipped row 3: mac b827eb000002 is order.csv row 3" in said.err and "nothing is new" in said.err


def test_a_refused_order_as_json(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = tmp_path / "order.csv"
    order.write_text("MAC,DEVICE_NAME\nb827eb00000,Gate 1\n")
    assert call("import", order, *PRODUCT, "--json") == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "order.refused"
    assert document["totals"]["ID-LEN"] == 1
    assert document["findings"]


@pytest.mark.usefixtures("made")
def test_out_and_back_and_out_again(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", *PRODUCT, "--out", "out", "--operator", "Kim", "--json") == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert json.loads(Path(document["manifest"]).read_text())["operator"] == "Kim"
    answer = tmp_path / "answer.csv"
    answer.write_text("hardware_id,status,reason\nb827eb000002,rejected,duplicate\n")
    assert call("verdicts", answer, "--lot", LOT) == Exit.DONE
    said = capsys.readouterr().err
    assert "rejected  b827eb000002  duplicate" in said and "not in the answer: 1 units (b827eb000004)" in said
    assert call("verdicts", answer, "--lot", LOT, "--json") == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "ledger.verdicts-taken"
    assert call("export", *PRODUCT, "--out", "out", "--only", "rejected") == Exit.DONE
    assert (tmp_path / "out" / "2026-11_A-upload-002.manifest.json").is_file()
    ids = tmp_path / "ids.txt"
    ids.write_text("b827eb000002\nb827eb000004\n")
    capsys.readouterr()
    assert call("verdicts", ids, "--lot", LOT, "--state", "preregistered", "--json") == Exit.DONE
    assert json.loads(capsys.readouterr().out)["changed"] == {"preregistered": 2}


@pytest.mark.usefixtures("made")
def test_a_sheet_against_the_ledger(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", *PRODUCT, "--out", "out") == Exit.DONE
    sent = tmp_path / "out" / "2026-11_A-upload-001.csv"
    assert call("compare", sent, *PRODUCT) == Exit.DONE
    damaged = tmp_path / sent.name
    damaged.write_text(sent.read_text().replace(",b827eb000002,", ",1.12E+15,"))
    capsys.readouterr()
    repaired = tmp_path / "repaired.csv"
    assert call("compare", damaged, *PRODUCT, "--repair-from-ledger", repaired, "--json") == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["LED-MISSING"] == 1
    assert document["written"] == [str(repaired)]
    assert repaired.read_bytes() == sent.read_bytes()


@pytest.mark.usefixtures("made")
def test_wrong_calls(call: Call, tmp_path: Path) -> None:
    sheet = tmp_path / "a.csv"
    sheet.write_text("x")
    assert call("compare", sheet) == Exit.USAGE
    assert call("compare", sheet, sheet, "--lot", LOT) == Exit.USAGE
    assert call("compare", sheet, "--lot", LOT) == Exit.USAGE
    assert call("export", *PRODUCT, "--out", "out", "--only", "passed") == Exit.USAGE
    assert call("verdicts", sheet, "--lot", LOT, "--state", "exported") == Exit.USAGE


def test_an_upgrade_is_told(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old_ledger(tmp_path)
    order = tmp_path / "order.csv"
    order.write_text("MAC\nb827eb000007\n")
    assert call("import", order, "--product", "p/product.toml", "--lot", "new", "--json") == Exit.DONE
    said = capsys.readouterr()
    assert f"from schema 0001 to {migrate.HEAD}" in said.err and "schema-0001.bak" in said.err
    assert json.loads(said.out)["rows"] == 1
