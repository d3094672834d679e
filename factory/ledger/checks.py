"""Is the ledger sound, and what did the line leave behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy import Connection, exists, select
from sqlalchemy.exc import OperationalError

from factory.ledger import (
    agreement,
    cloud_registrations,
    constraints,
    hooks,
    label_agreement,
    label_lookup,
    media,
    pool_states,
    restores,
    sqlite,
    stage_agreement,
)
from factory.ledger.attempts import OPEN_STATES, as_attempt
from factory.ledger.errors import LedgerError
from factory.ledger.journal import broken_links
from factory.ledger.schema import attempts, events, passes, units
from factory.values import AttemptState, CloudState, Finding, Severity, UnitState

_FILE = "LEDGER-FILE"
_SCHEMA = "LEDGER-SCHEMA"
_KEEP = "Stop the line and keep a copy of the ledger's files as they are; go on from the last good copy."
_FINAL = [str(AttemptState.PASSED), str(AttemptState.FAILED), str(AttemptState.REFUSED)]


def verify(connection: Connection) -> tuple[Finding, ...]:
    """What is wrong with the ledger itself: file, references, chains, constraints, states that no event explains."""
    # Pages that make no sense cannot be asked for more.
    try:
        return _verify(connection)
    except OperationalError as error:
        # Our own questions are right: what they name is not there any more, or not as it was.
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
        return (Finding(_FILE, Severity.ERROR, "ledger", f"its schema was changed: {error.orig}", _KEEP),)


def _verify(connection: Connection) -> tuple[Finding, ...]:
    return (
        tuple(_file(connection))
        or tuple(_schema(connection))
        or (
            *_chains(connection),
            *_constraints(connection),
            *_states(connection),
            *_stages(connection),
            *pool_states.faults(connection),
        )
    )


def doctor(connection: Connection) -> tuple[Finding, ...]:
    """Beside that, what a person has to look after: attempts in between, restores and hooks that wait."""
    faults = verify(connection)
    if any(fault.code in (_FILE, _SCHEMA) for fault in faults):
        return faults
    return (*faults, *_in_between(connection), *_restores(connection), *_media(connection), *_hooks(connection),
            *_clouds(connection), *pool_states.findings(connection), *_labels(connection),
            *_stops(connection))  # fmt: skip


def damage(error: LedgerError) -> Finding:
    """The finding for a file that cannot even be read through."""
    return Finding(_FILE, Severity.ERROR, "ledger", error.message, _KEEP)


def _file(connection: Connection) -> Iterator[Finding]:
    for fault in sqlite.quick_check(connection):
        yield Finding(_FILE, Severity.ERROR, "ledger", fault, _KEEP)


def _chains(connection: Connection) -> Iterator[Finding]:
    for station, seq, what in broken_links(connection):
        yield Finding("LEDGER-CHAIN", Severity.ERROR, f"station {station}, event {seq}", what, _KEEP)


def _schema(connection: Connection) -> Iterator[Finding]:
    for place, what in tuple(constraints.lost_columns(connection)) or constraints.wrong_kinds(connection):
        yield Finding(_SCHEMA, Severity.ERROR, place, what, _KEEP)


def _constraints(connection: Connection) -> Iterator[Finding]:
    for place, what in (*constraints.lost_promises(connection), *constraints.broken(connection)):
        yield Finding("LEDGER-CONSTRAINT", Severity.ERROR, place, what, _KEEP)
    for place, what in (*agreement.contradictions(connection), *label_agreement.contradictions(connection)):
        yield Finding("LEDGER-ROW", Severity.ERROR, place, what, _KEEP)


def _states(connection: Connection) -> Iterator[Finding]:
    """A row that says what no event ever said was changed behind the journal's back."""
    told = exists().where(events.c.attempt == attempts.c.id, events.c.kind == "attempt." + attempts.c.state)
    for row in connection.execute(select(attempts).where(~told).order_by(attempts.c.id)):
        place, what = f"attempt {row.id}", f"is {row.state}, and no event says so"
        yield Finding("LEDGER-STATE", Severity.ERROR, place, what, _KEEP)
    ended = exists().where(
        events.c.attempt == attempts.c.id, events.c.kind.in_([f"attempt.{state}" for state in _FINAL])
    )
    reopened = select(attempts).where(attempts.c.state.not_in(_FINAL), ended).order_by(attempts.c.id)
    for row in connection.execute(reopened):
        place, what = f"attempt {row.id}", f"is {row.state}, and an event says that it ended"
        yield Finding("LEDGER-STATE", Severity.ERROR, place, what, _KEEP)
    won = exists().where(passes.c.unit == units.c.id)
    wrong = ((units.c.state == str(UnitState.PASSED)) & ~won) | ((units.c.state == str(UnitState.OPEN)) & won)
    for row in connection.execute(select(units).where(wrong).order_by(units.c.id)):
        what = f"is {row.state}, which its attempts do not say"
        yield Finding("LEDGER-STATE", Severity.ERROR, f"unit {row.id}", what, _KEEP)


