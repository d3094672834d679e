"""Several stations at once, and stations that die: real processes on one ledger."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from factory.ledger import Refused
from factory.ledger.attempts import begin
from factory.ledger.claim import MAC
from factory.values import AttemptState
from tests.ledger import made
from tests.ledger.made import LOT, admit, opened

pytestmark = pytest.mark.usefixtures("both_engines")

_SPAWN = multiprocessing.get_context("spawn")
_UNITS = 12


def _race(folder: Path, station: str, barrier: Barrier, pipe: Connection) -> None:
    with opened(folder, station) as ledger:
        told: list[tuple[int, str, str]] = []
        for number in range(1, _UNITS + 1):
            barrier.wait(20)
            try:
                admit(ledger, number, serial=f"SN{number}", slot=station.lower())
                told.append((number, "won", ""))
            except Refused as refusal:
                told.append((number, refusal.code, refusal.message))
        barrier.wait(20)
        try:
            own = 1000 + ord(station[1])
            told.append((own, "won", str(admit(ledger, own, serial=f"SN{own}", slot=station.lower(), name="Gate").id)))
        except Refused as refusal:
            told.append((own, refusal.code, refusal.message))
        pipe.send(told)


def test_of_stations_with_the_same_unit_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    opened(tmp_path).close()
    stations = ("S1", "S2", "S3")
    barrier = _SPAWN.Barrier(len(stations))
    pipes = {station: _SPAWN.Pipe() for station in stations}
    children = [
        _SPAWN.Process(target=_race, args=(tmp_path, station, barrier, pipes[station][1])) for station in stations
    ]
    for child in children:
        child.start()
    results = {station: pipes[station][0].recv() for station in stations}
    for child in children:
        child.join(20)
        assert child.exitcode == 0
    for index in range(_UNITS):
        outcomes = {station: results[station][index] for station in stations}
        (winner,) = [station for station, outcome in outcomes.items() if outcome[1] == "won"]
        for station in set(stations) - {winner}:
            _, code, message = outcomes[station]
            assert code == "ledger.clone"
            assert f"slot {winner.lower()} of station {winner}, attempt" in message and ", admitted since 20" in message
    # Then each came with a unit of its own, all with one name.
    last = {station: results[station][_UNITS] for station in stations}
    (winner,) = [station for station, outcome in last.items() if outcome[1] == "won"]
    for station in set(stations) - {winner}:
        _, code, message = last[station]
        assert code == "ledger.name-taken"
        assert f"unit hw-{last[winner][0]} has it, in slot {winner.lower()}" in message
    with opened(tmp_path) as ledger:
        assert ledger.verify() == ()
        assert ledger.show().lots[0].attempts == {"admitted": _UNITS + 1, "refused": 2 * _UNITS + 2}


def _work_for_ever(folder: Path, pipe: Connection) -> None:
    with opened(folder) as ledger:
        ledger.recover()
        for number in range(1, 100_000):
            pipe.send(number)
            made.make_pass(ledger, number + os.getpid() * 10_000 % 0xFF0000, serial=f"SN{os.getpid()}-{number}")


def _stop_in_mid_transaction(folder: Path, pipe: Connection) -> None:
    ledger = opened(folder)
    ledger.recover()
    admit(ledger, 1)
    with ledger._store.writing() as writer:
        begin(writer, {"lot": LOT, "slot": "B", "state": "admitted"}, frozenset({(MAC, "b827eb000009")}))
        pipe.send("inside")
        signal.pause()


def _kill(child: multiprocessing.process.BaseProcess) -> None:
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(20)


def test_a_kill_in_mid_transaction_leaves_the_state_before_it(tmp_path: Path) -> None:
    here, there = _SPAWN.Pipe()
    child = _SPAWN.Process(target=_stop_in_mid_transaction, args=(tmp_path, there))
    child.start()
    assert here.recv() == "inside"
    _kill(child)
    with opened(tmp_path) as ledger:
        assert not ledger.trace("b827eb000009").found
        (left,) = ledger.recover()
        assert left.state is AttemptState.UNKNOWN
        assert ledger.verify() == ()
        again = admit(ledger, 1)
        assert (again.number, again.unit) == (2, left.unit)
        assert "interrupted" in again.note


def test_kills_at_any_moment_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    opened(tmp_path).close()
    for moment in (1, 2, 4):
        here, there = _SPAWN.Pipe()
        child = _SPAWN.Process(target=_work_for_ever, args=(tmp_path, there))
        child.start()
        for _ in range(moment):
            here.recv()
        _kill(child)
        with opened(tmp_path) as ledger:
            assert len(ledger.recover()) <= 1
            assert ledger.verify() == ()
    with opened(tmp_path) as ledger:
        assert {finding.code for finding in ledger.doctor()} <= {"LEDGER-UNKNOWN"}
        (lot,) = ledger.show().lots
        assert set(lot.attempts) <= {"passed", "unknown"}
        assert lot.units.get("passed", 0) == lot.attempts.get("passed", 0) == len(ledger.passed_units(LOT)) > 0
