"""[flash.uboot]: units with no Linux yet, worked from their boot loader's console."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from factory.config.fields import Name, Section

_VARIABLE = re.compile(r"[A-Za-z0-9_.#-]{1,64}")
SERIAL = "serial"


def _printable(text: str) -> str:
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII, as the console shows it")
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("is no name of an environment variable")
    return text


Prompt = Annotated[str, AfterValidator(_printable)]
Variable = Annotated[Name, AfterValidator(_variable)]
Address = Annotated[int, Field(ge=0, lt=2**48)]
Blocks = Annotated[int, Field(ge=0, lt=2**32)]


class UbootFlash(Section):
    """[flash.uboot]: what the boot loader's console looks like and where images go. Addresses are bytes in RAM,
    `start_block` and `blocks` (of 512 bytes) the partition that takes the unit's image, as `mmc part` tells them.

    `stop_keys` are pressed while the loader counts down. `read_address` is where written blocks are read back to;
    None is behind the image. `ram_top` is where the loader's own memory begins; None asks `bdinfo`. `hwpart` is the
    hardware partition of an eMMC. `environment` says what the variables hold: an interface's name, or "serial".
    """

    prompt: Prompt = "=> "
    stop_keys: Annotated[str, Field(min_length=1, max_length=64)] = " "
    baud: Annotated[int, Field(ge=300, le=4_000_000)] | None = None
    interface: Literal["mmc", "virtio", "usb", "scsi", "nvme"] = "mmc"
    device: Annotated[int, Field(ge=0, le=31)] = 0
    hwpart: Annotated[int, Field(ge=0, le=7)] | None = None
    start_block: Blocks | None = None
    blocks: Annotated[Blocks, Field(ge=1)] | None = None
    load_address: Address | None = None
    read_address: Address | None = None
    ram_top: Address | None = None
    environment: dict[Variable, Name] = Field(default_factory=lambda: {"ethaddr": "eth0", "serial#": SERIAL})

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.start_block is None) != (self.blocks is None):
            raise ValueError("start_block and blocks belong together: they are the partition that takes the image")
        if self.hwpart is not None and self.interface != "mmc":
            raise ValueError("only an mmc device has hardware partitions (hwpart)")
        if len(set(self.environment.values())) < len(self.environment):
            raise ValueError("environment: two variables hold the same thing")
        return self
