"""[flash]: how an image gets onto a unit. Each method has a table of its own."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from factory.config.fields import Section
from factory.config.flash_card import CardFlash
from factory.config.flash_partition import PartitionFlash
from factory.config.flash_uboot import UbootFlash


class FlashSection(Section):
    """[flash]: the method, and the table of that method where it has one."""

    method: Literal["files", "partition", "card", "uboot"] = "files"
    partition: PartitionFlash | None = None
    card: CardFlash | None = None
    uboot: UbootFlash = Field(default_factory=UbootFlash)

    @model_validator(mode="after")
    def _has_its_table(self) -> Self:
        if self.method in ("partition", "card") and getattr(self, self.method) is None:
            raise ValueError(f'method = "{self.method}" needs a table [flash.{self.method}]')
        return self
