"""Products of other clouds: `init` makes them, and what cannot be done with them yet says so and starts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.ledger import open_ledger


@pytest.fixture(params=["remoteit-package", "xyte"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XYTE_HARDWARE_KEY", "5b6a2f3c-0d1e-4f2a-9b8c-7d6e5f4a3b2c")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "acme", "--kind", str(request.param)]) == Exit.DONE
    return tmp_path / "acme"


def test_the_line_says_what_it_cannot(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (made / "product.toml").read_text()
    (made / "product.toml").write_text(text.replace("[unit]\n", '[unit]\npersistence = "save-config"\n', 1))
    arguments = ["run", "--product", str(made / "product.toml"), "--bench", str(made / "bench.toml"), "--lot", "L"]
    assert main(arguments) == Exit.USAGE
    said = capsys.readouterr().err
    assert "save-config" in said and "is connectd's own" in said


def test_there_is_no_upload_file(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_ledger("sqlite:///ledger.db", station="S", operator="me", folder=tmp_path):
        pass
    arguments = ["sheet", "export", "--product", str(made / "product.toml"), "--lot", "L", "--out", "out"]
    assert main([*arguments, "--ledger", "sqlite:///ledger.db"]) == Exit.USAGE
    assert "has no upload file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_sheet_for_a_cloud_that_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "a"), "--kind", "remoteit-package"]) == Exit.DONE
    (tmp_path / "order.csv").write_text("SERIAL,MAC\nA-1,001b77a4c011\n")
    check = ["sheet", "check", str(tmp_path / "order.csv"), "--product", str(tmp_path / "a" / "product.toml")]
    assert main(check) == Exit.USAGE
    said = capsys.readouterr().err
    assert "remoteit-package has no upload file" in said and "--profile order" in said
    assert main([*check, "--profile", "order"]) == Exit.DONE


def test_an_unknown_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "a"), "--kind", "xite"]) == Exit.USAGE
    assert "remoteit-bulk, remoteit-package, xyte" in capsys.readouterr().err
