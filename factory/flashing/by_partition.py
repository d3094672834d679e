"""Method `partition`: a file system streamed into a device of the unit. What stood there before is not kept: from the
first byte until it was read back the unit holds no identity.
"""

from __future__ import annotations

from factory.config import Product
from factory.errors import UsageError
from factory.flashing.method import Checked, files_section
from factory.flashing.partition import (
    BlankPending,
    PartitionPreflight,
    flash_partition,
    let_go,
    partition_bytes,
    partition_differs,
    preflight_partition,
    prove_partition,
)
from factory.flashing.pending import Owed
from factory.flashing.reboot import PowerControl, Reboot, Reconnect
from factory.flashing.same import Reread
from factory.flashing.station_lock import this_process
from factory.images import Image
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Unit
from factory.values import Facts, Identity, Proof, Receipt


class PartitionMethod:
    """Implements `Method`; see `factory.flashing.partition` for each part."""

    name = "partition"

    def __init__(self, product: Product, owner: str | None = None) -> None:
        """`owner` is what the lock on the unit calls this station. Raises UsageError (`flash.format`) for a product
        whose images are no file systems.
        """
        section = product.flash.partition
        assert section is not None  # FlashSection sees to it
        form = product.image.format
        if form not in ("ext4", "squashfs"):
            raise UsageError(
                f'a partition takes a file system, and the images of {product.product.name} are "{form}"',
                hint='Set [image] format = "ext4" or "squashfs".',
                code="flash.format",
            )
        self._section = product.unit
        self._root = product.image.root
        # Where the unit reads what was written: connectd's folder, or for another cloud the image's own place.
        self._reading = files_section(product)
        self._flash = section
        self._owner = owner or this_process()

    def size(self, image: Image) -> int:
        """The bytes that are written, zeros included."""
        return partition_bytes(image)

    def preflight(self, unit: Unit, image: Image, *, deadline: Deadline) -> PartitionPreflight:
        """See whether the target is a device that may be written, and large enough."""
        return preflight_partition(unit, image, self._section, self._flash, deadline=deadline)

    def flash(
        self,
        unit: Unit,
        image: Image,  # noqa: ARG002 - what was looked at is what is written
        checked: Checked,
        *,
        facts: Facts,
        deadline: Deadline,
        reread: Reread | None = None,
        progress: Progress | None = None,
    ) -> Receipt:
        """Blank the target, write it, read it back from the medium, and write its head when it is right."""
        assert isinstance(checked, PartitionPreflight)
        return flash_partition(
            unit, self._section, checked=checked, facts=facts, deadline=deadline, reread=reread,
            progress=progress, owner=self._owner,
        )  # fmt: skip

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
        """Restart the unit and compare the mounted files, or the device's ranges where it is not mounted; see that
        the unit reads them.
        """
        assert isinstance(pending, BlankPending)
        return prove_partition(
            unit, image, identity, self._reading, self._flash, pending=pending, receipt=receipt, reboot=reboot,
            facts=facts, reconnect=reconnect, deadline=deadline, power=power, reread=reread, owner=self._owner,
            root=self._root,
        )  # fmt: skip

    def differs(self, unit: Unit, image: Image, *, deadline: Deadline) -> list[str]:
        """What the device does not hold as the image has it."""
        return partition_differs(unit, image, self._reading, self._flash, deadline=deadline, root=self._root)

    def finish(self, unit: Unit, pending: Owed, *, deadline: Deadline) -> None:  # noqa: ARG002 - see below
        """Nothing was kept; the unit's lock is given back."""
        let_go(unit, self._section, self._owner, deadline=deadline)
