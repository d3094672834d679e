"""The lock that keeps two stations off one unit while its partition is written: it lies in the unit's /tmp, since the
partition itself can hold none. See `flashing.station_lock`.
"""

from __future__ import annotations

from factory.config import UnitSection
from factory.flashing.station_lock import LOCKED, lock, other_station, release_script, still_ours
from factory.units.deadline import Deadline
from factory.units.protocol import Unit


def hold(unit: Unit, section: UnitSection, owner: str, *, deadline: Deadline) -> None:
    """Take the unit for `owner`, who may have it already. Raises OtherStation while another one has it."""
    lock(unit, _home(section), section, owner, deadline=deadline)


def let_go(unit: Unit, section: UnitSection, owner: str, *, deadline: Deadline) -> None:
    """Give the lock back. Raises OtherStation where it is not `owner`'s any more: what was written may be gone."""
    guard = still_ours(_home(section), section, owner)
    within = deadline.within(section.timeouts.command)
    completed = unit.run(f"{guard}\n{release_script(_home(section))}", deadline=within)
    if completed.status == LOCKED:
        raise other_station(unit, completed.stdout)
    completed.require(f"{unit.route}: giving the unit's lock back")


def _home(section: UnitSection) -> str:
    # A folder on the unit; nothing is read from it, and the lock's name has the boot's id in it.
    return "tmp/partition" if section.simulated else "/tmp/partition"  # noqa: S108
