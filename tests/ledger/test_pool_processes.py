"""Stations that give at once, and one that dies: no value goes to two units."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from factory.ledger import Refused
from tests.ledger.made import opened
from tests.ledger.test_pools import bring, give, run

pytestmark = pytest.mark.usefixtures("both_engines")

_SPAWN = multiprocessing.get_context("spawn")
_UNITS = 8


def _give(folder: Path, station: str, barrier: Barrier, pipe: Connection) -> None:
    told: dict[str, str] = {}
    with opened(folder, station) as ledger:
        for number in range(_UNITS):
            barrier.wait(30)
            # Every station meets each shared unit in the same moment, and one of its own.
            for key in (f"shared-{number}", f"{station}-{number}"):
                try:
                    told[key] = give(ledger, key).value
                except Refused as refusal:
                    told[key] = refusal.code
    pipe.send(told)


def test_stations_at_once_never_give_one_value_twice(tmp_path: Path) -> None:
    stations = ("S1", "S2")
    with opened(tmp_path) as ledger:
        bring(ledger, run(0x100, 0x100 + 2 * 20 - 1))  # 24 are wanted
    barrier = _SPAWN.Barrier(len(stations))
    pipes = {station: _SPAWN.Pipe() for station in stations}
    children = [_SPAWN.Process(target=_give, args=(tmp_path, one, barrier, pipes[one][1])) for one in stations]
    for child in children:
        child.start()
    results = [pipes[station][0].recv() for station in stations]
    for child in children:
        child.join(20)
        assert child.exitcode == 0
    given: dict[str, str] = {}
    for result in results:
        for key, value in result.items():
            if value != "pool.exhausted":
                assert given.setdefault(key, value) == value, "one unit got two values"
    assert len(set(given.values())) == len(given), "two units got one value"
    with opened(tmp_path) as ledger:
        (state,) = ledger.pool_states()
        assert state.given == len(given)
        assert state.given + state.remaining == 20
        assert state.remaining < 4 * len(stations)  # what is left is leased to whoever came last
        assert ledger.verify() == ()


def _give_for_ever(folder: Path, pipe: Connection) -> None:
    with opened(folder) as ledger:
        for number in range(100_000):
            pipe.send((f"K{number}", give(ledger, f"K{number}").value))


def test_a_killed_station_lost_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        bring(ledger, run(0x1000, 0x5FFF))
    known: dict[str, str] = {}
    for moment in (7,):
        here, there = _SPAWN.Pipe()
        child = _SPAWN.Process(target=_give_for_ever, args=(tmp_path, there))
        child.start()
        for _ in range(moment):
            key, value = here.recv()
            assert known.setdefault(key, value) == value
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(20)
    with opened(tmp_path) as ledger:
        for key, value in known.items():
            assert give(ledger, key).value == value
        (state,) = ledger.pool_states()
        assert state.given + state.remaining == 0x5000 // 2
        assert ledger.verify() == ()
