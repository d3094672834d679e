"""Method `partition`: an image streamed into a block device on the unit, and read back from the medium.

What was on the partition before is not kept. From the first byte on it holds no file system, until all that was
written was read back and is right; only then comes the first block (see `plan`). After any failure it is blanked, or
that is owed to the unit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from factory.config import PartitionFlash, UnitSection
from factory.errors import FactoryError
from factory.flashing.digests import Digest
from factory.flashing.errors import FlashError, OtherUnit, PreflightRefused
from factory.flashing.objections import objection
from factory.flashing.partition.blanking import BlankPending, blank_or_owe
from factory.flashing.partition.holding import hold, let_go
from factory.flashing.partition.mtd import ERASE_SECONDS
from factory.flashing.partition.pace import Pace, pace
from factory.flashing.partition.plan import Plan, make_plan
from factory.flashing.partition.readback import NOT_YET, comes_back, digest_for, read_ranges
from factory.flashing.partition.refusals import PLACE, path_finding, target_findings
from factory.flashing.partition.source import Range, Source, source_of_image
from factory.flashing.partition.target import Target, inspect_target
from factory.flashing.partition.writing import write_body, write_late
from factory.flashing.same import Reread, reader, same_unit
from factory.flashing.station_lock import OtherStation, this_process
from factory.images import Image
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Unit
from factory.values import Facts, Receipt


@dataclass(frozen=True, slots=True)
class PartitionPreflight:
    """A unit whose partition may be written: the device, the order of the work, how fast the link is, and how many
    seconds it will take about.
    """

    image: str
    target: Target
    plan: Plan
    pace: Pace
    digest: Digest
    seconds: float

    @property
    def medium(self) -> str:
        """What is written to."""
        return self.target.path

    @property
    def size(self) -> int:
        """Bytes that will be written, zeros too."""
        return self.plan.length

    @property
    def pending(self) -> BlankPending:
        """What is owed to the unit from the moment that flashing begins: commit it before."""
        return BlankPending(self.target.path, self.plan.size, self.image)

    def as_json(self) -> dict[str, object]:
        """The result as canonical JSON values, for the ledger's event."""
        return {
            "target": self.target.as_json(),
            "bytes": self.plan.length,
            "ranges": len(self.plan.ranges),
            "compress": self.pace.compress,
            "link": round(self.pace.rate),
            "estimate_ms": round(self.seconds * 1000),
        }


def partition_bytes(image: Image) -> int:
    """About how many bytes of a partition an image takes. Raises UsageError for an image that is no file system."""
    return sum(length for _, length in source_of_image(image).ranges)


def preflight_partition(
    unit: Unit, image: Image, section: UnitSection, flash: PartitionFlash, *, deadline: Deadline
) -> PartitionPreflight:
    """Look at the unit and its device. Changes nothing.

    Raises PreflightRefused with every reason, UsageError for an image that is no file system, and what `Unit.run`
    raises.
    """
    return preflight_source(unit, source_of_image(image), image.manifest.image, section, flash, deadline=deadline)


def preflight_source(
    unit: Unit, source: Source, image: str, section: UnitSection, flash: PartitionFlash, *, deadline: Deadline,
    target: str | None = None,
) -> PartitionPreflight:  # fmt: skip
    """The same for any source; `image` is its hash, `target` another device than the product's."""
    path = flash.target if target is None else target
    odd = path_finding(path, section)
    if odd is not None:
        raise PreflightRefused(unit.route, (odd,))
    found = inspect_target(unit, path, section, deadline=deadline)
    findings = tuple(target_findings(found, source, section, flash))
    if flash.compress in ("gzip", "zstd"):
        program = {"gzip": "gunzip", "zstd": "zstd"}[flash.compress]
        if program not in found.tools:
            message = f"the unit has no {program} for [flash.partition] compress"
            findings += (objection("flash.tool", "flash.partition.compress", message, 'Use compress = "auto".'),)
    if findings:
        raise PreflightRefused(unit.route, findings)
    assert found.size is not None
    within = deadline.within(section.timeouts.command)
    link = pace(unit, source, found, flash, deadline=within)
    erase = found.mtd.erase if found.mtd else 0
    plan = make_plan(source, found.path, found.size, grain=link.grain, erase=erase)
    seconds, allowed = _estimate(plan, found, link), min(section.timeouts.flash, deadline.left)
    if seconds > allowed:
        message = (
            f"about {seconds:.0f} s at {link.rate / 1000:.1f} kB/s over {unit.route}, "
            f"and the flash may take {allowed:.0f} s"
        )
        if comes_back(found):
            message += "; the unit has no hash program, so all that is written comes back to be compared"
        hint = "Flash over SSH, make the image smaller, or raise [unit.timeouts] flash."
        raise PreflightRefused(unit.route, (objection("flash.too-slow", PLACE, message, hint),))
    return PartitionPreflight(image, found, plan, link, digest_for(found), seconds)


