"""Whose transcripts the files of a station are, how long each has to stay, and that some were removed on purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select

from factory.ledger.journal import append
from factory.ledger.records import as_text
from factory.ledger.schema import attempts, units
from factory.ledger.stage_tables import pruned_transcripts, stage_results
from factory.ledger.store import Writer
from factory.values import AttemptState, Event, UnitState

_CHUNK = 500
_WELL = frozenset({str(UnitState.PASSED), str(UnitState.SHIPPED)})
# A station that worked without its server wrote under its name and a suffix of the outage.
_OUTAGE = "~"


@dataclass(frozen=True, slots=True)
class TranscriptOf:
    """Whose transcript a file is. `well` is False where it may be asked for: the attempt or the stage did not pass, or
    the unit is not as it passed, or failed a stage since.
    """

    name: str
    well: bool


def transcripts_of(connection: Connection, station: str, names: Collection[str]) -> Mapping[str, TranscriptOf]:
    """What the ledger knows of these files of one station; the others are left out."""
    found: dict[str, TranscriptOf] = {}
    for part in _parts(sorted(names)):
        for name, well in (*_attempts(connection, station, part), *_stages(connection, station, part)):
            before = found.get(name)
            found[name] = TranscriptOf(name, well and (before is None or before.well))
    return found


def pruned(writer: Writer, names: Sequence[str], *, size: int, oldest: str, newest: str) -> Event:
    """Tell that files are about to be removed, before they are: `size` in bytes, `oldest` and `newest` as their names
    say. Their names stay where they stand in the ledger.
    """
    station = writer.signature.station
    there = set()
    for part in _parts(names):
        mine = (pruned_transcripts.c.station == station) & pruned_transcripts.c.name.in_(part)
        there |= set(writer.connection.execute(select(pruned_transcripts.c.name).where(mine)).scalars())
    rows = [{"station": station, "name": name, "at": as_text(writer.now)} for name in names if name not in there]
    if rows:
        writer.connection.execute(insert(pruned_transcripts), rows)
    data = {"count": len(names), "bytes": size, "oldest": oldest, "newest": newest}
    return append(writer, "transcripts.pruned", data=data)


def pruned_names(connection: Connection, station: str) -> frozenset[str]:
    """The transcripts of a station that were removed on purpose."""
    mine = select(pruned_transcripts.c.name).where(pruned_transcripts.c.station == station)
    return frozenset(connection.execute(mine).scalars())


def _attempts(connection: Connection, station: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    failed = _failed_a_stage(attempts.c.unit)
    columns = (attempts.c.transcript, attempts.c.station, attempts.c.state, units.c.state.label("unit"))
    query = select(*columns, failed.label("failed")).outerjoin(units, units.c.id == attempts.c.unit)
    return [
        (row.transcript, row.state == str(AttemptState.PASSED) and row.unit in _WELL and not row.failed)
        for row in connection.execute(query.where(attempts.c.transcript.in_(names)))
        if _is_of(station, row.station)
    ]


def _stages(connection: Connection, station: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    mine = stage_results
    failed = _failed_a_stage(mine.c.unit)
    columns = (mine.c.transcript, mine.c.station, mine.c.outcome, units.c.state.label("unit"))
    query = select(*columns, failed.label("failed")).outerjoin(units, units.c.id == mine.c.unit)
    return [
        (row.transcript, row.outcome == "passed" and row.unit in _WELL and not row.failed)
        for row in connection.execute(query.where(mine.c.transcript.in_(names)))
        if _is_of(station, row.station)
    ]


def _failed_a_stage(unit: Column[Any]) -> Any:
    """Whether the newest result of any stage of a unit is a failure; `unit` is a column of the query around it."""
    one: Table = stage_results.alias()  # type: ignore[assignment]
    newest: Table = stage_results.alias()  # type: ignore[assignment]
    last = select(func.max(newest.c.id)).where(newest.c.unit == one.c.unit, newest.c.stage == one.c.stage)
    query = select(one.c.id).where(one.c.unit == unit, one.c.outcome == "failed", one.c.id == last.scalar_subquery())
    return query.correlate(unit.table).exists()


def _is_of(station: str, name: str) -> bool:
    return name == station or name.startswith(station + _OUTAGE)


def _parts(names: Collection[str]) -> list[list[str]]:
    rest = iter(names)
    return list(iter(lambda: list(islice(rest, _CHUNK)), []))
