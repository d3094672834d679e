"""Method `files`: the image's files staged on the unit, moved into place, and read back."""

from __future__ import annotations

import time
from dataclasses import replace

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import FlashError, OtherUnit
from factory.flashing.examine import preflight
from factory.flashing.moves import BAD_CONTENT, move_script
from factory.flashing.payload import refused, stage
from factory.flashing.plan import PACKAGE_FILES, Flashable, Preflight
from factory.flashing.same import Reread, reader, same_unit
from factory.flashing.saving import save
from factory.flashing.station_lock import (
    LOCKED,
    OtherStation,
    lock,
    lock_script,
    other_station,
    still_ours,
    this_process,
)
from factory.flashing.verify import compare_staged, read_back
from factory.flashing.wayback import put_back, restore
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Unit
from factory.values import Facts, Receipt


def flash(
    unit: Unit,
    image: Flashable,
    section: UnitSection,
    *,
    checked: Preflight,
    facts: Facts,
    deadline: Deadline,
    reread: Reread | None = None,
    progress: Progress | None = None,
    owner: str | None = None,
) -> Receipt:
    """Put the image on the unit that `checked` (its preflight) and `facts` (what was read from it) belong to.

    The unit is read again before and after. Cut at any step it holds the old files, the new ones, or cannot register.
    The old content is kept on the unit until `finish`. On failure it is put back and the error comes through; where
    that cannot be done now, a FlashError with `pending` is raised. OtherUnit: another unit answers; that one is not
    touched any more. OtherStation: another one than `owner` (default: this process) is flashing it.
    """
    owner = owner or this_process()
    started = time.monotonic()
    reread = reread or reader(section)
    same_unit(facts, reread(unit, deadline.within(section.timeouts.command)), same_boot=True)
    try:
        if checked.interrupted:
            lock(unit, checked.stagings[0].path, section, owner, deadline=deadline)
            restore(unit, checked.pending, deadline=deadline.within(section.timeouts.flash))
            checked = preflight(unit, image, section, deadline=deadline)
        locking = lock_script(checked.stagings[0].path, section, owner)
        staged = stage(unit, image, checked, section, locking=locking, deadline=deadline, progress=progress)
        _move(unit, image, checked, section, owner, deadline)
        way = read_back(unit, image, checked, section, deadline=deadline)
        saved = save(unit, image, section, deadline=deadline) if checked.saving else None
        same_unit(facts, reread(unit, deadline.within(section.timeouts.command)), same_boot=True)
    except OtherStation:
        raise
    except OtherUnit as error:
        error.pending = checked.pending
        raise
    except FactoryError as error:
        put_back(unit, checked.pending, error)
        raise
    receipt = _receipt(unit, image, checked, way, time.monotonic() - started, staged.retries)
    return replace(receipt, saved=saved)


def _move(unit: Unit, image: Flashable, plan: Preflight, section: UnitSection, owner: str, deadline: Deadline) -> None:
    within = deadline.within(section.timeouts.flash)
    digests: dict[int, str] = {}
    if plan.digest is None:
        compare_staged(unit, image, plan, deadline=within)
    else:
        digests = {index: plan.digest.of(image.contents[plan.destinations[index].entry.path]) for index in plan.files}
    completed = unit.run(move_script(plan, digests, still_ours(plan.stagings[0].path, section, owner)), deadline=within)
    if completed.status == LOCKED:
        raise other_station(unit, completed.stdout)
    if completed.status == BAD_CONTENT:
        said = completed.stdout.decode("ascii", "backslashreplace").strip().removeprefix("bad ")
        raise FlashError(
            f"{unit.route}: {said} did not arrive as it was sent",
            hint="Nothing was changed. Try again; if it stays, check cable and storage.",
            code="flash.damaged",
        )
    if completed.status != 0:
        raise refused(unit, "the new files could not be moved into place", completed)


def _receipt(unit: Unit, image: Flashable, plan: Preflight, way: str, seconds: float, retries: int) -> Receipt:
    kept = {
        one.entry.path: plan.digest.labelled(one.before.digest)
        for one in plan.destinations
        if one.entry.path in PACKAGE_FILES and one.before.digest and plan.digest
    }
    return Receipt(
        image=image.manifest.image,
        method="files",
        route=unit.route,
        files={entry.path: entry.sha256 for entry in image.manifest.files if entry.sha256 is not None},
        bytes_written=sum(entry.size for entry in image.manifest.files),
        read_back=way,
        seconds=seconds,
        retries=retries,
        kept=kept,
        medium=plan.folder,
    )
