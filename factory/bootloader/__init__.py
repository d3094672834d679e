"""U-Boot on a serial console: stopped, asked, told, and given images, without trusting the wire."""

from factory.bootloader.autoboot import attach, stop_autoboot
from factory.bootloader.environment import Environment, read_environment, read_variable
from factory.bootloader.facts import read_bootloader_facts
from factory.bootloader.line import BootloaderError, Limit, Line, Supply
from factory.bootloader.load import load
from factory.bootloader.prompt import Answer, Bootloader
from factory.bootloader.setting import EnvironmentProof, set_environment

__all__ = [
    "Answer",
    "Bootloader",
    "BootloaderError",
    "Environment",
    "EnvironmentProof",
    "Limit",
    "Line",
    "Supply",
    "attach",
    "load",
    "read_bootloader_facts",
    "read_environment",
    "read_variable",
    "set_environment",
    "stop_autoboot",
]
