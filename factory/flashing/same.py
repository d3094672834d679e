"""Whether this is still the unit that was read before."""

from __future__ import annotations

from collections.abc import Callable

from factory.config import UnitSection
from factory.flashing.errors import OtherUnit
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Facts

Reread = Callable[[Unit, Deadline], Facts]
"""Reads a unit's facts once more."""


def reader(section: UnitSection) -> Reread:
    """The usual way to read a unit again: all its facts, as at first."""

    def reread(unit: Unit, deadline: Deadline) -> Facts:
        from factory.units.facts import read_facts

        return read_facts(unit, section, deadline=deadline)

    return reread


def missing_interfaces(expected: Facts, now: Facts) -> tuple[str, ...]:
    """Interfaces that were there before and are not there now (after a boot they may come late)."""
    return tuple(name for name in expected.interfaces if name not in now.interfaces)


def same_unit(expected: Facts, now: Facts, *, same_boot: bool) -> None:
    """Raise OtherUnit unless `now` was read from the unit that `expected` was read from.

    Every interface of before must be there with its MAC (new ones are let pass), serial and model must be the same;
    with `same_boot` also the boot id, which betrays a clone that took the unit's place.
    """
    differences = [
        f"{name} was {mac.colons} and is {now.interfaces[name].colons if name in now.interfaces else 'gone'}"
        for name, mac in expected.interfaces.items()
        if now.interfaces.get(name) != mac
    ]
    for what, before, after in (("serial", expected.serial, now.serial), ("model", expected.model, now.model)):
        if before != after:
            differences.append(f"{what} was {before or 'none'} and is {after or 'none'}")
    route = ", ".join(now.routes) or "the unit"
    if differences:
        raise OtherUnit(
            f"{route}: another unit answers: {'; '.join(differences)}",
            hint="Units were swapped. Put both aside; what is on the one that answers now is not known.",
        )
    if same_boot and expected.boot_id and now.boot_id and expected.boot_id != now.boot_id:
        raise OtherUnit(
            f"{route}: the unit was restarted or swapped between two reads (another boot id)",
            hint="Start the attempt again.",
            code="flash.restarted",
        )
