"""Making sure that a unit holds no identity: its partition is no file system any more. Can be cut and run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import FlashError
from factory.flashing.partition.holding import hold, let_go
from factory.flashing.partition.plan import BLOCK, blanked_ranges, cut
from factory.flashing.partition.source import PROBED
from factory.flashing.partition.stream import prelude
from factory.flashing.partition.target import Target, inspect_target, is_target
from factory.flashing.payload import refused
from factory.flashing.station_lock import OtherStation, this_process
from factory.units.deadline import Deadline
from factory.units.protocol import Unit, UnitGone

SCHEMA = "factory.blank/1"
BLANK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BlankPending:
    """A device that must hold no file system unless its unit is proved. `target` is its path on the unit, `size` its
    size in bytes, by which another device is told from it; `image` is the image that was being flashed.
    """

    target: str
    size: int
    image: str

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values, for the ledger."""
        return {"schema": SCHEMA, "target": self.target, "size": self.size, "image": self.image}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> BlankPending:
        """Read what `as_json` gave. Raises FactoryError when it is something else: it names what is overwritten."""
        target, size, image = data.get("target"), data.get("size"), data.get("image")
        if (
            data.get("schema") == SCHEMA
            and isinstance(target, str)
            and (is_target(target, simulated=False) or is_target(target, simulated=True))
            and isinstance(size, int)
            and size > 0
            and isinstance(image, str)
        ):
            return cls(target, size, image)
        raise FactoryError(
            f"the record of a partition to be blanked is not of the form {SCHEMA}",
            hint="The ledger is damaged or newer than this program; run factory doctor.",
            code="flash.pending",
        )


def blank(
    unit: Unit, pending: BlankPending, section: UnitSection, *, deadline: Deadline, owner: str | None = None
) -> bool:
    """Make sure that the partition holds no file system: unmounted, its beginning, the places of superblock copies and
    its end overwritten with zeros, synced, read again. The unit's lock is `owner`'s meanwhile (default: this process),
    and nobody's afterwards.

    True when there was something, False when it was blank already. Raises OtherStation, with nothing done, while
    another one is flashing the unit; FlashError (with `pending`) when the unit could not do it or is another one; and
    what `Unit.run` raises.
    """
    owner = owner or this_process()
    try:
        hold(unit, section, owner, deadline=deadline)
    except OtherStation as error:
        error.pending = pending
        raise
    done = _blank(unit, pending, section, deadline=deadline)
    let_go(unit, section, owner, deadline=deadline)
    return done


def _blank(unit: Unit, pending: BlankPending, section: UnitSection, *, deadline: Deadline) -> bool:
    target = inspect_target(unit, pending.target, section, deadline=deadline)
    kinds = ("file",) if section.simulated else ("block", "mtd")
    named = is_target(pending.target, simulated=section.simulated)
    if not named or target.kind not in kinds or target.size != pending.size:
        raise FlashError(
            f"{unit.route}: {pending.target} is not what was written to: {target.kind} of {target.size} bytes, "
            f"not {pending.size}",
            hint="Is it another unit, or were its partitions changed? Nothing was overwritten.",
            code="flash.blank",
            pending=pending,
        )
    script = _script(target, section)
    done = unit.run(script, deadline=deadline)
    said = done.stdout.split()[-1:]
    if done.status != 0 or said not in ([b"blanked"], [b"nothing"]):
        error = refused(unit, f"{pending.target} could not be blanked", done)
        error.pending = pending
        raise error
    return said == [b"blanked"]


def blank_or_owe(unit: Unit, pending: BlankPending, section: UnitSection, cause: FactoryError, owner: str) -> None:
    """After a failure: blank the partition within 30 s, even when the work was called off.

    Where that cannot be done now, `owe` says so; otherwise this returns and the caller raises `cause`.
    """
    if isinstance(cause, UnitGone):
        owe(pending, cause, "no connection")
    try:
        blank(unit, pending, section, deadline=Deadline(BLANK_SECONDS), owner=owner)
    except FactoryError as error:
        owe(pending, cause, error.message)


def owe(pending: BlankPending, cause: FactoryError, why: str) -> None:
    """Mark that the partition has to be blanked at the next contact: on `cause` itself where it is a FlashError, else
    by raising a FlashError with the same code.
    """
    message = f"{cause.message}; {pending.target} could not be blanked yet ({why})"
    hint = f"{cause.hint} Connect the same unit again: its partition is blanked first.".strip()
    if not isinstance(cause, FlashError):
        raise FlashError(message, hint=hint, code=cause.code, exit_code=cause.exit_code, pending=pending) from cause
    cause.message, cause.hint, cause.pending = message, hint, pending


def _script(target: Target, section: UnitSection) -> str:
    assert target.size is not None
    # Flash memory needs no erasing for this: zeros can be written over anything.
    lines = [prelude(target), "here"]
    # Zeros through the device reach the superblock of a mounted file system too: both use the kernel's same buffers.
    points = () if section.simulated else tuple(map(quote, target.mount_points))
    lines += [f"umount {point} 2>/dev/null || mount -o remount,ro {point} 2>/dev/null" for point in points]
    probed = min(PROBED, target.size)
    lines += [
        f'held() {{ dd if="$T" bs={BLOCK} count={probed // BLOCK} 2>/dev/null | tr -d "\\000" | wc -c; }}',
        'blank() { [ "$(held)" -eq 0 ]; }',
        "if blank; then before=nothing; else before=blanked; fi",
    ]
    for offset, length in blanked_ranges(target.size):
        for order in cut("z", offset, length):
            lines.append(f"w if=/dev/zero bs={order.block} seek={order.seek} count={order.count}")
        if offset == 0:
            lines.append("s")
    lines += ["s", "blank || die 'zeros were written and do not read back'", 'printf "%s\\n" "$before"']
    return "\n".join(lines)
