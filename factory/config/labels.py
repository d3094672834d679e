"""[label]: what is stuck onto each unit; and where a station prints it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from factory.config.fields import Ascii, Name, Section

_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.%a-z]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})(?:\?keeps-open)?")
_FILE = "file:"


def _printer(text: str) -> str:
    tcp = _TCP.fullmatch(text)
    if (tcp and 0 < int(tcp[2]) < 65536) or (text.startswith(_FILE) and len(text) > len(_FILE)):
        return text
    raise ValueError('a printer is "tcp://HOST:9100" or "file:FOLDER"')


Printer = Annotated[Name, AfterValidator(_printer)]


class LabelSection(Section):
    """[label]: a label for each unit, after its proof. `template` is ZPL with expressions, beside the product file;
    `texts` are texts of the maker's own for it. With `scan` the label is scanned back before the unit passes; a slot
    gives up after `tries` wrong ones.
    """

    template: Name = "templates/label/unit.zpl"
    scan: bool = True
    copies: Annotated[int, Field(ge=1, le=20)] = 1
    tries: Annotated[int, Field(ge=1, le=20)] = 3
    texts: dict[Name, Ascii] = Field(default_factory=dict)
