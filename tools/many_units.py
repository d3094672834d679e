"""A ledger with very many passed units, for measuring: every constraint, every reference and the chain hold.

Each unit is a copy of one that was really made, under its own values, in lots of a thousand. Rows go in by the bulk: a
million units are 18 million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, func, select

from factory.ledger import Ledger
from factory.ledger.journal import GENESIS, _hash
from factory.ledger.schema import attempts, events, identity_values, lots, passes, sightings, stations, units

LOT_SIZE = 1000
STATION = "filled"
_PART = 5000
_ORDER = (lots, units, identity_values, attempts, sightings, passes, events)
_MODEL = 0xFFFFFF


def lot_of(number: int) -> str:
    """The lot of a filled unit."""
    return f"lot-{number // LOT_SIZE:06d}"


def fill(
    ledger: Ledger, make: Callable[[Ledger, int], object], first: int, count: int, *, told: Callable[[int], None]
) -> None:
    """Add units `first` to `first + count - 1`, whole lots of them, to a ledger that holds those below already. `make`
    makes one unit in the usual way; `told` hears how many there are.
    """
    if first == 0:
        make(ledger, _MODEL)
    store = ledger._store
    with store.reading() as connection:
        model = _Model(connection, first)
        head = connection.execute(select(stations).where(stations.c.name == STATION)).first()
    seq, before = (head.seq, head.hash) if head else (0, GENESIS)
    for start in range(first, first + count, _PART):
        span = range(start, min(start + _PART, first + count))
        rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in _ORDER}
        rows[lots] = [model.lot(number) for number in span if number % LOT_SIZE == 0]
        for number in span:
            for table, row in model.rows(number):
                rows[table].append(row)
            for row in model.events(number, seq, before):
                rows[events].append(row)
                seq, before = row[model.seq], row[model.hash]
        with store.writing() as writer:
            for table in _ORDER:
                _load(writer.connection, table, rows[table])
            _move_head(writer.connection, seq, before, model.at)
        told(span.stop)
    if store.database.engine.dialect.name == "postgresql":
        with store.writing() as writer:
            for table in (units, attempts, passes):
                _go_on_counting(writer.connection, table)
    with store.writing() as writer:
        # What a server does by itself after a minute; a file is asked by its indexes alone.
        if store.database.engine.dialect.name == "postgresql":
            writer.connection.exec_driver_sql("ANALYZE")


class _Model:
    """The unit that is copied."""

    def __init__(self, connection: Connection, first: int) -> None:
        mine = f"b827eb{_MODEL:06x}"
        found = select(attempts).where(attempts.c.hardware_id == mine)
        self._attempt = dict(connection.execute(found.order_by(attempts.c.id).limit(1)).mappings().one())
        unit = select(units).where(units.c.id == self._attempt["unit"])
        self._unit = dict(connection.execute(unit).mappings().one())
        self._lot = dict(connection.execute(select(lots).where(lots.c.name == self._attempt["lot"])).mappings().one())
        self._values = [tuple(row) for row in connection.execute(_of(identity_values, "unit", self._unit["id"]))]
        self._seen = [tuple(row) for row in connection.execute(_of(sightings, "attempt", self._attempt["id"]))]
        self._passed = dict(connection.execute(_of(passes, "attempt", self._attempt["id"])).mappings().one())
        told = _of(events, "attempt", self._attempt["id"]).order_by(events.c.seq)
        self._events = [dict(row) for row in connection.execute(told).mappings()]
        self.at = self._unit["first_seen"]
        names = list(events.c.keys())
        self.seq, self.hash = names.index("seq"), names.index("hash")
        # One number for a unit, its attempt and its pass, above all that there are.
        highest = [connection.execute(select(func.max(table.c.id))).scalar_one() for table in (units, attempts, passes)]
        self._base = max(highest) + 1 - first

    def lot(self, number: int) -> tuple[Any, ...]:
        return tuple((self._lot | {"name": lot_of(number)}).values())

    def rows(self, number: int) -> Iterator[tuple[Table, tuple[Any, ...]]]:
        """Everything but the events."""
        key, lot = self._base + number, lot_of(number)
        yield units, tuple(self._named(self._unit | {"id": key}, number).values())
        attempt = self._attempt | {"id": key, "unit": key, "lot": lot, "station": STATION}
        yield attempts, tuple(self._named(attempt, number).values())
        yield passes, tuple((self._passed | {"id": key, "unit": key, "attempt": key, "lot": lot}).values())
        unit, mine = list(identity_values.c.keys()).index("unit"), list(sightings.c.keys()).index("attempt")
        for row in self._values:
            yield identity_values, self._line(row, number, unit, key)
        for row in self._seen:
            yield sightings, self._line(row, number, mine, key)

    def events(self, number: int, seq: int, before: str) -> Iterator[tuple[Any, ...]]:
        """The unit's events, which follow what the chain has so far."""
        for model in self._events:
            seq += 1
            row = model | {"station": STATION, "seq": seq, "attempt": self._base + number, "prev": before}
            row["data"] = self._text(str(model["data"]), number)
            row["hash"] = before = _hash(row, row["data"].encode("utf-8"))
            yield tuple(row.values())

    def _line(self, row: tuple[Any, ...], number: int, place: int, key: int) -> tuple[Any, ...]:
        return tuple(
            key if index == place else self._text(value, number) if isinstance(value, str) else value
            for index, value in enumerate(row)
        )

    def _named(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        mine = ("serial", "hardware_id", "identity")
        return {name: self._text(value, number) if name in mine else value for name, value in row.items()}

    def _text(self, text: str, number: int) -> str:
        """A text of the model's as it is of this unit."""
        short, colons = f"{number:06x}", f"{number:06x}"
        pairs = ":".join(colons[at : at + 2] for at in (0, 2, 4))
        text = text.replace("b827ebffffff", f"b827eb{short}").replace("b8:27:eb:ff:ff:ff", f"b8:27:eb:{pairs}")
        text = text.replace(f"SN{_MODEL}", f"SN{number}").replace(f"sn{_MODEL}", f"sn{number}")
        text = text.replace(f'"lot":"{self._lot["name"]}"', f'"lot":"{lot_of(number)}"')
        return text.replace(f'"unit":{self._unit["id"]},', f'"unit":{self._base + number},')


def _of(table: Table, column: str, value: object) -> Any:
    return select(table).where(table.c[column] == value)


def _load(connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(table.c.keys())
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.c))
        driver.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _move_head(connection: Connection, seq: int, last: str, at: str) -> None:
    values = {"name": STATION, "seq": seq, "hash": last, "at": at}
    connection.execute(stations.delete().where(stations.c.name == STATION))
    connection.execute(stations.insert(), values)


def _go_on_counting(connection: Connection, table: Table) -> None:
    highest = connection.execute(select(func.max(table.c.id))).scalar_one()
    connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), highest)))
