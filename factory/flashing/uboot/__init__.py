"""Units with no Linux yet: an image through the boot loader onto a partition, an identity into its environment."""

from factory.flashing.uboot.connect import bootloader_on
from factory.flashing.uboot.identity import set_identity_env
from factory.flashing.uboot.preflight import UbootPlan, payload_of_image, preflight_from_bootloader
from factory.flashing.uboot.write import LoaderFlashError, flash_from_bootloader

__all__ = [
    "LoaderFlashError",
    "UbootPlan",
    "bootloader_on",
    "flash_from_bootloader",
    "payload_of_image",
    "preflight_from_bootloader",
    "set_identity_env",
]
