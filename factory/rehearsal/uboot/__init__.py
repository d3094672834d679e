"""A simulated unit with a boot loader and nothing behind it."""

from factory.rehearsal.uboot.machine import Machine, UbootFault
from factory.rehearsal.uboot.unit import UbootUnit

__all__ = ["Machine", "UbootFault", "UbootUnit"]
