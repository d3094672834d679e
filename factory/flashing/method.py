"""The one shape that every way onto a running unit has: look, write, prove, let go, or put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from factory.config import BulkRegistration, Product, UnitSection
from factory.errors import UsageError
from factory.flashing.by_files import flash
from factory.flashing.examine import preflight
from factory.flashing.pending import Owed, RestorePending
from factory.flashing.plan import Preflight
from factory.flashing.proof import prove, what_differs
from factory.flashing.reboot import PowerControl, Reboot, Reconnect
from factory.flashing.same import Reread
from factory.flashing.wayback import finish, restore
from factory.images import Image
from factory.images.rooted import seen_from
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Unit
from factory.values import Facts, Identity, Proof, Receipt

_BLANK = "factory.blank/1"


class Checked(Protocol):
    """A unit that may be flashed, as `Method.preflight` found it."""

    @property
    def pending(self) -> Owed:
        """What is owed to the unit from the moment that flashing begins: commit it before."""

    @property
    def medium(self) -> str:
        """What will be written to, as the receipt calls it."""

    def as_json(self) -> dict[str, object]:
        """The result as canonical JSON values, for the ledger."""


class Method(Protocol):
    """One way onto a running unit. What fails raises FactoryError; `flash` and `prove` have then put back what was
    there before, or made sure that the unit holds no identity, unless the error is a FlashError with `pending`.
    """

    @property
    def name(self) -> str:
        """As [flash] method has it, and as receipts do."""

    def size(self, image: Image) -> int:
        """About how many bytes go to the unit, for progress."""

    def preflight(self, unit: Unit, image: Image, *, deadline: Deadline) -> Checked:
        """May this unit be flashed? Raises PreflightRefused with every reason; nothing was written then."""

    def flash(
        self,
        unit: Unit,
        image: Image,
        checked: Checked,
        *,
        facts: Facts,
        deadline: Deadline,
        reread: Reread | None = None,
        progress: Progress | None = None,
    ) -> Receipt:
        """Write the image to the unit that `checked` and `facts` belong to, and read it back."""

    def prove(
        self,
        unit: Unit,
        image: Image,
        identity: Identity,
        *,
        pending: Owed,
        receipt: Receipt,
        reboot: Reboot,
        facts: Facts,
        reconnect: Reconnect,
        deadline: Deadline,
        power: PowerControl | None = None,
        reread: Reread | None = None,
    ) -> tuple[Proof, Unit]:
        """Restart the unit and let it say who it is; returns the unit as it is connected then."""

    def differs(self, unit: Unit, image: Image, *, deadline: Deadline) -> list[str]:
        """What the unit does not hold as the image has it; changes nothing."""

    def finish(self, unit: Unit, pending: Owed, *, deadline: Deadline) -> None:
        """Let go of what was kept for the way back. Call it after the proof."""


class FilesMethod:
    """Method `files`: staged, moved into place, read back; the old files are kept until the proof."""

    name = "files"

    def __init__(self, product: Product, owner: str | None = None) -> None:
        self._section = files_section(product)
        self._root = product.image.root
        self._owner = owner

    def size(self, image: Image) -> int:
        """The bytes of its tar."""
        return len(image.tar)

    def preflight(self, unit: Unit, image: Image, *, deadline: Deadline) -> Preflight:
        """See `flashing.preflight`."""
        return preflight(unit, self._seen(image), self._section, deadline=deadline)

    def flash(
        self,
        unit: Unit,
        image: Image,
        checked: Checked,
        *,
        facts: Facts,
        deadline: Deadline,
        reread: Reread | None = None,
        progress: Progress | None = None,
    ) -> Receipt:
        """See `flashing.flash`."""
        assert isinstance(checked, Preflight)
        return flash(
            unit, self._seen(image), self._section, checked=checked, facts=facts, deadline=deadline, reread=reread,
            progress=progress, owner=self._owner,
        )  # fmt: skip

    def prove(
        self,
        unit: Unit,
        image: Image,
        identity: Identity,
        *,
        pending: Owed,
        receipt: Receipt,  # noqa: ARG002 - the files themselves are compared
        reboot: Reboot,
        facts: Facts,
        reconnect: Reconnect,
        deadline: Deadline,
        power: PowerControl | None = None,
        reread: Reread | None = None,
    ) -> tuple[Proof, Unit]:
        """See `flashing.prove`."""
        assert isinstance(pending, RestorePending)
        return prove(
            unit, self._seen(image), identity, self._section, reboot=reboot, pending=pending, facts=facts,
            reconnect=reconnect, deadline=deadline, power=power, reread=reread, owner=self._owner,
        )  # fmt: skip

    def differs(self, unit: Unit, image: Image, *, deadline: Deadline) -> list[str]:
        """See `flashing.what_differs`."""
        return what_differs(unit, self._seen(image), self._section, deadline=deadline)

    def finish(self, unit: Unit, pending: Owed, *, deadline: Deadline) -> None:
        """See `flashing.finish`."""
        assert isinstance(pending, RestorePending)
        finish(unit, pending, deadline=deadline, section=self._section, owner=self._owner)

    def _seen(self, image: Image) -> Image:
        return seen_from(image, self._root, self._section.connectd_dir)


def files_section(product: Product) -> UnitSection:
    """[unit] with the folder that the files lie below: connectd's own, and for another cloud the image's root."""
    root = product.image.root
    if isinstance(product.registration, BulkRegistration) or root is None:
        return product.unit
    return product.unit.model_copy(update={"connectd_dir": root})


def method_of(product: Product, owner: str | None = None) -> Method:
    """The way onto a running unit that the product names. `owner` is what the lock on the unit calls this station, by a
    name that it has again after a crash. Raises UsageError (`flash.method`) for the ways that do not go through one.
    """
    name = product.flash.method
    if name == "files":
        return FilesMethod(product, owner)
    if name == "partition":
        from factory.flashing.by_partition import PartitionMethod

        return PartitionMethod(product, owner)
    how = "--card NAME" if name == "card" else "--slot NAME"
    raise UsageError(
        f'the line cannot flash by the method "{name}": it works units that run',
        hint=f"Use: factory flash IMAGE {how} --bench FILE --product FILE",
        code="flash.method",
    )


def give_back(
    unit: Unit,
    owed: Owed | Mapping[str, object],
    section: UnitSection,
    *,
    deadline: Deadline,
    owner: str | None = None,
) -> bool:
    """Give to a unit what is owed to it, whichever method owes it; `owed` may be what the ledger kept. `owner` is as
    `method_of` has it.

    True when there was something to do. Raises FlashError (with `pending`) when it could not be done, and what
    `Unit.run` raises.
    """
    from factory.flashing.partition import BlankPending, blank

    kept = owed
    if isinstance(owed, Mapping):
        is_blank = owed.get("schema") == _BLANK
        kept = BlankPending.from_json(owed) if is_blank else RestorePending.from_json(owed)
    if isinstance(kept, BlankPending):
        return blank(unit, kept, section, deadline=deadline, owner=owner)
    if not isinstance(kept, RestorePending):
        raise TypeError(f"nothing is known about {type(kept).__name__}")
    return restore(unit, kept, deadline=deadline)
