"""Where two ledgers contradict each other: both sides are told, and nothing of either is overwritten."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Connection, String, Table, Text, insert, select

from factory.errors import Exit, FactoryError
from factory.ledger.columns import metadata
from factory.ledger.records import as_text
from factory.ledger.store import Writer
from factory.values import canonical, digest

_NAME = String(255).with_variant(Text(), "postgresql")
_SHOWN = 10
_AT_ONCE = 500

# Conflicts that were settled by quarantine: the same merge, done again, does not raise them again.
merge_conflicts = Table(
    "merge_conflicts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", _NAME, nullable=False),
    Column("data", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("station", _NAME, nullable=False),
    Column("operator", _NAME, nullable=False),
    Column("software", _NAME, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One contradiction. `here` is what the ledger says that is merged into, `there` what the other one says. `units`
    are units of this ledger, `sources` units of the other one; with --quarantine all of them are set aside. One that
    is `fatal` stops the merge also then.
    """

    kind: str
    what: str
    here: str
    there: str
    units: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    fatal: bool = False

    @property
    def digest(self) -> str:
        """The same for the same contradiction, whatever became of its units since."""
        return digest([self.kind, self.what, self.there])

    def __str__(self) -> str:
        return f"{self.what}\n    here:  {self.here}\n    there: {self.there}"

    def as_json(self) -> dict[str, object]:
        """The conflict as canonical JSON values."""
        return {"kind": self.kind, "what": self.what, "here": self.here, "there": self.there, "fatal": self.fatal}


class MergeRefused(FactoryError):  # noqa: N818 - reads as what happened
    """Two ledgers contradict each other and nothing was written."""

    code = "ledger.merge-conflict"
    exit_code = Exit.FAILED

    def __init__(self, location: str, conflicts: tuple[Conflict, ...]) -> None:
        lines = "".join(f"\n  {one}" for one in conflicts[:_SHOWN])
        more = f"\n  and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        fatal = any(one.fatal for one in conflicts)
        count = f"{len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''}"
        hint = (
            "A chain that goes on in two ways is no matter of units: one of the two is a copy that was worked on. Find "
            "out which; keep both."
            if fatal
            else "Compare the units and their labels. With --quarantine they are set aside here and all the rest is "
            "taken over; nothing is overwritten."
        )
        super().__init__(f"{location} was not merged, {count}; nothing was written:{lines}{more}", hint=hint)
        self.conflicts = conflicts


def unsettled(connection: Connection, found: tuple[Conflict, ...]) -> tuple[Conflict, ...]:
    """The conflicts that no earlier merge has settled."""
    known: set[str] = set()
    wanted = sorted({one.digest for one in found})
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        known |= set(
            connection.execute(select(merge_conflicts.c.digest).where(merge_conflicts.c.digest.in_(part))).scalars()
        )
    fresh = {one.digest: one for one in found if one.digest not in known}
    return tuple(fresh.values())


def settle(writer: Writer, conflict: Conflict) -> None:
    """Keep that a conflict was settled."""
    row = {"digest": conflict.digest, "kind": conflict.kind, "at": as_text(writer.now)}
    data = canonical(conflict.as_json()).decode("utf-8")
    writer.connection.execute(insert(merge_conflicts).values(**row, data=data, **writer.signature.columns()))