def _stages(connection: Connection) -> Iterator[Finding]:
    for number, what in stage_agreement.untold(connection):
        yield Finding("LEDGER-STATE", Severity.ERROR, f"stage result {number}", what, _KEEP)


def _in_between(connection: Connection) -> Iterator[Finding]:
    states = [str(state) for state in (*OPEN_STATES, AttemptState.UNKNOWN)]
    query = select(attempts).where(attempts.c.state.in_(states)).order_by(attempts.c.id)
    for attempt in map(as_attempt, connection.execute(query)):
        unknown = attempt.state is AttemptState.UNKNOWN
        hint = (
            "Connect the unit again: it is read anew before anything is written."
            if unknown
            else f"Either station {attempt.station} works on it now, or it stopped: start its line again."
        )
        code = "LEDGER-UNKNOWN" if unknown else "LEDGER-OPEN"
        what = f"unit {attempt.hardware_id}: {attempt.place()}"
        yield Finding(code, Severity.WARNING, f"attempt {attempt.id}", what, hint)


def _stops(connection: Connection) -> Iterator[Finding]:
    for stop in stage_agreement.standing(connection):
        hint = "Find out why. The line goes on with --accept-failures REASON."
        place = f"lot {stop.lot}"
        yield Finding("LEDGER-STOPPED", Severity.WARNING, place, stop.told().removeprefix(f"{place} "), hint)


def _restores(connection: Connection) -> Iterator[Finding]:
    for restore in restores.pending(connection, None):
        what = f"unit {restore.hardware_id} was left half written in slot {restore.slot} of station {restore.station}"
        hint = "Connect the unit again: its old content is put back first."
        yield Finding("LEDGER-RESTORE", Severity.WARNING, f"attempt {restore.attempt}", what, hint)


def _media(connection: Connection) -> Iterator[Finding]:
    for place, hardware_id, since in media.unfinished(connection):
        what = f"writing {hardware_id} began at {since}, and nothing says how it ended"
        hint = "Either it is written now, or the station stopped: write that medium again before it goes anywhere."
        yield Finding("LEDGER-FLASH", Severity.WARNING, place, what, hint)


def _hooks(connection: Connection) -> Iterator[Finding]:
    for hook in hooks.due(connection, None):
        what = f"unit {hook.hardware_id} passed, hook failed ({hook.tries} tries): {hook.detail}"
        hint = "Mend what the hook needs, then repeat it."
        yield Finding("LEDGER-HOOK", Severity.WARNING, f"attempt {hook.attempt}", what, hint)


def _clouds(connection: Connection) -> Iterator[Finding]:
    for record in cloud_registrations.every(connection):
        if record.state in (CloudState.INTENT, CloudState.UNKNOWN):
            what = (
                f"unit {record.hardware_id}: nobody knows whether the cloud registered it; {record.cause or 'no reply'}"
            )
            hint = "`factory xyte resolve` finds out, deletes the cloud's record, and lets the unit register again."
            yield Finding("CLOUD-UNKNOWN", Severity.WARNING, f"registration {record.token}", what, hint)


def _labels(connection: Connection) -> Iterator[Finding]:
    for label in label_lookup.unsettled(connection):
        hint = "Somebody may hold it: run the unit again or `factory label print`, which voids it, and throw it away."
        yield Finding("LEDGER-LABEL", Severity.WARNING, f"attempt {label.attempt}", label.standing(), hint)
