"""When two ledgers speak of one unit: the rules, pure. They are those of admission, asked afterwards.

What both wrote to it has an order only where that is certain: within one station's clock, by what the other ledger
had seen of ours when it began, or by clocks that are far apart. A unit of which nobody knows what was written last is
no unit that passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from factory.ledger.claim import CLOUD_ID, DEVICE_NAME
from factory.ledger.merging.sides import Side
from factory.ledger.records import Attempt
from factory.values import AttemptState, UnitState

CLOCKS_APART = timedelta(hours=1)
"""Clocks of two stations that differ by more than this are wrong (a forgotten zone, a dead battery), not just late."""

SeenBefore = Callable[[Attempt], bool]


def objection(
    here: Side,
    there: Side,
    *,
    known: bool,
    ours: Sequence[Attempt],
    fresh: Sequence[Attempt],
    seen: SeenBefore,
    clocks: bool,
) -> str | None:
    """What speaks against `there` being the unit `here`, and its `fresh` attempts following ours; None for nothing.

    `known` says that both ledgers have a common past of the unit, `ours` are the attempts that only this ledger tells,
    `seen` whether the other ledger knew of one of them when it began to work by itself. Where `clocks` is False nobody
    else's clock is believed: a journal knows by `seen` what came before it.
    """
    if here.marks != there.marks:
        return "only a part of the values is the same"
    if here.serial and there.serial and here.serial != there.serial:
        return f"another board: serial {here.serial} here, {there.serial} there"
    if not known and not (here.serial and there.serial):
        return "no board serial tells whether these are two units or one"
    for kind, word in ((DEVICE_NAME, "name"), (CLOUD_ID, "cloud id")):
        names = here.named(kind), there.named(kind)
        if all(names) and names[0] != names[1]:
            return f"its {word} is {names[0]} here and {names[1]} there"
    return _states(here, there, ours, fresh, lambda one, last: seen(one) or _before(one, last, clocks=clocks))


def state_after(here: Side, there: Side, fresh: Sequence[Attempt]) -> UnitState:
    """What the unit is once the other ledger's attempts follow ours."""
    if any(attempt.state is AttemptState.PASSED for attempt in fresh):
        return there.state
    return here.state


def same_station(one: str, other: str) -> bool:
    """Whether two chains are of one station: what it told by itself while the server was away has a longer name."""
    return one.partition("~")[0] == other.partition("~")[0]


def _states(
    here: Side,
    there: Side,
    ours: Sequence[Attempt],
    fresh: Sequence[Attempt],
    before: Callable[[Attempt, Attempt], bool],
) -> str | None:
    if here.in_work:
        return f"it is in work here and was {fresh[-1].state if fresh else there.state} there"
    written = [attempt for attempt in fresh if attempt.image]
    if not written and there.state in (UnitState.OPEN, here.state):
        return None  # it was looked at and left alone
    if here.state not in (UnitState.OPEN, UnitState.REWORK):
        return f"it is {here.state} here, and {'was written' if written else there.state} there"
    if there.state not in (UnitState.OPEN, UnitState.PASSED, UnitState.REWORK):
        return f"it is {there.state} there, and {here.state} here"
    passed = next((attempt for attempt in reversed(fresh) if attempt.state is AttemptState.PASSED), None)
    if passed is None:
        return None
    for attempt in ours:
        if attempt.image and not before(attempt, passed):
            return "it was written here and there, and nobody knows which came last"
    return None


def _before(ours: Attempt, passed: Attempt, *, clocks: bool) -> bool:
    """Whether an attempt of ours ended before another ledger's pass began, as far as clocks can tell."""
    own = same_station(ours.station, passed.station)
    if not own and not clocks:
        return False
    margin = timedelta(0) if own else CLOCKS_APART
    return (ours.ended or ours.started) + margin <= passed.started
