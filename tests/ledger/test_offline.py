"""A station whose server is away: it goes on in its journal, and the server gets all of it, in order and once."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import URL

from factory.cli import main
from factory.errors import Exit, UsageError
from factory.files import FileError
from factory.ledger import Kind, Ledger, LedgerError, Refused, local_journal, open_ledger
from factory.ledger.beside_journal import NEEDS_SERVER
from factory.ledger.merging.merge import Merge
from factory.ledger.open_station import journal_findings, open_station
from factory.ledger.station_ledger import StationLedger
from factory.ledger.store import Clock, utc_now
from factory.values import AttemptState, Event, UnitState
from tests import cut as cuts
from tests import postgres
from tests.cut import Cut
from tests.ledger import made, test_pools
from tests.ledger.made import BINDING, LOT, admit, make_pass
from tests.ledger.test_merging import fail, order, with_row

_SPAWN = multiprocessing.get_context("spawn")
SOON = 60.0
"""Seconds that a busy machine gets for what is a matter of one."""


class Floor:
    """Stations on one server, which can be cut off."""

    def __init__(self, folder: Path, server: URL, line: Cut) -> None:
        self.folder = folder
        self.schema = secrets.token_hex(8)
        self.direct = postgres.schema(server, self.schema)
        self.line = line
        self.stack = ExitStack()
        self.heard: list[Event] = []
        self.synced: list[Merge] = []
        self.killed: list[StationLedger] = []
        self.books: list[StationLedger] = []

    def station(self, name: str = "S1", *, lot: str = LOT, clock: Clock = utc_now) -> StationLedger:
        book, done = open_station(
            self.line.url_of(self.schema),
            self.folder / f"{name}.db",
            station=name,
            operator="Kim",
            first_look=0.05,
            clock=clock,
        )
        self.books.append(book)
        self.synced += [done] if done is not None else []
        self.stack.callback(lambda: None if book in self.killed else book.close())
        book.subscribe(self.heard.append)
        book.bind_lot(lot, BINDING)
        book.recover()
        return book

    def server(self, station: str = "office") -> Ledger:
        """The server's ledger, past the line that can be cut."""
        return self.stack.enter_context(open_ledger(self.direct, station=station))

    def cut(self, book: StationLedger) -> None:
        """Cut the line, and let the station find out."""
        self.line.cut()
        book.record("test.look")
        until(lambda: book.is_offline)

    def kill(self, book: StationLedger) -> None:
        """As a kill leaves it: nothing is said to anybody, and the system drops what was held."""
        self.killed.append(book)
        book._gate.close()
        book._keeper.join()
        book._release()
        book._journal.close()
        book._home.close()

    def mend(self, book: StationLedger) -> None:
        before = len(self.told("line.online"))
        self.line.mend()
        until(lambda: len(self.told("line.online")) > before and not book.is_offline)

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.heard if event.kind == kind]


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def floor(tmp_path: Path, postgres_server: URL) -> Iterator[Floor]:
    with cuts.behind(postgres_server) as line:
        made_floor = Floor(tmp_path, postgres_server, line)
        with made_floor.stack:
            yield made_floor


def test_units_are_made_while_the_server_is_away(floor: Floor) -> None:
    book = floor.station()
    make_pass(book, 1, serial="SN1")
    floor.cut(book)
    assert book.station.startswith("S1~") and book.location.startswith("postgresql")
    with book.working():
        make_pass(book, 2, serial="SN2")
    with book.working(), pytest.raises(Refused):
        make_pass(book, 2, serial="SN2")
    message = floor.told("line.offline")[-1].data["message"]
    assert str(message).startswith("OFFLINE since ") and str(message).endswith(", 1 unit waits for sync")
    floor.mend(book)
    assert "online again: 2 attempts synced" in str(floor.told("line.online")[-1].data["message"])
    server = floor.server()
    assert [one.hardware_id for one in server.passed_units(LOT)] == ["hw-1", "hw-2"]
    assert {one.station.partition("~")[0] for one in server.passed_units(LOT)} == {"S1"}
    assert server.verify() == ()
    (aside,) = floor.folder.glob("S1-synced-*.db")
    with open_ledger(str(aside), create=False) as kept:
        assert [one.hardware_id for one in kept.passed_units(LOT)] == ["hw-2"]
    make_pass(book, 3, serial="SN3")
    assert len(server.passed_units(LOT)) == 3


