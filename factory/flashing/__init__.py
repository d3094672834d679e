"""Getting an image onto a unit, and proving that it arrived."""

from factory.flashing.by_files import flash
from factory.flashing.errors import FlashError, NotProved, OtherUnit, PreflightRefused
from factory.flashing.examine import preflight
from factory.flashing.hardware import HardwareRefused, board_of, require_hardware
from factory.flashing.journal import FlashJournal, NullJournal
from factory.flashing.method import Checked, FilesMethod, Method, give_back, method_of
from factory.flashing.mounts import Persistence
from factory.flashing.pending import Owed, RestorePending
from factory.flashing.plan import Destination, Flashable, Preflight
from factory.flashing.proof import prove, what_differs
from factory.flashing.reboot import PowerControl, Reboot, Reconnect
from factory.flashing.same import Reread, same_unit
from factory.flashing.wayback import finish, restore

__all__ = [
    "Checked",
    "Destination",
    "FilesMethod",
    "FlashError",
    "FlashJournal",
    "Flashable",
    "HardwareRefused",
    "Method",
    "NotProved",
    "NullJournal",
    "OtherUnit",
    "Owed",
    "Persistence",
    "PowerControl",
    "Preflight",
    "PreflightRefused",
    "Reboot",
    "Reconnect",
    "Reread",
    "RestorePending",
    "board_of",
    "finish",
    "flash",
    "give_back",
    "method_of",
    "preflight",
    "prove",
    "require_hardware",
    "restore",
    "same_unit",
    "what_differs",
]
