"""Who holds a station, and that nobody writes as a station that another holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.ledger import Ledger, LedgerError, Refused, open_ledger
from factory.ledger.station import StationLock
from factory.values import AttemptState
from tests.ledger import made
from tests.ledger.made import admit, opened


def _lock_file(folder: Path) -> Path:
    return folder / "ledger.db.S1.lock"


def test_a_lock_file_left_by_a_crash_blocks_nobody(tmp_path: Path) -> None:
    take = "import sys,os;from pathlib import Path;from factory.ledger.station import StationLock as L;"
    take += "lock=L(Path(sys.argv[1]),'S1');os.kill(os.getpid(),9)"
    subprocess.run([sys.executable, "-c", take, str(tmp_path / "ledger.db")], check=False)
    left = int(_lock_file(tmp_path).read_text())
    assert left != os.getpid()
    lock = StationLock(tmp_path / "ledger.db", "S1")
    assert int(_lock_file(tmp_path).read_text()) == os.getpid()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_whoever_admits_holds_the_station(tmp_path: Path) -> None:
    """Else a line that starts now would take this attempt for a crash's, and lease its unit a second time."""
    with opened(tmp_path) as first, opened(tmp_path) as second:
        attempt = admit(first, 1)
        for late in (second.recover, lambda: admit(second, 1), lambda: admit(second, 2, serial="SN2")):
            with pytest.raises(UsageError) as caught:
                late()
            assert caught.value.code == "ledger.station-busy"
        assert first.attempt(attempt.id).state is AttemptState.ADMITTED
        first.close()
        assert [left.id for left in second.recover()] == [attempt.id]
        assert admit(second, 1).number == 2


def test_the_first_admission_settles_what_a_crash_left(tmp_path: Path) -> None:
    with opened(tmp_path) as crashed:
        first = admit(crashed, 1)
    with opened(tmp_path) as ledger:
        again = admit(ledger, 1)
        assert (again.number, ledger.attempt(first.id).state) == (2, AttemptState.FAILED)
        assert "interrupted" in again.note
        # It holds the station since then: what is in work now is its own.
        admit(ledger, 2, serial="SN2", slot="B")
        assert ledger.attempt(again.id).state is AttemptState.ADMITTED


def test_one_ledger_by_two_links_is_one_station(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    with opened(tmp_path) as first:
        first.recover()
        (tmp_path / "links" / "other.db").symlink_to(tmp_path / "ledger.db")
        with (
            open_ledger("other.db", folder=tmp_path / "links", station="S1") as second,
            pytest.raises(UsageError, match=rf"running in process {os.getpid()}"),
        ):
            second.recover()


def test_a_lock_file_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as first, opened(tmp_path) as second:
        first.recover()
        _lock_file(tmp_path).unlink()
        admit(first, 1)
        with pytest.raises(UsageError, match="already running"):
            second.recover()


def test_who_took_the_station_meanwhile_keeps_it(tmp_path: Path) -> None:
    with opened(tmp_path) as first, opened(tmp_path) as second:
        first.recover()
        _lock_file(tmp_path).unlink()
        second.recover()
        with pytest.raises(UsageError, match="already running"):
            admit(first, 1)
        first.close()
        assert _lock_file(tmp_path).exists()
        assert admit(second, 1).number == 1


def test_a_station_that_cannot_be_settled_is_not_held(tmp_path: Path) -> None:
    import sqlite3

    opened(tmp_path).close()
    with open_ledger("ledger.db", folder=tmp_path, station="S1", busy_seconds=0.05) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError):
            ledger.recover()
        assert not _lock_file(tmp_path).exists()
        other.execute("ROLLBACK")
        other.close()
        ledger.recover()


def test_a_folder_without_room_for_the_lock_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="station S1 cannot be taken") as caught:
        StationLock(tmp_path / "none" / "ledger.db", "S1")
    assert caught.value.code == "ledger.no-access"


def test_slots_that_start_together_recover_once(tmp_path: Path) -> None:
    """A second recovery would mark the first slot's attempt, which is in work."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(6)
    with opened(tmp_path) as ledger:

        def connect(number: int) -> int:
            barrier.wait(10)
            return admit(ledger, number, serial=f"SN{number}", slot=str(number)).id

        with ThreadPoolExecutor(6) as pool:
            attempts = list(pool.map(connect, range(1, 7)))
        assert {ledger.attempt(attempt).state for attempt in attempts} == {AttemptState.ADMITTED}
        with pytest.raises(Refused, match="clone") as caught:
            admit(ledger, 1, slot="9")
        assert "start the line of that station again" in caught.value.hint
        assert ledger.lot(made.LOT)


def test_a_station_that_cannot_be_taken_says_so(ledger: Ledger) -> None:
    Path(f"{ledger.location}.S1.lock").mkdir()
    with pytest.raises(LedgerError, match=r"S1 cannot be taken: .*ledger\.db\.S1\.lock"):
        ledger.recover()
