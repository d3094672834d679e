"""First articles: the first unit of each product, templates and board, which runs alone until it has passed.

What became of it is read from its attempt: a state of its own could say something else after a crash.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Row, Select, Table, Text, insert, select, update

from factory.errors import UsageError
from factory.ledger.attempts import INTERRUPTED, OPEN_STATES
from factory.ledger.carried import taken_along
from factory.ledger.columns import NAME, SHA256, TIME, Number, metadata, signed
from factory.ledger.journal import append
from factory.ledger.records import as_text
from factory.ledger.schema import attempts
from factory.ledger.store import Writer
from factory.values import AttemptState

_CALLED_OFF = frozenset({INTERRUPTED, "line.interrupted"})

# The newest first article of each kind; `accepted` is the reason for going on without its pass.
first_articles = Table(
    "first_articles",
    metadata,
    Column("product_sha256", SHA256, primary_key=True),
    Column("template_sha256", SHA256, primary_key=True),
    Column("board", NAME, primary_key=True),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False),
    Column("accepted", Text),
    Column("at", TIME, nullable=False),
    *signed(),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Units that are made alike: one product file, one set of templates, one board (model and revision as text)."""

    product_sha256: str
    template_sha256: str
    board: str


@dataclass(frozen=True, slots=True)
class Article:
    """A first article as it stands. `attempt` made it, in `slot` of `station`, for `lot`; `cause` is why it failed."""

    kind: Kind
    attempt: int
    lot: str
    station: str
    slot: str
    cause: str


def settled(connection: Connection, kind: Kind) -> bool:
    """Whether the kind's first article has passed, or was accepted without."""
    row = connection.execute(_every().where(*_of(kind))).first()
    if row is None:
        # A journal took along from the server which kinds are settled, without their attempts.
        return taken_along(connection, carried_name(kind)) is not None
    return _settled(row)


def carried_name(kind: Kind) -> str:
    """What a settled kind is called in a station's journal."""
    return f"article:{kind.product_sha256}:{kind.template_sha256}:{kind.board}"


def every_settled(connection: Connection) -> tuple[Kind, ...]:
    """Every kind whose first article is no question any more."""
    return tuple(_kind(row) for row in connection.execute(_every()) if _settled(row))


def claim(writer: Writer, kind: Kind, attempt: int) -> Article | None:
    """The kind's first article: `attempt` itself, which is taken for it where none is at work; or the one at work on
    another attempt. None when it is settled. Call `stopped` before.
    """
    row = writer.connection.execute(_every().where(*_of(kind))).first()
    if row is not None and _settled(row):
        return None
    if row is not None and (row.state in OPEN_STATES or row.attempt == attempt):
        return _article(row)
    values = {"attempt": attempt, "accepted": None, "at": as_text(writer.now), **writer.signature.columns()}
    if row is None:
        writer.connection.execute(insert(first_articles).values(**asdict(kind), **values))
    else:
        writer.connection.execute(update(first_articles).where(*_of(kind)).values(**values))
    before = None if row is None else row.attempt
    append(writer, "article.begun", attempt=attempt, data={**asdict(kind), "before": before})
    return _article(writer.connection.execute(_every().where(*_of(kind))).one())


def stopped(connection: Connection, lot: str, kind: Kind) -> Article | None:
    """The failed first article that stops a unit of this lot and kind: of the lot, or of the same kind in any lot."""
    for row in connection.execute(_every().where(first_articles.c.accepted.is_(None))):
        if _failed(row) and (row.lot == lot or _kind(row) == kind):
            return _article(row)
    return None


def accept(writer: Writer, lot: str, reason: str) -> tuple[Article, ...]:
    """Go on without the pass of this lot's first articles that failed or are at work. Raises UsageError
    (`ledger.no-first-article`) when there is none: a reason that lies in wait would let the next failure through.
    """
    rows = [
        row
        for row in writer.connection.execute(_every().where(first_articles.c.accepted.is_(None)))
        if row.lot == lot and (_failed(row) or row.state in OPEN_STATES)
    ]
    if not rows:
        raise UsageError(
            f"lot {lot} has no first article that failed",
            hint="Start without accepting anything.",
            code="ledger.no-first-article",
        )
    for row in rows:
        writer.connection.execute(update(first_articles).where(*_of(_kind(row))).values(accepted=reason))
        data = {"lot": lot, "board": row.board, "state": row.state, "cause": row.cause, "reason": reason}
        append(writer, "article.accepted", attempt=row.attempt, data=data)
    return tuple(_article(row) for row in rows)


def _every() -> Select[Any]:
    told = (attempts.c.lot, attempts.c.slot, attempts.c.state, attempts.c.code, attempts.c.cause, attempts.c.image)
    columns = (*(column for column in first_articles.c if column.name != "station"), attempts.c.station)
    return select(*columns, *told).join(attempts, attempts.c.id == first_articles.c.attempt)


def _of(kind: Kind) -> tuple[Any, ...]:
    columns = first_articles.c
    return (
        columns.product_sha256 == kind.product_sha256,
        columns.template_sha256 == kind.template_sha256,
        columns.board == kind.board,
    )


def _settled(row: Row[Any]) -> bool:
    return row.accepted is not None or row.state == AttemptState.PASSED


def _failed(row: Row[Any]) -> bool:
    """Whether it says anything against its kind: one that was never written to, or called off, does not; nor does a
    label, which comes after the proof: the next unit is the first article then.
    """
    against = row.code not in _CALLED_OFF and not (row.code or "").startswith("label.")
    return row.state == AttemptState.FAILED and row.image is not None and against


def _kind(row: Row[Any]) -> Kind:
    return Kind(row.product_sha256, row.template_sha256, row.board)


def _article(row: Row[Any]) -> Article:
    return Article(_kind(row), row.attempt, row.lot, row.station, row.slot, row.cause or "")
