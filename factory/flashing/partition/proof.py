"""After a restart the unit itself shows that its partition holds what was written, and says who it is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from factory.config import PartitionFlash, UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import NotProved, OtherUnit
from factory.flashing.partition.blanking import BlankPending, blank_or_owe, owe
from factory.flashing.partition.holding import hold
from factory.flashing.partition.readback import NOT_YET
from factory.flashing.partition.seen import compare_held
from factory.flashing.partition.source import merged, source_of_image
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
    root: str | None = None,
) -> tuple[Proof, Unit]:
    """Restart the unit, wait until its boot id has changed, lock it for `owner` again, and compare: the files where the
    partition is mounted now, else its ranges, read from the medium. Something must show that connectd reads them: the
    place of the mount, or connectd_control show; or [flash.partition] unseen goes without and the proof says so.
    `root` is what the image's top stands for, None for connectd_dir.

    Returns the proof and the unit as it is connected now. Raises NotProved, OtherUnit, or what the routes raise.
    Before that the partition is blanked; where that cannot be done now the error is a FlashError with `pending`.
    """
    started = time.monotonic()
    owner = owner or this_process()
    task = _Task(image, identity, section, flash, facts, receipt, reread or reader(section), root)
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
        compared, connectd, warnings = task.compare(current, rebooted=rebooted, deadline=deadline)
    except FactoryError as error:
        _give_up(current, pending, section, error, owner, close=current is not unit)
        raise
    seconds = time.monotonic() - started
    return Proof(reboot, before, after, compared, connectd, current.route, seconds, warnings), current


def partition_differs(
    unit: Unit,
    image: Image,
    section: UnitSection,
    flash: PartitionFlash,
    *,
    deadline: Deadline,
    root: str | None = None,
) -> list[str]:
    """What the unit's partition does not hold as the image has it, one clause per fault. `root` is as `prove_partition`
    has it. Changes nothing; raises what `Unit.run` raises.
    """
    ranges = merged(source_of_image(image).ranges, 0, 512)
    held = compare_held(unit, image, section, flash.target, ranges, root=root, fresh=False, deadline=deadline)
    return list(held.faults)


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
    root: str | None

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

    def compare(
        self, unit: Unit, *, rebooted: bool, deadline: Deadline
    ) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
        """Compare everything; return what was compared, whether connectd was asked, and what was not shown."""
        now = facts_now(unit, self.facts, self.reread, self.section, rebooted=rebooted, deadline=deadline)
        same_unit(self.facts, now, same_boot=not rebooted)
        held = compare_held(
            unit, self.image, self.section, self.flash.target, self.receipt.ranges, root=self.root, fresh=rebooted,
            deadline=deadline,
        )  # fmt: skip
        if held.faults:
            raise NotProved(
                f"{unit.route}: {self.flash.target} does not hold what was written: {'; '.join(held.faults)}",
                hint="Does something on the unit write to the partition when it boots? Else check its storage.",
                code="prove.changed" if not rebooted else "prove.forgot",
            )
        compare_show(unit, self.facts.connectd, now.connectd, self.identity)
        said = now.connectd is not None and self.identity.bulk_identification_code is not None
        warnings = () if said or held.unseen is None else self._unseen(unit, held.unseen)
        compared = [f"mac.{name}" for name in self.facts.interfaces]
        compared += [name for name in ("serial", "model") if getattr(self.facts, name) is not None]
        compared += held.how
        if now.connectd is not None:
            compared.append("connectd_control show")
        return tuple(compared), now.connectd is not None, warnings

    def _unseen(self, unit: Unit, why: str) -> tuple[str, ...]:
        """What the proof says where only the device was compared. Raises NotProved where that is not enough."""
        if self.flash.unseen:
            return (f"the unit itself was not asked who it is: {why}",)
        raise NotProved(
            f"{unit.route}: {self.flash.target} holds what was written, and nothing shows that the unit reads it: "
            f"{why}, and no connectd_control show says who it is",
            hint="Let the unit mount it at [image] root (default: connectd_dir) when it boots. If the device alone is "
            "to count: [flash.partition] unseen = true.",
            code="prove.unseen",
        )


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