def test_an_attempt_that_was_cut_is_unknown_and_its_unit_goes_on(floor: Floor) -> None:
    book = floor.station()
    with book.working():
        attempt = admit(book, 1, serial="SN1")
        book.advance(attempt.id, AttemptState.FLASHING, image=made.IMAGE)
        floor.line.cut()
        with pytest.raises(LedgerError, match="does not answer"):
            book.advance(attempt.id, AttemptState.FLASHED, made.receipt().as_json())
        with pytest.raises(LedgerError):
            book.leave_restore(attempt.id, {"schema": "factory.restore/1"})
        with pytest.raises(LedgerError):
            book.failed(attempt.id, "ledger.away", "x")
        assert not book.is_offline  # an attempt ends where it began
    until(lambda: book.is_offline)
    with book.working():
        again = make_pass(book, 1, serial="SN1")
        assert again.number == 1
    floor.mend(book)
    server = floor.server()
    (unit,) = server.trace("hw-1").units
    assert [(one.number, str(one.state)) for one in unit.attempts] == [(1, "failed"), (2, "passed")]
    assert "read again in attempt" in (unit.attempts[0].cause or "")
    assert unit.state == "passed" and server.pending_restores() == ()
    assert floor.told("line.online")[-1].data["conflicts"] == []


def test_a_debt_is_kept_until_the_server_can_be_told(floor: Floor) -> None:
    book = floor.station()
    with book.working():
        attempt = admit(book, 1, serial="SN1")
        book.advance(attempt.id, AttemptState.FLASHING, image=made.IMAGE)
        floor.line.cut()
        with pytest.raises(LedgerError):
            book.leave_restore(attempt.id, {"schema": "factory.restore/1", "what": "old"})
    until(lambda: book.is_offline)
    floor.mend(book)
    (owed,) = floor.server().pending_restores()
    assert (owed.hardware_id, owed.data["what"]) == ("hw-1", "old")


@pytest.mark.parametrize("passing", [False, True])
def test_a_commit_whose_reply_was_lost(floor: Floor, *, passing: bool) -> None:
    book = floor.station()
    with book.working():
        attempt = admit(book, 1, serial="SN1")
        if passing:
            made.to_proved(book, attempt)
        floor.line.lose_reply_to = (cuts.COMMIT,)
        with pytest.raises(LedgerError, match="does not answer"):
            if passing:
                book.passed(attempt.id, made.receipt(), made.proof())
            else:
                book.advance(attempt.id, AttemptState.FLASHING, image=made.IMAGE)
    until(lambda: book.is_offline)
    make_pass(book, 2, serial="SN2")
    floor.mend(book)
    server = floor.server()
    assert server.verify() == ()
    expected = "passed" if passing else "unknown"
    assert [str(one.state) for one in server.trace("hw-1").units[0].attempts] == [expected]
    assert server.trace("hw-2").units[0].state == "passed"


def test_a_cut_in_the_middle_of_the_sync_is_all_or_nothing_and_again(floor: Floor) -> None:
    book = floor.station()
    floor.cut(book)
    make_pass(book, 1, serial="SN1")
    server = floor.server()
    for sent in (b"INSERT INTO attempts", b"INSERT INTO passes"):
        floor.line.lose_reply_to = (sent,)
        floor.line.mend()
        until(lambda: floor.line.is_cut)
        assert not server.trace("hw-1").found
    make_pass(book, 2, serial="SN2")
    floor.mend(book)
    assert [one.hardware_id for one in server.passed_units(LOT)] == ["hw-1", "hw-2"]
    assert server.verify() == ()


def test_the_commit_of_the_sync_whose_reply_was_lost(floor: Floor) -> None:
    book = floor.station()
    floor.cut(book)
    make_pass(book, 1, serial="SN1")
    server = floor.server()
    floor.line.lose_reply_to = (b"ledger.merged", cuts.COMMIT)
    floor.line.mend()
    until(lambda: floor.line.is_cut)
    floor.mend(book)
    assert [one.number for one in server.trace("hw-1").units[0].attempts] == [1]
    assert server.verify() == ()


def test_killed_while_offline_the_next_run_syncs(floor: Floor) -> None:
    book = floor.station()
    floor.cut(book)
    make_pass(book, 1, serial="SN1")
    left = admit(book, 2, serial="SN2")
    book.advance(left.id, AttemptState.FLASHING, image=made.IMAGE)
    floor.kill(book)
    (finding,) = journal_findings(floor.folder / "S1.db")
    assert finding.code == "LEDGER-OFFLINE" and "2 attempts since" in finding.message
    # The server is still away: it goes on where it was.
    again = floor.station()
    assert again.is_offline
    assert [str(one.state) for one in again.trace("hw-2").units[0].attempts] == ["unknown"]
    make_pass(again, 2, serial="SN2")
    floor.kill(again)
    floor.line.mend()
    last = floor.station()
    assert not last.is_offline and floor.synced[-1].attempts == 3
    assert [one.hardware_id for one in floor.server().passed_units(LOT)] == ["hw-1", "hw-2"]
    assert journal_findings(floor.folder / "S1.db") == ()


