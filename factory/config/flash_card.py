"""[flash.card]: an SD card or USB disk in the station."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from factory.config.fields import Name, Section


class CardFlash(Section):
    """[flash.card]: `os_image` is the whole image (raw, .gz, .xz, .zst), relative to the product file; `bmap` its
    block map, where it lies elsewhere than beside it; `partition` the number of the partition that takes the unit's
    own image, None where the card takes the unit's image whole.
    """

    os_image: Name | None = None
    bmap: Name | None = None
    partition: Annotated[int, Field(ge=1, le=128)] | None = None
