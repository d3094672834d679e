"""Checkpoints: an anchor outside of the ledger betrays what a chain cannot tell of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import FactoryError
from factory.files import FileError
from factory.ledger import Ledger, checkpoints, open_ledger
from factory.ledger.checkpoints import Checkpoint, CheckpointError
from factory.ledger.sshsig import SignatureError, SigningKey
from factory.secrets import Secret
from tests.ledger import made
from tests.ledger.made import make_pass, opened
from tests.programs import require

DAMAGED = (
    '{"schema": "factory.checkpoint/1", "at": "x", "station": "S", "operator": "", "software": "", '
    '"heads": [{"station": "S", "seq": %s, "sha256": "a"}], "counts": {}}'
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    path = tmp_path_factory.mktemp("key") / "signing"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return SigningKey(Secret(path.read_text().strip()))


@pytest.mark.usefixtures("both_engines")
def test_a_ledger_that_only_grew_agrees(ledger: Ledger, tmp_path: Path, key: SigningKey) -> None:
    make_pass(ledger, 1)
    one, two = ledger.checkpoint(key, [tmp_path / "here", tmp_path / "there"])
    assert one.read_bytes() == two.read_bytes()
    make_pass(ledger, 2, serial="SN2")
    checkpoint, signer = checkpoints.read(two, [key.public])
    assert signer == key.public
    assert checkpoint.counts["passes"] == 1
    assert ledger.against_checkpoint(checkpoint) == ()
    (event,) = [one for one in _events(ledger) if one == "ledger.checkpoint"]
    assert event


def _events(ledger: Ledger) -> list[str]:
    with made.bare(ledger) as connection:
        return [str(row[0]) for row in connection.exec_driver_sql("SELECT kind FROM events")]


def test_an_older_copy_in_its_place_is_seen(tmp_path: Path, key: SigningKey) -> None:
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1)
        ledger.backup(tmp_path / "yesterday.db")
        make_pass(ledger, 2, serial="SN2")
        (path,) = ledger.checkpoint(key, [tmp_path / "checkpoints"])
    (tmp_path / "ledger.db").unlink()
    shutil.copy(tmp_path / "yesterday.db", tmp_path / "ledger.db")
    with opened(tmp_path) as restored:
        assert restored.verify() == ()  # it cannot know
        (finding,) = restored.against_checkpoint(checkpoints.read(path, [key.public])[0])
        assert finding.code == "LEDGER-CUT" and "could be given twice" in finding.hint


def test_a_ledger_written_anew_is_seen(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with opened(tmp_path / "one") as ledger:
        make_pass(ledger, 1)
        (path,) = ledger.checkpoint(key, [tmp_path / "checkpoints"])
    with opened(tmp_path / "two") as forged:
        for number in range(1, 4):
            make_pass(forged, number, serial=f"X{number}")
        assert forged.verify() == ()
        (finding,) = forged.against_checkpoint(checkpoints.read(path, [key.public])[0])
        assert finding.code == "LEDGER-REWRITTEN"


def test_a_checkpoint_that_was_touched_is_refused(tmp_path: Path, key: SigningKey) -> None:
    with opened(tmp_path) as ledger:
        (path,) = ledger.checkpoint(key, [tmp_path / "checkpoints"])
    document = json.loads(path.read_text())
    document["heads"][0]["seq"] = 1
    path.write_text(json.dumps(document))
    with pytest.raises(SignatureError):
        checkpoints.read(path, [key.public])
    path.with_name(f"{path.name}.sig").unlink()
    with pytest.raises(SignatureError, match="no signature"):
        checkpoints.read(path, [key.public])


def test_one_place_that_fails_keeps_the_other_and_says_so(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "broken").write_text("a file where a folder should be")
    with opened(tmp_path) as ledger:
        with pytest.raises(FileError):
            ledger.checkpoint(key, [tmp_path / "broken", tmp_path / "good"])
        assert len(list((tmp_path / "good").glob("*.json"))) == 1


def test_openssh_checks_it_alone(tmp_path: Path, key: SigningKey) -> None:
    with opened(tmp_path) as ledger:
        (path,) = ledger.checkpoint(key, [tmp_path / "checkpoints"])
    (tmp_path / "allowed").write_text(f"S1 {key.public.text}\n")
    ask = [require("ssh-keygen"), "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "S1"]
    ask += ["-n", "factory-checkpoint", "-s", f"{path}.sig"]
    assert subprocess.run(ask, input=path.read_bytes(), capture_output=True, check=False).returncode == 0


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_no_checkpoint(content: bytes) -> None:
    with pytest.raises(FactoryError):
        Checkpoint.parse(content)


def test_the_newest_of_a_station(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "none") is None
    for name in ("2026-11-20", "2026-11-21"):
        (tmp_path / f"checkpoint-{name}-S1.json").touch()
    (tmp_path / "checkpoint-2026-12-01-S2.json").touch()
    found = checkpoints.newest(tmp_path, "S1")
    assert found is not None and found.name == "checkpoint-2026-11-21-S1.json"
    with open_ledger("ledger.db", folder=tmp_path) as ledger:
        assert ledger.verify() == ()


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"schema": 1}',
        DAMAGED % "1e999",
        DAMAGED % 2**63,
        DAMAGED.replace('"S"', '"S\\u0000"') % 1,
        DAMAGED.replace('"S"', '"\\u001b[2J"') % 1,
    ],
)
def test_hostile_values_make_it_no_checkpoint(content: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(content.encode())