def _estimate(plan: Plan, target: Target, link: Pace) -> float:
    """Seconds that it will take: sending, erasing flash memory, and sending back where the unit cannot hash."""
    erasing = -(-plan.source.size // plan.erase) * ERASE_SECONDS if plan.erase else 0.0
    return link.seconds + erasing + (plan.length / link.rate if comes_back(target) else 0.0)


def flash_partition(
    unit: Unit,
    section: UnitSection,
    *,
    checked: PartitionPreflight,
    facts: Facts,
    deadline: Deadline,
    reread: Reread | None = None,
    progress: Progress | None = None,
    owner: str | None = None,
) -> Receipt:
    """Write the image to the unit that `checked` (its preflight) and `facts` (what was read from it) belong to.

    The unit is read again before and after. On failure the partition is blanked and the error comes through; where
    that cannot be done now, a FlashError with `pending` is raised. OtherUnit: another unit answers; that one is not
    touched any more. OtherStation: another one than `owner` (default: this process) is flashing it; otherwise the unit
    stays locked for `owner` until the partition is blanked, `let_go`, or a restart.
    """
    started = time.monotonic()
    owner = owner or this_process()
    reread = reread or reader(section)
    same_unit(facts, reread(unit, deadline.within(section.timeouts.command)), same_boot=True)
    within = deadline.within(section.timeouts.flash)
    hold(unit, section, owner, deadline=within)
    try:
        _require_same_target(unit, checked, section, within)
        written = write_body(
            unit, checked.plan, checked.target, checked.pace, algorithm=checked.digest.algorithm, deadline=within,
            progress=progress,
        )  # fmt: skip
        ways = [_compare(unit, checked, checked.plan.body, written.body, section, within)]
        again = write_late(unit, checked.plan, checked.target, written, deadline=within)
        ways.append(_compare(unit, checked, checked.plan.late, written.ends, section, within))
        same_unit(facts, reread(unit, deadline.within(section.timeouts.command)), same_boot=True)
        if progress is not None:
            progress(checked.plan.length)
    except OtherStation:
        raise
    except OtherUnit as error:
        error.pending = checked.pending
        raise
    except FactoryError as error:
        if isinstance(error, PreflightRefused):
            let_go(unit, section, owner, deadline=Deadline(section.timeouts.command))
        else:
            blank_or_owe(unit, checked.pending, section, error, owner)
        raise
    way, whole = _way(checked.digest, ways), checked.digest.labelled(written.whole)
    return Receipt(
        image=checked.image,
        method="partition",
        route=unit.route,
        files={},
        bytes_written=checked.plan.length,
        read_back=way,
        seconds=time.monotonic() - started,
        retries=written.retries + again,
        medium=checked.target.path,
        ranges=checked.plan.ranges,
        written=whole,
        found=None if way == NOT_YET else whole,
    )


def _require_same_target(unit: Unit, checked: PartitionPreflight, section: UnitSection, deadline: Deadline) -> None:
    """Somebody may have mounted it since. Raises PreflightRefused: nothing was written."""
    now = inspect_target(unit, checked.target.path, section, deadline=deadline)
    flash = PartitionFlash(target=checked.target.path)
    findings = tuple(target_findings(now, checked.plan.source, section, flash))
    if not findings and (now.size, now.number, now.kind) != (checked.target.size, checked.target.number, now.kind):
        message = f"{checked.target.path} is another device now"
        findings = (objection("flash.unknown-device", PLACE, message, "Start the attempt again."),)
    if findings:
        raise PreflightRefused(unit.route, findings)


def _compare(
    unit: Unit,
    checked: PartitionPreflight,
    ranges: Sequence[Range],
    sent: str,
    section: UnitSection,
    deadline: Deadline,
) -> str | None:
    """Read ranges back; how they were read, None where it may have been from the cache. Raises FlashError when they
    are not what was sent.
    """
    if not ranges:
        return ""
    read = read_ranges(unit, checked.target, ranges, section, fresh=False, deadline=deadline)
    if read.found != sent:
        raise FlashError(
            f"{unit.route}: {checked.target.path} does not hold what was written ({read.way or 'cached read'})",
            hint="Check the unit's storage; the unit must not ship like this.",
            code="flash.read-back",
        )
    return read.way


def _way(digest: Digest, ways: Sequence[str | None]) -> str:
    """How everything was read back, for the receipt."""
    told = [way for way in dict.fromkeys(ways) if way != ""]
    if None in told:
        return NOT_YET
    return f"{digest.name if digest.program else 'hash of what came back'}, {', '.join(map(str, told))}"
