"""factory pool, as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from tests.lots.made import product
from tests.lots.test_pool_import import POOLS

Call = Callable[..., int]
PRODUCT = ("--product", "p/product.toml")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    product(tmp_path / "p")
    file = tmp_path / "p" / "product.toml"
    file.write_text(file.read_text() + POOLS)
    (tmp_path / "reel.csv").write_text("b8:27:eb:10:00:00,21\n")

    def run(*arguments: object) -> int:
        return main(["pool", *map(str, arguments)])

    return run


def test_from_the_file_to_the_last_value(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("import", "reel.csv", *PRODUCT, "--pool", "lan") == Exit.DONE
    said = capsys.readouterr()
    assert "21 values of reel.csv are in pool lan now: enough for 10 units" in said.out
    assert "1 of 21 values make no cell of 2" in said.err
    assert call("lease", "--station", "S2", "--cells", "4") == Exit.DONE
    assert "station S2 has 4 of pool lan now, 6 are free" in capsys.readouterr().out
    assert call("lease", "--station", "S3", "--cells", "9", "--json") == Exit.FAILED
    assert json.loads(capsys.readouterr().out)["leased"] == {"S2": 4, "S3": 6}
    assert call("burn", "b8:27:eb:10:00:03", "--reason", "a sample") == Exit.DONE
    assert "b8:27:eb:10:00:03 of pool lan goes to no unit" in capsys.readouterr().out
    assert call("show", "--json") == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    (pool,) = document["pools"]
    assert document["schema"] == "factory.pool.show/1"
    assert (pool["pool"], pool["total"], pool["burned"], pool["leased"], pool["free"]) == (
        "lan",
        10,
        1,
        {"S2": 3, "S3": 6},
        0,
    )
    assert call("show") == Exit.DONE
    assert "S2 3, S3 6" in capsys.readouterr().out


def test_what_is_refused(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: object, code: int = Exit.USAGE) -> str:
        assert call(*arguments) == code
        return capsys.readouterr().err

    assert "several pools" in refused("import", "reel.csv", *PRODUCT)
    assert "has no pool 'wlan'" in refused("import", "reel.csv", *PRODUCT, "--pool", "wlan")
    assert "reel-8.csv" in refused("import", "reel-8.csv", *PRODUCT, "--pool", "lan")
    (tmp_path / "bad.csv").write_text("b8:27:eb:10:00:0x\nb8:27:eb:10:00:00\n")
    assert call("import", "bad.csv", *PRODUCT, "--pool", "lan") == Exit.FAILED
    said = capsys.readouterr()
    assert 'bad.csv: line 1: MAC "b8:27:eb:10:00:0x" has "x" at 17' in said.out
    assert "bad.csv was not imported: 1 error" in said.err
    assert call("import", "bad.csv", *PRODUCT, "--pool", "lan", "--json") == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "pool.refused"
    assert [finding["place"] for finding in document["findings"]] == ["line 1"]
    (tmp_path / "mixed.csv").write_bytes(b"02:00:00:10:00:00\n00:11:22:33:44:55\nb8:27:eb:1:2:3\n# Stra\xdfe\n")
    assert call("import", "mixed.csv", *PRODUCT, "--pool", "lan") == Exit.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1] for line in lines] == [" file", " line 1", " line 2", " line 3"], lines
    assert "UTF-8 text or as an .xlsx" in lines[0] and "00:11:22:33:44:55 is a test pattern" in lines[2]
    assert call("import", "reel.csv", *PRODUCT, "--pool", "lan", "--json") == Exit.DONE
    assert json.loads(capsys.readouterr().out)["cells"] == 10
    assert "was imported already" in refused("import", "reel.csv", *PRODUCT, "--pool", "lan")
    (tmp_path / "more.csv").write_text("b8:27:eb:10:00:14-b8:27:eb:10:00:20\n")
    assert "overlaps" in refused("import", "more.csv", *PRODUCT, "--pool", "lan", code=Exit.FAILED)
    assert "has no pool other" in refused("show", "--pool", "other")
    assert "no pool of the ledger has" in refused("burn", "b8:27:eb:99:00:00", "--reason", "x")
