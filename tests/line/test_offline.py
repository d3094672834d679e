"""A whole line whose server goes away in the middle of a unit, and comes back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from factory.cli.screen import Screen
from factory.config import load_bench, load_product
from factory.identity import KeySource
from factory.ledger import open_ledger
from factory.ledger.open_station import open_station
from factory.line import Key
from tests import cut as cuts
from tests import postgres
from tests.cut import Cut
from tests.line.floor import LOT, SSH, Floor, Running, eventually, plan


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    with postgres.server() as url:
        yield url


class Away(Floor):
    """A floor whose ledger is on a server behind a line that can be cut."""

    line_to_server: Cut
    schema: str
    direct: str

    def open(self) -> None:
        self.product = load_product(self.product_file)
        self.config = load_bench(self.bench_file)
        self.keys = KeySource.open(self.product.identity.key, self.product.folder)
        url = self.line_to_server.url_of(self.schema)
        book, _ = open_station(url, self.folder / "journal.db", station="S1", operator="Kim", first_look=0.1)
        self.ledger = book


@pytest.fixture
def floor(tmp_path: Path, server: URL) -> Iterator[Away]:
    made = Away(tmp_path, [plan(1, SSH), plan(2, SSH)])
    made.schema = secrets.token_hex(8)
    direct = postgres.schema(server, made.schema)
    with cuts.behind(server) as line:
        made.line_to_server = line
        with made:
            made.direct = direct
            yield made


def says(running: Running, text: str) -> bool:
    told = [event for event in running.events if event.kind == "line.offline"]
    return str(told[-1].data["message"]).endswith(text)


def test_a_line_goes_on_and_comes_back(floor: Away) -> None:
    screen = Screen(["slot-01", "slot-02"])
    floor.unit(2).pull()
    with floor.running() as running:
        running.wait("attempt.passed", slot="slot-01")
        floor.unit(2).plug()
        running.line.press("slot-02", Key.HERE)
        running.wait("attempt.step", slot="slot-02", step="preflight")
        floor.line_to_server.cut()
        failed = running.wait("slot.state", slot="slot-02", state="fail")
        assert failed.data["code"] == "ledger.away"
        running.wait("line.offline")
        screen.follow(running.wait("line.offline"))
        assert "OFFLINE since" in screen.offline and screen.offline.endswith("0 units wait for sync")

        running.line.press("slot-02", Key.REMOVED)
        floor.unit(2).pull()
        running.wait("slot.state", slot="slot-02", state="connect", count=2)
        floor.unit(2).plug()
        running.line.press("slot-02", Key.HERE)
        running.wait("slot.state", slot="slot-02", state="pass")
        eventually(lambda: says(running, ", 1 unit waits for sync"))

        floor.line_to_server.mend()
        back = running.wait("line.online")
        screen.follow(back)
        assert (screen.offline, back.data["conflicts"]) == ("", [])
    with open_ledger(floor.direct, station="office", create=False) as book:
        assert book.verify() == () and book.doctor() == ()
        assert len(book.passed_units(LOT)) == 2
        (unit,) = book.trace("SN000002").units
        assert [(one.number, str(one.state), one.station.partition("~")[0]) for one in unit.attempts][-1] == (
            len(unit.attempts),
            "passed",
            "S1",
        )
    assert len(list(floor.folder.glob("journal-synced-*.db"))) == 1
