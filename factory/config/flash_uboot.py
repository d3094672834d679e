"""[flash.uboot]: units with no Linux yet, worked from their boot loader's console."""

from __future__ import annotations

from factory.config.fields import Name, Section


class UbootFlash(Section):
    """[flash.uboot]: what the boot loader's console looks like and where images go."""

    prompt: Name = "=> "
