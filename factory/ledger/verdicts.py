"""What the portal answered: upload rows frozen, refused with a reason, or unknown. All of an answer or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from factory.errors import UsageError
from factory.ledger import lots
from factory.ledger.errors import VerdictsRefused
from factory.ledger.journal import append
from factory.ledger.order_records import FROZEN, Verdict, VerdictsTaken, folded
from factory.ledger.records import as_data, as_text
from factory.ledger.schema import answers, attempts, upload_rows, uploads
from factory.ledger.store import Writer
from factory.values import RowState

_RANK = {
    RowState.EXPORTED: 0,
    RowState.UNKNOWN: 0,
    RowState.UPLOADED: 1,
    RowState.PREREGISTERED: 2,
    RowState.ONLINE: 3,
}
_ACCEPTED = (RowState.UPLOADED, RowState.PREREGISTERED, RowState.ONLINE)
ANSWERS = frozenset({*_ACCEPTED, RowState.REJECTED, RowState.UNKNOWN})
"""The states that an answer may give to a row."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """A unit's upload row: the newest of the lot's, or the one in the upload that was named."""

    id: int
    upload: str
    position: int
    hardware_id: str
    state: RowState
    reason: str
    later: str | None = None


def take(
    writer: Writer, lot: str, verdicts: Sequence[Verdict], *, file: str, sha256: str, upload: str | None
) -> VerdictsTaken:
    """Take an answer over into the rows of a lot, or of one upload. Raises VerdictsRefused naming every row that does
    not fit, UsageError for an unknown lot or upload and for an answer that was taken before.
    """
    lots.find(writer.connection, lot, lock=True)
    _require_new(writer.connection, lot, sha256, upload)
    listed = _rows(writer.connection, lot, upload)
    changes: list[dict[str, Any]] = []
    changed: dict[RowState, list[str]] = {}
    rejected: list[tuple[str, str]] = []
    wrong: list[str] = []
    answered: dict[str, Verdict] = {}
    for verdict in verdicts:
        row = listed.get(folded(verdict.hardware_id))
        trouble = _trouble(verdict, row, answered, upload or f"an upload of lot {lot}")
        if trouble or row is None:
            wrong.append(f"{_place(verdict)}{verdict.hardware_id}: {trouble}")
            continue
        answered[folded(verdict.hardware_id)] = verdict
        state, reason = _next(row, verdict)
        if (state, reason) != (row.state, row.reason):
            changed.setdefault(state, []).append(row.hardware_id)
            changes.append({"row": row.id, "state": str(state), "reason": reason or None})
        if state is RowState.REJECTED:
            rejected.append((row.hardware_id, reason))
    if wrong:
        raise VerdictsRefused(file, tuple(wrong))
    _write(writer, lot, changes, file=file, sha256=sha256, upload=upload)
    silent = _silent(listed, answered)
    counts = {state: len(ids) for state, ids in changed.items()}
    taken = VerdictsTaken(counts, len(answered) - sum(counts.values()), tuple(rejected), silent)
    told = {"lot": lot, "upload": upload, "file": file, "sha256": sha256, **taken.as_json(), "silent": len(silent)}
    told["units"] = {str(state): ids for state, ids in changed.items()}
    about = {file, sha256, *(listed[key].upload for key in answered)}
    append(writer, "upload.verdicts", data=told, about=about)
    return taken


def _require_new(connection: Connection, lot: str, sha256: str, upload: str | None) -> None:
    same = (answers.c.lot == lot) & (answers.c.sha256 == sha256) & (answers.c.upload == (upload or ""))
    row = connection.execute(select(answers).where(same)).first()
    if row is not None:
        raise UsageError(
            f"this answer was taken already, as {row.file} at {row.at}",
            hint="Nothing was changed. If the portal really said the same of another upload, name it: --upload NAME.",
            code="ledger.verdicts-taken",
        )


def _rows(connection: Connection, lot: str, upload: str | None) -> Mapping[str, _Listed]:
    names = list(connection.execute(select(uploads.c.name).where(uploads.c.lot == lot)).scalars())
    if upload is not None and upload not in names:
        there = f"There are: {', '.join(sorted(names)[-20:])}." if names else "Nothing was exported of it yet."
        raise UsageError(f"lot {lot} has no upload {upload}", hint=there, code="ledger.no-upload")
    query = (
        select(upload_rows, attempts.c.identity)
        .join(uploads, uploads.c.name == upload_rows.c.upload)
        .join(attempts, attempts.c.id == upload_rows.c.attempt)
        .where(uploads.c.lot == lot)
        .order_by(upload_rows.c.id)
    )
    newest: dict[str, _Listed] = {}
    of_upload: dict[str, _Listed] = {}
    for row in connection.execute(query):
        one = _listed(row)
        key = folded(one.hardware_id)
        newest[key] = one
        if row.upload == upload:
            of_upload[key] = one
    if upload is None:
        return newest
    return {
        key: one
        if newest[key].id == one.id
        else _Listed(one.id, one.upload, one.position, one.hardware_id, one.state, one.reason, newest[key].upload)
        for key, one in of_upload.items()
    }


def _listed(row: Row[Any]) -> _Listed:
    hardware_id = as_data(row.identity)["hardware_id"]
    return _Listed(row.id, row.upload, row.position, hardware_id, RowState(row.state), row.reason or "")


def _trouble(verdict: Verdict, row: _Listed | None, answered: Mapping[str, Verdict], where: str) -> str | None:
    if verdict.state not in ANSWERS:
        raise ValueError(f"{verdict.state} is no answer of a portal")
    if row is None:
        return f"is not in {where}"
    earlier = answered.get(folded(verdict.hardware_id))
    if earlier is not None and earlier.state is not verdict.state:
        at = f" in row {earlier.row}" if earlier.row is not None else ""
        return f"is {verdict.state} here and {earlier.state}{at}"
    if row.later is not None:
        return f"was exported again since, in {row.later}"
    if verdict.state is RowState.REJECTED and row.state in FROZEN:
        return f"is {row.state} ({row.upload} row {row.position + 1}), which is final, and rejected here"
    return None


def _place(verdict: Verdict) -> str:
    return "" if verdict.row is None else f"row {verdict.row}, "


def _next(row: _Listed, verdict: Verdict) -> tuple[RowState, str]:
    """The state and reason of a row after a verdict. What is known better is not forgotten."""
    if verdict.state is RowState.REJECTED:
        return RowState.REJECTED, verdict.reason or row.reason
    if verdict.state is RowState.UNKNOWN:
        return (RowState.UNKNOWN, "") if row.state is RowState.EXPORTED else (row.state, row.reason)
    if _RANK[verdict.state] > _RANK.get(row.state, 0):
        return verdict.state, ""
    return row.state, row.reason


def _write(
    writer: Writer, lot: str, changes: Sequence[dict[str, Any]], *, file: str, sha256: str, upload: str | None
) -> None:
    now = as_text(writer.now)
    if changes:
        statement = update(upload_rows).where(upload_rows.c.id == bindparam("row"))
        named: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("state", "reason", "changed")}
        rows = [
            {"row": one["row"], "new_state": one["state"], "new_reason": one["reason"], "new_changed": now}
            for one in changes
        ]
        writer.connection.execute(statement.values(**named), rows)
    answer = {"lot": lot, "upload": upload or "", "file": file, "sha256": sha256, "at": now}
    writer.connection.execute(insert(answers).values(**answer, **writer.signature.columns()))


def _silent(listed: Mapping[str, _Listed], answered: Mapping[str, Verdict]) -> tuple[str, ...]:
    """Units that wait for an answer in an upload of which others were answered."""
    heard = {listed[key].upload for key in answered}
    waiting = (RowState.EXPORTED, RowState.UNKNOWN)
    return tuple(
        one.hardware_id
        for key, one in listed.items()
        if key not in answered and one.upload in heard and one.state in waiting
    )