def _work_for_ever(url: str, folder: Path, pipe: Connection) -> None:
    book, _ = open_station(url, folder / "S1.db", station="S1", first_look=3600)
    book.bind_lot(LOT, BINDING)
    book.recover()
    for number in range(1, 10_000):
        pipe.send(book.is_offline)
        with book.working():
            key = os.getpid() % 1000 * 10_000 + number
            make_pass(book, key, serial=f"SN{key}")


def test_real_kills_while_offline_lose_nothing_and_double_nothing(floor: Floor) -> None:
    floor.station().close()  # takes the lot along
    floor.killed += floor.books
    floor.line.cut()
    for moment in (1, 2, 5):
        here, there = _SPAWN.Pipe()
        child = _SPAWN.Process(target=_work_for_ever, args=(floor.line.url_of(floor.schema), floor.folder, there))
        child.start()
        assert all(here.recv() for _ in range(moment + 1)), "it is offline"
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)
    with open_ledger(str(floor.folder / "S1.db"), create=False) as journal:
        made_there = [one.hardware_id for one in journal.passed_units(LOT)]
    floor.line.mend()
    floor.station()
    server = floor.server()
    assert [one.hardware_id for one in server.passed_units(LOT)] == made_there and len(made_there) >= 8
    assert server.verify() == () and floor.synced[-1].conflicts == ()
    assert {finding.code for finding in server.doctor()} <= {"LEDGER-UNKNOWN"}


@pytest.mark.parametrize("year", [1970, 2031])
def test_a_clock_that_is_wrong(floor: Floor, year: int) -> None:
    """Nothing is lost by it: what nobody can put in order is set aside, everything else comes over."""
    first = floor.station("S0")
    fail(first, 1, serial="SN1")
    book = floor.station(clock=lambda: datetime(year, 1, 1, tzinfo=UTC))
    fail(first, 2, serial="SN2")  # after the other one took along what there was
    floor.cut(book)
    for number in (1, 2, 3):
        make_pass(book, number, serial=f"SN{number}")
    floor.mend(book)
    server = floor.server()
    assert server.verify() == ()
    assert {one.hardware_id for one in server.passed_units(LOT)} == {"hw-1", "hw-3"}
    (conflict,) = json.loads(json.dumps(floor.told("line.online")[-1].data["conflicts"]))
    assert "it was written here and there, and nobody knows which came last" in conflict["what"]


def test_two_stations_offline_with_one_unit(floor: Floor) -> None:
    one, two = floor.station("S1"), floor.station("S2")
    floor.cut(one)
    floor.cut(two)
    make_pass(one, 1, serial="SN1")
    make_pass(two, 1, serial="SN2")
    make_pass(two, 2, serial="SN3")
    floor.line.mend()
    until(lambda: len(floor.told("line.online")) == 2)
    server = floor.server()
    told = [event for event in floor.told("line.online") if event.data["conflicts"]]
    assert len(told) == 1
    conflict = json.loads(json.dumps(told[0].data["conflicts"]))[0]
    assert "another board: serial SN" in conflict["what"]
    assert {"S1~", "S2~"} <= {part[:3] for side in ("here", "there") for part in conflict[side].split()}
    assert server.trace("b827eb000001").units[0].state == "quarantined"
    assert [one.hardware_id for one in server.passed_units(LOT)] == ["hw-2"]


def test_what_only_the_server_knows_is_refused_by_name(floor: Floor) -> None:
    book = floor.station()
    make_pass(book, 1, serial="SN1")
    book.change_unit("hw-1", UnitState.QUARANTINED, "for the test")
    again = floor.station("S2")  # takes along what is there now
    floor.cut(again)
    with pytest.raises(
        Refused, match=r"the server knows this unit: .*quarantined; it was in slot A of station S1"
    ) as told:
        admit(again, 1, serial="SN1")
    assert told.value.code == NEEDS_SERVER
    floor.mend(again)
    make_pass(again, 2, serial="SN2")
    floor.cut(again)
    with pytest.raises(Refused, match="passed; it was in slot A of station S2"):
        make_pass(again, 2, serial="SN2")  # it is known from the moment of its pass
    with pytest.raises(LedgerError, match="lot L2 was not taken along"):
        again.bind_lot("L2", BINDING)


def test_orders_and_first_articles_are_taken_along(floor: Floor) -> None:
    server = floor.station("S0")
    order(server, 1, 2)
    kind = Kind("a" * 64, "b" * 64, "")
    attempt = admit(server, 9, serial="SN9")
    server.claim_article(kind, attempt.id)
    made.to_proved(server, attempt)
    server.passed(attempt.id, made.receipt(), made.proof())
    book = floor.station()
    floor.cut(book)
    with_row(book, 1)
    with pytest.raises(Refused, match="not on the order"):
        with_row(book, 3)
    mine = admit(book, 4, serial="SN4")
    assert book.claim_article(kind, mine.id) is None
    book.failed(mine.id, "x", "y")
    floor.mend(book)
    assert floor.told("line.online")[-1].data["conflicts"] == []
    assert dict(floor.server().assign(made.facts(1, serial="SN1"), LOT).order) == {"mac": made.mac(1).colons}


