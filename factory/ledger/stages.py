"""Stations in order: whether a unit may do its stage, what it came to, and which stages a lot still waits for.

A result belongs to the pass of one attempt. What counts is the newest result of each stage of the newest pass: who
is flashed again does all stages again, and who fails a stage that it had passed has not passed it any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from factory.errors import UsageError
from factory.ledger import admission, uploads
from factory.ledger import attempts as journal_of_attempts
from factory.ledger.claim import Owner, Verdict, claim_of, judge
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.records import PassedUnit, UploadFile, as_text, as_time
from factory.ledger.refusals import refusal
from factory.ledger.schema import passes, units
from factory.ledger.stage_records import (
    Measurements,
    StagedUnit,
    StagePlace,
    StageResult,
    as_measurements,
)
from factory.ledger.stage_tables import stage_results
from factory.ledger.store import Writer
from factory.values import Event, Facts, Identity, UnitState, canonical

PASSED, FAILED = "passed", "failed"
SKIPPED = "line.skipped-stage"
CHANGED = "line.unit-changed"


def require(connection: Connection, identity: Identity, facts: Facts, place: StagePlace) -> StagedUnit:
    """The unit that was read, if it may do the stage now: every value agrees with one unit of the ledger, that one has
    passed the flash and every stage before this one, and nobody works on it or put it aside.

    Raises Refused: `line.skipped-stage`, `line.other-lot`, and as admission does for clones and units put aside.
    """
    claim = claim_of(identity, facts)
    owners = admission.owners_of(connection, claim)
    # Without serials the addresses decide: here nothing is given away, and asking about every unit helps nobody.
    verdict = judge(claim, owners, same_unit=True)
    if verdict is Verdict.NEW:
        raise _skipped(identity.hardware_id.text, place, place.stages[0], "the ledger does not know it", None)
    owner = owners[0]
    if verdict is Verdict.AGAIN:
        last = owner.last
        why = f"it is in {owner.state}" if owner.state is UnitState.REWORK else f"it {last.state}: {last.cause}"
        raise _skipped(identity.hardware_id.text, place, place.stages[0], f"{why}; {last.place()}", owner)
    if verdict is not Verdict.PASSED:
        raise refusal(claim, owners, verdict)
    passed = _newest_pass(connection, owner)
    if passed.lot != place.lot:
        raise Refused(
            f"unit {passed.hardware_id} belongs to lot {passed.lot}, and this line runs lot {place.lot}",
            hint=f"Put it to the units of its lot, or start the line with --lot {passed.lot}.",
            code="line.other-lot",
            other=owner.last,
        )
    newest = {result.stage: result for result in of_attempt(connection, passed.attempt)}
    for stage in place.before:
        _require_done(stage, newest.get(stage), place, passed, owner)
    before = newest.get(place.stage)
    note = "" if before is None else f"stage {place.stage} was done before: {before.outcome} in {before.place()}"
    record = journal_of_attempts.find(connection, passed.attempt)
    return StagedUnit(record, passed, 1 if before is None else before.number + 1, note)


def keep(
    writer: Writer,
    place: StagePlace,
    unit: StagedUnit | None,
    *,
    failed: tuple[str, str] | None,
    measurements: Measurements,
    told: Mapping[str, object] | None = None,
) -> Event:
    """Write down what a go at a stage came to; `failed` is the code and the cause, `unit` None where none was read.

    Raises Refused (`line.unit-changed`) for a unit that is not any more what it was when its stage began; nothing
    is committed then. A failure is always kept.
    """
    attempt = None if unit is None else unit.record.id
    if unit is not None:
        _hold(writer, unit, must_be_same=failed is None)
    # Counted under the unit's lock: two stations may have it at once.
    number = 0 if unit is None else len(_every(writer.connection, unit.record.id, place.stage)) + 1
    outcome, (code, cause) = (PASSED, (None, None)) if failed is None else (FAILED, failed)
    hardware_id = None if unit is None else unit.passed.hardware_id
    data: dict[str, object] = {
        "stage": place.stage,
        "lot": place.lot,
        "hardware_id": hardware_id,
        "number": number,
        "measurements": [dict(one) for one in measurements],
        "transcript": place.transcript,
        **(told or {}),
    }
    if failed is not None:
        data |= {"code": code, "message": cause}
    event = append(writer, f"stage.{outcome}", slot=place.slot, attempt=attempt, data=data)
    row = {
        "lot": place.lot,
        "stage": place.stage,
        "unit": None if unit is None else unit.record.unit,
        "attempt": attempt,
        "hardware_id": hardware_id,
        "number": number,
        "outcome": outcome,
        "code": code,
        "cause": cause,
        "measurements": canonical([dict(one) for one in measurements]).decode("utf-8"),
        "transcript": place.transcript or None,
        "at": as_text(writer.now),
        "slot": place.slot,
        "seq": event.seq,
    }
    writer.connection.execute(insert(stage_results).values(**row, **writer.signature.columns()))
    return event


def of_attempt(connection: Connection, attempt: int) -> tuple[StageResult, ...]:
    """The results that belong to the pass of an attempt, the oldest first."""
    return tuple(_result(row) for row in connection.execute(_select().where(stage_results.c.attempt == attempt)))


def of_unit(connection: Connection, unit: int) -> tuple[StageResult, ...]:
    """Every result of a unit, the oldest first."""
    return tuple(_result(row) for row in connection.execute(_select().where(stage_results.c.unit == unit)))


def due(connection: Connection, lot: str, stages: Sequence[str], waiting: Collection[PassedUnit]) -> dict[int, str]:
    """Which of these units of a lot still have to do a stage, and the first of them. `stages` are all of the product's,
    the flash first.
    """
    if len(stages) < 2:
        return {}
    newest = select(func.max(stage_results.c.id)).where(stage_results.c.lot == lot)
    newest = newest.group_by(stage_results.c.attempt, stage_results.c.stage)
    columns = (stage_results.c.attempt, stage_results.c.stage)
    query = select(*columns).where(stage_results.c.id.in_(newest), stage_results.c.outcome == PASSED)
    done = {(row.attempt, row.stage) for row in connection.execute(query)}
    missing = {
        unit.unit: next((stage for stage in stages[1:] if (unit.attempt, stage) not in done), None) for unit in waiting
    }
    return {unit: stage for unit, stage in missing.items() if stage is not None}


def export(
    writer: Writer, lot: str, files: Sequence[UploadFile], stages: Sequence[str], folder: str | None = None
) -> Event:
    """Record the files of one export, if each of their units has done every stage. Raises UsageError."""
    if len(stages) > 1:
        wanted = {unit for file in files for unit in file.units}
        passed = [unit for unit in uploads.passed(writer.connection, lot, None) if unit.unit in wanted]
        late = due(writer.connection, lot, stages, passed)
        if late:
            unit = next(unit for unit in passed if unit.unit in late)
            raise UsageError(
                f"nothing was exported: unit {unit.hardware_id} waits for stage {late[unit.unit]}",
                hint="It was there a moment ago. Export again.",
                code="ledger.stage-due",
            )
    return uploads.export(writer, lot, files, folder)


def counts(connection: Connection, lot: str) -> dict[str, dict[str, int]]:
    """By stage, in the order in which the lot came to them: how many units passed it last, and how many failed it."""
    newest = select(func.max(stage_results.c.id)).join(passes, passes.c.attempt == stage_results.c.attempt)
    later = passes.alias()
    flashed_since = select(later.c.id).where(later.c.unit == passes.c.unit, later.c.id > passes.c.id).exists()
    newest = newest.where(stage_results.c.lot == lot, ~flashed_since)
    newest = newest.group_by(stage_results.c.attempt, stage_results.c.stage)
    query = select(stage_results.c.stage, stage_results.c.outcome, func.count()).where(stage_results.c.id.in_(newest))
    first = select(stage_results.c.stage).where(stage_results.c.lot == lot).group_by(stage_results.c.stage)
    begun = connection.execute(first.order_by(func.min(stage_results.c.id))).scalars().all()
    found: dict[str, dict[str, int]] = {}
    for stage, outcome, count in connection.execute(query.group_by(stage_results.c.stage, stage_results.c.outcome)):
        found.setdefault(stage, {})[outcome] = int(count)
    return {stage: dict(sorted(found[stage].items())) for stage in begun if stage in found}


def _require_done(stage: str, last: StageResult | None, place: StagePlace, passed: PassedUnit, owner: Owner) -> None:
    if last is not None and last.outcome == PASSED:
        return
    why = "it never did that one" if last is None else f"it failed there in {last.place()}: {last.cause}"
    raise _skipped(passed.hardware_id, place, stage, why, owner)


def _skipped(hardware_id: str, place: StagePlace, missing: str, why: str, owner: Owner | None) -> Refused:
    first = missing == place.stages[0]
    has = f"has not passed stage {missing}" + (", where it is flashed" if first else "")
    return Refused(
        f"unit {hardware_id} {has}, and stage {place.stage} comes after it: {why}",
        hint=f"Take it to a station of stage {missing}. Nothing was done here.",
        code=SKIPPED,
        other=None if owner is None else owner.last,
    )


def _newest_pass(connection: Connection, owner: Owner) -> PassedUnit:
    newest = select(passes.c.attempt).where(passes.c.unit == owner.unit).order_by(passes.c.id.desc()).limit(1)
    attempt = connection.execute(newest).scalar()
    passed = None if attempt is None else uploads.passed_in(connection, attempt)
    if passed is None:
        raise Refused(
            f"unit {owner.last.hardware_id} is {owner.state}; it was in {owner.last.place()}",
            hint="`factory ledger trace` tells its life.",
            code=f"ledger.{owner.state}",
            other=owner.last,
        )
    return passed


def _hold(writer: Writer, unit: StagedUnit, *, must_be_same: bool) -> None:
    """Lock the unit until the commit; raise Refused where it is not any more what it was."""
    record = unit.record
    writer.connection.execute(select(units.c.id).where(units.c.id == record.unit).with_for_update())
    if must_be_same and uploads.passed_in(writer.connection, record.id) is None:
        raise Refused(
            f"unit {unit.passed.hardware_id} was put aside, sent to rework or flashed while it was looked at here",
            hint="`factory ledger trace` tells what happened. The result of this station was not kept.",
            code=CHANGED,
            other=record,
        )


def _every(connection: Connection, attempt: int, stage: str) -> Sequence[int]:
    mine = (stage_results.c.attempt == attempt) & (stage_results.c.stage == stage)
    return connection.execute(select(stage_results.c.id).where(mine)).scalars().all()


def _select() -> Select[Any]:
    return select(stage_results).order_by(stage_results.c.id)


def _result(row: Row[Any]) -> StageResult:
    return StageResult(
        row.id,
        row.lot,
        row.stage,
        row.unit,
        row.attempt,
        row.hardware_id,
        row.number,
        row.outcome,
        row.code,
        row.cause,
        as_measurements(row.measurements),
        row.transcript,
        as_time(row.at),
        row.station,
        row.operator,
        row.software,
        row.slot,
    )
