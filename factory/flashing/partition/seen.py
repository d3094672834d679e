"""What a partition holds now, and whether that is what the unit reads: a device alone shows nothing of the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factory.config import UnitSection
from factory.flashing.partition.readback import digest_for, hash_ranges, read_ranges
from factory.flashing.partition.source import Range, source_of_image
from factory.flashing.partition.target import Target, inspect_target
from factory.flashing.proof import what_differs
from factory.images import Image
from factory.images.rooted import parts
from factory.units.deadline import Deadline
from factory.units.protocol import Unit


@dataclass(frozen=True, slots=True)
class Held:
    """`how` is what was compared and `faults` what differs, one clause each. `unseen` says why that does not show that
    the unit reads its identity from there; None where the files were compared in the place that it reads.
    """

    how: tuple[str, ...]
    faults: tuple[str, ...]
    unseen: str | None = None


def compare_held(
    unit: Unit, image: Image, section: UnitSection, path: str, ranges: Sequence[Range], *, root: str | None,
    fresh: bool, deadline: Deadline,
) -> Held:  # fmt: skip
    """Compare the files where the device `path` is mounted, else its `ranges`, with `fresh` from the medium. `root` is
    what the image's top stands for, None for connectd_dir. Raises what `Unit.run` raises.
    """
    target = inspect_target(unit, path, section, deadline=deadline)
    points = tuple(_place(point, section) for point in target.mount_points)
    if points:
        return _compare_files(unit, image, section, path, points, root or section.connectd_dir, deadline)
    held = _compare_ranges(unit, image, section, target, ranges, fresh=fresh, deadline=deadline)
    return Held(*held, unseen=f"{path} is not mounted")


def _place(point: str, section: UnitSection) -> str:
    # The places of a simulated unit are relative to its folder.
    return point.strip("/") or "." if section.simulated else point


def _compare_files(
    unit: Unit, image: Image, section: UnitSection, path: str, points: Sequence[str], top: str, deadline: Deadline
) -> Held:
    """A mounted file system has changed its own blocks: there the files count, best as connectd comes to them."""

    def files_at(place: str) -> Held:
        there = section.model_copy(update={"connectd_dir": place})
        lead = place.rstrip("/")
        how = tuple(f"{lead}/{entry.path}" for entry in image.manifest.files)
        return Held(how, tuple(what_differs(unit, image, there, deadline=deadline)))

    elsewhere = [point for point in points if parts(point) != parts(top)]
    if any(_covers(point, section.connectd_dir) for point in points):
        held = files_at(top)
        if not held.faults or not elsewhere:
            return held
        why = f"{path} is mounted at {elsewhere[0]}, and {top} holds something else: {'; '.join(held.faults)}"
    else:
        why = f"{path} is mounted at {elsewhere[0]}, and connectd reads {section.connectd_dir}"
    held = files_at(elsewhere[0])
    return Held(held.how, held.faults, unseen=why)


def _covers(point: str, folder: str) -> bool:
    above = parts(point)
    return parts(folder)[: len(above)] == above


def _compare_ranges(
    unit: Unit, image: Image, section: UnitSection, target: Target, ranges: Sequence[Range], *, fresh: bool,
    deadline: Deadline,
) -> tuple[tuple[str, ...], tuple[str, ...]]:  # fmt: skip
    if target.kind not in ("block", "mtd", "file"):
        return (), (f"it is {target.kind} now",)
    source, digest = source_of_image(image), digest_for(target)
    within = deadline.within(section.timeouts.flash)
    read = read_ranges(unit, target, ranges, section, fresh=fresh, deadline=within)
    with source.opened() as reading:
        expected = hash_ranges(ranges, source.size, reading, digest.algorithm)
    if read.way is None:
        return (), ("it could only be read from the unit's cache",)
    return (f"{target.path}: {digest.name}, {read.way}",), () if read.found == expected else ("its blocks are others",)
