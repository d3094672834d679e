"""What the command prints and ends with when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("factory ")


def test_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--unit", "6"]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--units" in captured.err


def test_usage_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--json"]) == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "factory.read/1"
    assert document["error"]["exit"] == 2
    assert "--serial" in document["error"]["message"]


def test_wrong_option_with_json_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--json", "--nonsense"]) == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "factory.error/1"
    assert document["error"]["code"] == "usage"


def test_missing_product_file_names_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "product.toml"
    arguments = ["run", "--product", str(missing), "--bench", str(missing), "--lot", "L"]
    assert main(arguments) == Exit.USAGE
    assert str(missing) in capsys.readouterr().err


def test_bug_is_loud_and_ends_with_4(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("factory.config.starter.write_product_folder", explode)
    assert main(["init", "somewhere"]) == Exit.BUG
    captured = capsys.readouterr().err
    assert "bug: ZeroDivisionError: boom" in captured
    assert "Traceback" not in captured
    assert main(["--debug", "init", "somewhere"]) == Exit.BUG
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("group", [[], ["ledger"], ["sheet"], ["rehearse"], ["hooks"]])
def test_help_of_every_group(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*group, "--help"]) == Exit.DONE
    assert "Usage:" in capsys.readouterr().out


READ = "read --ssh root@127.0.0.1:1 --wait 1"


@pytest.mark.parametrize(
    ("redirection", "exits"),
    [("<&-", Exit.FAILED), (">&-", Exit.FAILED), ("<&- >&- 2>&-", Exit.FAILED), (">/dev/full", Exit.NOT_STARTED)],
)
def test_closed_and_full_streams_are_no_bug_of_ours(redirection: str, exits: Exit, tmp_path: Path) -> None:
    for arguments in (READ, f"{READ} --json"):
        told_nothing = redirection == ">/dev/full" and "--json" not in arguments
        done = subprocess.run(
            f'"$PYTHON" -m factory {arguments} {redirection}',
            shell=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHON": sys.executable, "HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == (Exit.FAILED if told_nothing else exits), done.stderr
        assert "Traceback" not in done.stderr
        assert "bug:" not in done.stderr
