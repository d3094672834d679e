"""What the ledger takes in and hands out about pools. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from factory.values.pools import Numbered, PoolKind, PoolSpec, Run


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """A supplier's values in a row, and where they stand in the file ('line 3')."""

    run: Run
    place: str


@dataclass(frozen=True, slots=True)
class PoolFile:
    """A supplier's file by name and hash."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PoolImported:
    """What an import came to: how many values stood in the file, the cells that they make, and how many values are
    left over because they fill no cell.
    """

    values: int
    cells: int
    left_over: int
    ranges: int


@dataclass(frozen=True, slots=True)
class Want:
    """What a unit wants of one pool: `key` says that it is the same unit again; `shows` are the values that it shows
    at its interfaces (at "" for a serial). `writes` says that a value which it does not show yet will be written to it.
    """

    spec: PoolSpec
    key: str
    shows: Mapping[str, Numbered] = field(default_factory=dict)
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """The cell of a unit: the pool's name, its first value as text, and all of them; `fresh` when it was given now.

    `remaining` is how many cells of the pool no unit has, exact below its low water; None where nobody counted.
    """

    pool: str
    kind: PoolKind
    key: str
    values: tuple[str, ...]
    fresh: bool
    remaining: int | None = None

    @property
    def value(self) -> str:
        """The first value, by which the ledger knows the cell."""
        return self.values[0]


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool as it stands, in cells: `given` to units; `burned`; `leased` by station and not given yet; `free` in no
    lease. `per_day` is the present rate, None where too few were given to tell.
    """

    product: str
    name: str
    kind: PoolKind
    count: int
    align: int
    low_water: int
    total: int
    given: int
    burned: int
    leased: Mapping[str, int]
    free: int
    per_day: float | None
    files: tuple[str, ...]
    last_given: datetime | None

    @property
    def remaining(self) -> int:
        """Cells that can still be given, by whichever station."""
        return self.free + sum(self.leased.values())

    @property
    def days_left(self) -> float | None:
        """How long they last at the present rate."""
        return None if not self.per_day else self.remaining / self.per_day

    @property
    def is_low(self) -> bool:
        """Whether it is time to order more."""
        return self.remaining < self.low_water

    def as_json(self) -> dict[str, object]:
        """The pool as plain JSON values."""
        days = self.days_left
        return {
            "product": self.product,
            "pool": self.name,
            "kind": str(self.kind),
            "values_per_unit": self.count,
            "align": self.align,
            "total": self.total,
            "given": self.given,
            "burned": self.burned,
            "leased": dict(sorted(self.leased.items())),
            "free": self.free,
            "remaining": self.remaining,
            "low_water": self.low_water,
            "low": self.is_low,
            "per_day": None if self.per_day is None else round(self.per_day, 2),
            "days_left": None if days is None else round(days, 2),
            "last_given": None if self.last_given is None else self.last_given.isoformat(),
            "files": list(self.files),
        }