def test_pools_are_given_from_what_was_leased(floor: Floor) -> None:
    server = floor.server("S0")
    server.bind_lot(LOT, BINDING)
    test_pools.bring(server, test_pools.run(10, 49))
    book = floor.station()
    book.bind_pools([test_pools.SPEC])
    first = test_pools.give(book, "SN1")
    floor.cut(book)
    given = [test_pools.give(book, f"SN{number}") for number in (2, 3, 4, 5)]
    with pytest.raises(Refused, match="used up"):
        test_pools.give(book, "SN6")
    assert test_pools.give(book, "SN1").value == first.value  # known from before
    # Meanwhile others go on, on the server.
    others = [test_pools.give(server, f"SN{number}") for number in (7, 8, 9)]
    values = [one.value for one in (first, *given, *others)]
    assert len(set(values)) == len(values)
    floor.mend(book)
    assert floor.told("line.online")[-1].data["conflicts"] == []
    assert [test_pools.give(server, f"SN{number}").value for number in (2, 3, 4, 5)] == [one.value for one in given]
    floor.cut(book)
    test_pools.give(book, "SN10")


def test_a_journal_that_cannot_be_put_aside_is_gone_on_with(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    book = floor.station()
    floor.cut(book)
    make_pass(book, 1, serial="SN1")

    def full(_path: Path, _target: Path) -> None:
        raise FileError("no space", hint="Free some.")

    with monkeypatch.context() as disk:
        disk.setattr(local_journal, "move_aside", full)
        floor.line.mend()
        until(lambda: "cannot be synced: no space" in str([one.data for one in floor.told("line.offline")]))
        with book.working():
            make_pass(book, 2, serial="SN2")
    until(lambda: not book.is_offline)
    assert [one.hardware_id for one in floor.server().passed_units(LOT)] == ["hw-1", "hw-2"]
    assert floor.server().verify() == ()


def test_a_short_trouble_is_no_outage(floor: Floor) -> None:
    book = floor.station()
    attempt = admit(book, 1, serial="SN1")
    floor.line.cut()
    floor.line.mend()
    make_pass(book, 2, serial="SN2")
    assert not book.is_offline and not floor.told("line.offline")
    assert book.attempt(attempt.id).state in (AttemptState.ADMITTED, AttemptState.UNKNOWN)


def test_what_cannot_be_opened(floor: Floor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for a ledger on a server"):
        open_station("sqlite:///ledger.db", tmp_path / "j.db", station="S1")
    floor.line.cut()
    with pytest.raises(LedgerError, match="does not answer"):
        open_station(floor.line.url_of(floor.schema), tmp_path / "j.db", station="S1")
    floor.line.mend()
    book = floor.station()
    with pytest.raises(UsageError, match="already running"):
        open_station(floor.line.url_of(floor.schema), floor.folder / "S1.db", station="S1")
    floor.cut(book)
    make_pass(book, 1, serial="SN1")
    floor.kill(book)
    with pytest.raises(UsageError, match="is the journal of station S1"):
        open_station(floor.line.url_of(floor.schema), floor.folder / "S1.db", station="S9")


def test_the_commands(floor: Floor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    bench = floor.folder / "bench.toml"
    url = floor.line.url_of(floor.schema)
    slot = '[[slot]]\nname = "A"\nssh = { host = "192.0.2.1" }\n'
    bench.write_text(f'[station]\nname = "S1"\nledger = "{url}"\noffline = "S1.db"\n{slot}')
    book = floor.station()
    floor.cut(book)
    make_pass(book, 1, serial="SN1")
    floor.kill(book)
    assert main(["ledger", "sync", "--bench", str(bench)]) == Exit.NOT_STARTED
    assert "still away; what waits for it: 1 attempt since" in capsys.readouterr().err
    assert main(["doctor", "--bench", str(bench), "--json"]) in (Exit.DONE, Exit.FAILED)
    codes = {one["code"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert {"ledger.away", "LEDGER-OFFLINE"} <= codes
    floor.line.mend()
    make_pass(floor.server(), 1, serial="SN1")  # the server has it already: both sides are shown
    assert main(["ledger", "sync", "--bench", str(bench)]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "station S1~" in said and "station office" in said and "1 set aside (hw-1)" in said
    assert main(["ledger", "sync", "--bench", str(bench), "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["synced"] is False
