"""After a restart the unit itself shows that its partition holds what was written, and says who it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from factory.config import PartitionFlash, UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import NotProved, OtherUnit
from factory.flashing.partition.blanking import BlankPending, blank_or_owe, owe
from factory.flashing.partition.holding import hold
from factory.flashing.partition.readback import NOT_YET, digest_for, hash_ranges, read_ranges
from factory.flashing.partition.source import Range, merged, source_of_image
from factory.flashing.partition.target import inspect_target
from factory.flashing.proof import what_differs
from factory.flashing.reboot import PowerControl, Reboot, Reconnect, await_restart, boot_id, send_restart
from factory.flashing.said import compare_show, facts_now
from factory.flashing.same import Reread, reader, same_unit
from factory.flashing.station_lock import OtherStation, this_process
from factory.images import Image
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Facts, Identity, Proof, Receipt


def prove_partition(
    unit: Unit,
    image: Image,
    identity: Identity,
    section: UnitSection,
    flash: PartitionFlash,
    *,
    pending: BlankPending,
    receipt: Receipt,
    reboot: Reboot,
    facts: Facts,
    reconnect: Reconnect,
    deadline: Deadline,
    power: PowerControl | None = None,
    reread: Reread | None = None,
    owner: str | None = None,
) -> tuple[Proof, Unit]:
    """Restart the unit, wait until its boot id has changed, lock it for `owner` again, and compare: the files where the
    partition is mounted now, else its ranges, read from the medium.

    Returns the proof and the unit as it is connected now. Raises NotProved, OtherUnit, or what the routes raise.
    Before that the partition is blanked; where that cannot be done now the error is a FlashError with `pending`.
    """
    started = time.monotonic()
    owner = owner or this_process()
    task = _Task(image, identity, section, flash, facts, receipt, reread or reader(section))
    rebooted = reboot != "none"
    try:
        before = boot_id(unit, section, deadline=deadline)
        task.require_provable(unit, before, rebooted=rebooted)
        if reboot != "none" and before is not None:
            send_restart(unit, section, reboot, before=before, power=power, deadline=deadline)
    except FactoryError as error:
        blank_or_owe(unit, pending, section, error, owner)
        raise
    current, after = unit, before
    if rebooted and before is not None:
        try:
            restarted = await_restart(before, section, reconnect, deadline=deadline)
        except FactoryError as error:
            owe(pending, error, "no connection")
            raise
        current, after = restarted.unit, restarted.boot_id
    try:
        if current is not unit:
            hold(current, section, owner, deadline=deadline)
        compared, connectd = task.compare(current, rebooted=rebooted, deadline=deadline)
    except FactoryError as error:
        _give_up(current, pending, section, error, owner, close=current is not unit)
        raise
    return Proof(reboot, before, after, compared, connectd, current.route, time.monotonic() - started), current


def partition_differs(
    unit: Unit, image: Image, section: UnitSection, flash: PartitionFlash, *, deadline: Deadline
) -> list[str]:
    """What the unit's partition does not hold as the image has it, one clause per fault. Changes nothing; raises what
    `Unit.run` raises.
    """
    ranges = merged(source_of_image(image).ranges, 0, 512)
    return _compare(unit, image, section, flash.target, ranges, fresh=False, deadline=deadline)[1]


@dataclass(frozen=True, slots=True)
class _Task:
    """What a unit is compared with."""

    image: Image
    identity: Identity
    section: UnitSection
    flash: PartitionFlash
    facts: Facts
    receipt: Receipt
    reread: Reread

    def require_provable(self, unit: Unit, before: str | None, *, rebooted: bool) -> None:
        """Raise NotProved where nothing that could be read would prove it."""
        if rebooted and before is None:
            raise NotProved(
                f"{unit.route}: the unit has no boot id, so a restart could not be told from none",
                hint='Mount /proc on the unit, or use prove.reboot = "none".',
                code="prove.no-boot-id",
            )
        if not rebooted and self.receipt.read_back == NOT_YET:
            raise NotProved(
                f"{unit.route}: {self.flash.target} could only be read from the unit's cache, which proves nothing",
                hint='Let the unit restart: prove.reboot = "soft" or "power".',
                code="prove.cached",
            )

    def compare(self, unit: Unit, *, rebooted: bool, deadline: Deadline) -> tuple[tuple[str, ...], bool]:
        """Compare everything; return what was compared, and whether connectd was asked."""
        now = facts_now(unit, self.facts, self.reread, self.section, rebooted=rebooted, deadline=deadline)
        same_unit(self.facts, now, same_boot=not rebooted)
        how, faults = _compare(
            unit, self.image, self.section, self.flash.target, self.receipt.ranges, fresh=rebooted, deadline=deadline
        )
        if faults:
            raise NotProved(
                f"{unit.route}: {self.flash.target} does not hold what was written: {'; '.join(faults)}",
                hint="Does something on the unit write to the partition when it boots? Else check its storage.",
                code="prove.changed" if not rebooted else "prove.forgot",
            )
        compare_show(unit, self.facts.connectd, now.connectd, self.identity)
        compared = [f"mac.{name}" for name in self.facts.interfaces]
        compared += [name for name in ("serial", "model") if getattr(self.facts, name) is not None]
        compared += how
        if now.connectd is not None:
            compared.append("connectd_control show")
        return tuple(compared), now.connectd is not None


def _compare(
    unit: Unit, image: Image, section: UnitSection, path: str, ranges: Sequence[Range], *, fresh: bool,
    deadline: Deadline,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """What was compared, and what differs. A mounted file system has changed its own blocks: there the files count."""
    target = inspect_target(unit, path, section, deadline=deadline)
    if target.mount_points and not section.simulated:
        point = target.mount_points[0]
        faults = what_differs(unit, image, section.model_copy(update={"connectd_dir": point}), deadline=deadline)
        return [f"{point.rstrip('/')}/{entry.path}" for entry in image.manifest.files], faults
    if target.kind not in ("block", "mtd", "file"):
        return [], [f"it is {target.kind} now"]
    source, digest = source_of_image(image), digest_for(target)
    within = deadline.within(section.timeouts.flash)
    read = read_ranges(unit, target, ranges, section, fresh=fresh, deadline=within)
    with source.opened() as reading:
        expected = hash_ranges(ranges, source.size, reading, digest.algorithm)
    if read.way is None:
        return [], ["it could only be read from the unit's cache"]
    return [f"{path}: {digest.name}, {read.way}"], [] if read.found == expected else ["its blocks are others"]


def _give_up(
    unit: Unit, pending: BlankPending, section: UnitSection, error: FactoryError, owner: str, *, close: bool
) -> None:
    """Blank the partition, unless another unit or station has it; end the route where it is ours to end."""
    try:
        if isinstance(error, OtherStation):
            return
        if isinstance(error, OtherUnit):
            error.pending = pending
            return
        blank_or_owe(unit, pending, section, error, owner)
    finally:
        if close:
            unit.close()
