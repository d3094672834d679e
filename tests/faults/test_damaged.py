"""Fault 15: a ledger whose bits flipped, whose log was cut, whose older copy came back, that lives on two computers."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from factory.errors import FactoryError
from factory.ledger import Ledger, checkpoints, open_ledger
from tests.faults.oracle import sound
from tests.ledger.made import admit, make_pass, opened

_FLIPS = 60


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("filled")
    with opened(folder) as ledger:
        for number in range(1, 6):
            make_pass(ledger, number, serial=f"SN{number}")
    return (folder / "ledger.db").read_bytes()


def told(ledger: Ledger) -> list[object]:
    """What the ledger says of its units: who they are, what became of them, with which image and key, and when."""
    names = ("state", "hardware_id", "serial", "lot", "station", "slot", "image", "fingerprint", "ended", "code")
    lives = [life for number in range(1, 6) for life in ledger.trace(f"SN{number}").units]
    return [
        ledger.head(),
        [(life.state, life.serial, life.values, life.uploads, life.events) for life in lives],
        [[getattr(attempt, name) for name in names] for life in lives for attempt in life.attempts],
    ]


def test_a_flipped_bit_is_found_or_means_nothing(tmp_path: Path, filled: bytes) -> None:
    """Either `verify` names it, or opening does, or every answer is what it was: no bit makes a quiet lie."""
    path = tmp_path / "ledger.db"
    path.write_bytes(filled)
    with open_ledger(str(path)) as ledger:
        right = told(ledger)
    chance = random.Random(20261121)
    found = 0
    places = [at for at, byte in enumerate(filled) if byte]  # most of a small file is room for more
    for at in chance.sample(places, _FLIPS):
        content = bytearray(filled)
        content[at] ^= 1 << chance.randrange(8)
        for old in tmp_path.iterdir():
            old.unlink()
        path.write_bytes(content)
        try:
            with open_ledger(str(path), create=False) as ledger:
                if ledger.verify():
                    found += 1
                else:
                    assert told(ledger) == right, f"byte {at}"
        except FactoryError as error:
            assert error.hint, error
            found += 1
    assert found > _FLIPS // 10


_CUT = """
import os, sys
from pathlib import Path
from tests.ledger.made import make_pass, opened
ledger = opened(Path(sys.argv[1]))
for number in range(1, 6):
    make_pass(ledger, number, serial=f"SN{number}")
    ledger.checkpoint(None, [Path(sys.argv[1]) / "checkpoints"])
os._exit(0)  # nothing is folded into the file: all of it lies in the log
"""


def test_a_log_that_was_cut_is_an_earlier_state_and_the_checkpoint_says_so(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    subprocess.run([sys.executable, "-c", _CUT, str(whole)], check=True)
    log = (whole / "ledger.db-wal").read_bytes()
    newest = checkpoints.newest(whole / "checkpoints", "S1")
    assert newest is not None and len(log) > 100_000
    chance = random.Random(4)
    cuts = [0, len(log), *(chance.randrange(len(log)) for _ in range(10))]
    seen = set()
    for cut in cuts:
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        shutil.copy(whole / "ledger.db", folder)
        (folder / "ledger.db-wal").write_bytes(log[:cut])
        try:
            with open_ledger("ledger.db", folder=folder, station="S1") as ledger:
                ledger.recover()
                sound(ledger, in_between=True)
                lost = ledger.against_checkpoint(checkpoints.read(newest, ())[0])
                head = ledger.head().seq
        except FactoryError as error:
            assert error.hint
            continue
        assert bool(lost) == (cut < len(log)), f"cut at {cut}: event {head}"
        seen.add(head)
    assert len(seen) > 3


def test_a_copy_on_a_second_computer_goes_its_own_way_and_is_found(tmp_path: Path) -> None:
    """Two programs that both think they are S1: the one whose checkpoint the other has not made is told."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with opened(here) as ledger:
        make_pass(ledger, 1)
    shutil.copy(here / "ledger.db", there)
    with opened(there) as copy:
        make_pass(copy, 2, serial="SN2")
        (outside,) = copy.checkpoint(None, [tmp_path / "outside"])
    with opened(here) as ledger:
        make_pass(ledger, 2, serial="OTHER")
        make_pass(ledger, 3, serial="SN3")
        (finding,) = ledger.against_checkpoint(checkpoints.read(outside, ())[0])
        assert finding.code == "LEDGER-REWRITTEN"
        with pytest.raises(FactoryError):
            admit(ledger, 2, serial="SN2")
        sound(ledger)
