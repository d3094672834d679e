"""After a restart the unit itself says who it is: files, modes, folders, addresses, and connectd's own words."""

from __future__ import annotations

import time
from dataclasses import dataclass

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.flashing.digests import best_digest
from factory.flashing.errors import NotProved, OtherUnit
from factory.flashing.look import look
from factory.flashing.pending import RestorePending
from factory.flashing.plan import Flashable
from factory.flashing.reboot import PowerControl, Reboot, Reconnect, await_restart, boot_id, send_restart
from factory.flashing.said import compare_show, facts_now
from factory.flashing.same import Reread, reader, same_unit
from factory.flashing.station_lock import OtherStation, lock
from factory.flashing.verify import compare_contents, differences
from factory.flashing.wayback import owe, put_back
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Facts, Identity, Proof


def prove(
    unit: Unit,
    image: Flashable,
    identity: Identity,
    section: UnitSection,
    *,
    reboot: Reboot,
    pending: RestorePending,
    facts: Facts,
    reconnect: Reconnect,
    deadline: Deadline,
    power: PowerControl | None = None,
    reread: Reread | None = None,
    owner: str | None = None,
) -> tuple[Proof, Unit]:
    """Restart the unit, wait until its boot id has changed, lock it for `owner` again, and compare everything.

    Returns the proof and the unit as it is connected now (the same one for `none`; else the old one is closed).
    Raises NotProved, OtherUnit, or what the routes raise. Before that the old content is put back; where that cannot
    be done now the error is a FlashError with `pending`.
    """
    started = time.monotonic()
    task = _Task(image, identity, section, facts, reread or reader(section))
    try:
        before = boot_id(unit, section, deadline=deadline)
        _require_boot_id(unit, before, reboot)
        if reboot != "none" and before is not None:
            send_restart(unit, section, reboot, before=before, power=power, deadline=deadline)
    except FactoryError as error:
        put_back(unit, pending, error)
        raise
    current, after = unit, before
    if reboot != "none" and before is not None:
        try:
            restarted = await_restart(before, section, reconnect, deadline=deadline)
        except FactoryError as error:
            owe(pending, error, "no connection")
            raise
        current, after = restarted.unit, restarted.boot_id
    try:
        if owner is not None and current is not unit:
            lock(current, pending.staging[0], section, owner, deadline=deadline)
        compared, connectd = task.compare(current, rebooted=reboot != "none", deadline=deadline)
    except FactoryError as error:
        _give_up(current, pending, error, close=current is not unit)
        raise
    proof = Proof(reboot, before, after, compared, connectd, current.route, time.monotonic() - started)
    return proof, current


def what_differs(unit: Unit, image: Flashable, section: UnitSection, *, deadline: Deadline) -> list[str]:
    """What the unit does not hold as the image has it, one clause per fault; empty when it holds it all.

    Changes nothing on the unit. Raises what `Unit.run` raises.
    """
    top = section.connectd_dir.rstrip("/")
    paths = [f"{top}/{entry.path}" for entry in image.manifest.files]
    digest = best_digest(unit.tools)
    within = deadline.within(section.timeouts.command)
    looked = look(unit, paths, digest=digest, hashed=frozenset(paths), deadline=within)
    faults = list(differences(image, digest, looked))
    if digest is None and not faults:
        files = list(zip(image.manifest.files, paths, strict=True))
        faults = compare_contents(unit, image, files, deadline=deadline)
    return faults


@dataclass(frozen=True, slots=True)
class _Task:
    """What a unit is compared with."""

    image: Flashable
    identity: Identity
    section: UnitSection
    facts: Facts
    reread: Reread

    def compare(self, unit: Unit, *, rebooted: bool, deadline: Deadline) -> tuple[tuple[str, ...], bool]:
        """Compare everything; return what was compared, and whether connectd was asked."""
        now = facts_now(unit, self.facts, self.reread, self.section, rebooted=rebooted, deadline=deadline)
        same_unit(self.facts, now, same_boot=not rebooted)
        self._compare_files(unit, rebooted=rebooted, deadline=deadline)
        compare_show(unit, self.facts.connectd, now.connectd, self.identity)
        compared = [f"mac.{name}" for name in self.facts.interfaces]
        compared += [name for name in ("serial", "model") if getattr(self.facts, name) is not None]
        compared += [entry.path + ("/" if entry.is_folder else "") for entry in self.image.manifest.files]
        if now.connectd is not None:
            compared.append("connectd_control show")
        return tuple(compared), now.connectd is not None

    def _compare_files(self, unit: Unit, *, rebooted: bool, deadline: Deadline) -> None:
        faults = what_differs(unit, self.image, self.section, deadline=deadline)
        if faults:
            raise _changed(unit, faults, rebooted=rebooted, saved=self.section.persistence == "save-config")


def _require_boot_id(unit: Unit, before: str | None, reboot: Reboot) -> None:
    if before is None and reboot != "none":
        raise NotProved(
            f"{unit.route}: the unit has no boot id, so a restart could not be told from none",
            hint='Mount /proc on the unit, or use prove.reboot = "none".',
            code="prove.no-boot-id",
        )


def _changed(unit: Unit, faults: list[str], *, rebooted: bool, saved: bool) -> NotProved:
    said = "; ".join(faults)
    if not rebooted:
        return NotProved(f"{unit.route}: the unit does not hold what was written: {said}", code="prove.changed")
    if any("is not empty" in fault for fault in faults):
        return NotProved(
            f"{unit.route}: after the reboot {said}",
            hint="connectd registered the unit on the bench. Keep units off the internet until they are proved.",
            code="prove.registered",
        )
    if saved:
        return NotProved(
            f"{unit.route}: connectd_save_config ended well, and after the reboot not everything is back: {said}",
            hint="It does nothing, or what it saved is not restored before the login: see docs/persistence.md.",
            code="prove.not-saved",
        )
    return NotProved(
        f"{unit.route}: the unit forgot what was written when it rebooted: {said}",
        hint="The place is volatile or is restored from elsewhere at boot: make connectd_dir persistent.",
        code="prove.forgot",
    )


def _give_up(unit: Unit, pending: RestorePending, error: FactoryError, *, close: bool) -> None:
    """Put the old content back, unless another unit answers; end the route where it is ours to end."""
    try:
        if isinstance(error, OtherStation):
            return
        if isinstance(error, OtherUnit):
            error.pending = pending
            return
        put_back(unit, pending, error)
    finally:
        if close:
            unit.close()
