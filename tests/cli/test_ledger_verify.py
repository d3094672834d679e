"""`factory ledger verify`, `trace` and `sheet manifest` as a person calls them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from factory.cli import main
from tests.lots.made import LOT, ledger, make_pass, product
from tests.programs import require

BENCH = """
[station]
name = "S1"
signing_key = "file:signing"
[[slot]]
name = "A"
ssh = { host = "192.168.1.1" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station with a signing key, three passed units and their signed upload."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", "signing"], check=True)
    Path("allowed").write_text(f"S1 {Path('signing.pub').read_text()}")
    Path("bench.toml").write_text(BENCH)
    made = product(tmp_path / "p")
    with ledger(tmp_path) as book:
        for number in (1, 2, 3, 4):
            make_pass(book, made, number)
    assert call("sheet", "export", "--lot", LOT, "--product", "p/product.toml", "--out", "out") == 0
    return tmp_path


def call(*arguments: str) -> int:
    return main([*arguments, "--bench", "bench.toml"])


MANIFEST = "out/2026-11_A-upload-001.manifest.json"
CSV = "out/2026-11_A-upload-001.csv"


def test_a_sound_upload_and_one_that_was_touched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ("ledger", "verify", "--manifest", MANIFEST, "--signers", "allowed", "--files")
    capsys.readouterr()
    assert call(*ask) == 0
    said = capsys.readouterr().err
    assert "4 rows of lot 2026-11/A, signed by SHA256:" in said and "agrees" in said and "the ledger is sound" in said
    Path(CSV).write_bytes(Path(CSV).read_bytes().replace(b"\n", b"\r\n"))
    assert call(*ask, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert {finding["code"] for finding in document["findings"]} == {"FILE-CHANGED"} and not document["sound"]
    assert document["manifests"][0]["sound"] is False
    assert call(*ask) == 1
    assert "factory sheet compare" in capsys.readouterr().out


def test_a_missing_file_is_no_fault_and_a_strange_signer_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(CSV).unlink()
    assert call("ledger", "verify", "--files") == 0
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", "other"], check=True)
    assert call("ledger", "verify", "--manifest", MANIFEST, "--signers", "other.pub") == 1
    assert "MANIFEST-SIGNATURE" in capsys.readouterr().out


def test_an_unsigned_checkpoint_is_a_finding(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("ledger", "checkpoint") == 0
    assert call("ledger", "verify", "--signers", "allowed") == 0
    next(Path("checkpoints").glob("*.sig")).unlink()
    assert call("ledger", "verify", "--signers", "allowed") == 1
    assert "CHECKPOINT-SIGNATURE" in capsys.readouterr().out


def test_a_manifest_is_written_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    Path(MANIFEST).unlink()
    assert call("sheet", "manifest", Path(CSV).name, "--lot", LOT, "--in", "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["signed_by"].startswith("SHA256:")
    assert call("ledger", "verify", "--manifest", MANIFEST, "--signers", "allowed") == 0
    assert call("sheet", "manifest", "none.csv", "--lot", LOT, "--in", "out") == 2


def test_a_life_on_one_screen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("unit", "rework", "S1", "--reason", "no Wi-Fi") == 0
    capsys.readouterr()
    assert call("ledger", "trace", "S1") == 0
    shown = capsys.readouterr().out
    order = [
        "unit b827eb000002  REWORK",
        "b8:27:eb:00:00:02, b8:27:eb:00:00:03",
        "upload       2026-11_A-upload-001.csv row 1: needs-republish",
        "admitted to lot 2026-11/A",
        "PASSED with image cccccccccccc",
        "exported in 2026-11_A-upload-001.csv, row 1",
        "signed by SHA256:",
        "to rework: no Wi-Fi; to delete at the portal: 2026-11_A-upload-001.csv row 1",
    ]
    places = [shown.find(text) for text in order]
    assert -1 not in places and places == sorted(places), shown
    assert all(len(line) <= 160 for line in shown.splitlines())


def test_a_file_of_many_units_lists_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("ledger", "trace", Path(CSV).name) == 0
    shown = capsys.readouterr().out
    assert shown.count("passed") == 4 and "--full" in shown and "admitted" not in shown
    assert call("ledger", "trace", Path(CSV).name, "--full") == 0
    assert capsys.readouterr().out.count("PASSED with") == 4
    assert call("ledger", "trace", "nothing of it") == 1
