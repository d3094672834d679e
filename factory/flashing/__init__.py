"""Getting an image onto a unit, and proving that it arrived."""

from factory.flashing.errors import FlashError, NotProved, OtherUnit, PreflightRefused
from factory.flashing.flash import flash
from factory.flashing.mounts import Persistence
from factory.flashing.pending import RestorePending
from factory.flashing.plan import Destination, Flashable, Preflight
from factory.flashing.preflight import preflight
from factory.flashing.prove import prove
from factory.flashing.reboot import PowerControl, Reboot, Reconnect
from factory.flashing.restore import finish, restore
from factory.flashing.same import Reread, same_unit

__all__ = [
    "Destination",
    "FlashError",
    "Flashable",
    "NotProved",
    "OtherUnit",
    "Persistence",
    "PowerControl",
    "Preflight",
    "PreflightRefused",
    "Reboot",
    "Reconnect",
    "Reread",
    "RestorePending",
    "finish",
    "flash",
    "preflight",
    "prove",
    "restore",
    "same_unit",
]
