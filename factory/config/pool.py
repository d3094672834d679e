"""[[pool]]: addresses and serials that the line gives to units which come without."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from factory.config.fields import Name, Section
from factory.values.pools import PoolKind, PoolSpec

_POOL = re.compile(r"[a-z][a-z0-9_]{0,31}")
SERIAL = "serial"


def _pool(text: str) -> str:
    if not _POOL.fullmatch(text):
        raise ValueError("a pool's name has lower-case letters, digits and _, and begins with a letter")
    return text


class WriteSection(Section):
    """[pool.write]: how a unit takes the value. `command` is a Jinja expression over `mac`, `plain` and `value`, run
    on the unit by its shell; `reboot` is what makes the value count. `shown_by` says what of a unit shows a serial that
    was written: "serial" or a fact.
    """

    command: Name
    reboot: Literal["none", "soft", "power"] = "soft"
    shown_by: Name | None = None


class PoolSection(Section):
    """One [[pool]]. A unit gets `count` values in a row, the first a multiple of `align`; `interfaces` says which of
    them is whose. `key` is what a unit is known again by before it has them: "serial" or a fact. `lease` cells go to a
    station at a time; fewer left than `low_water` are a warning.
    """

    name: Annotated[Name, AfterValidator(_pool)]
    kind: Literal["mac", "serial"] = "mac"
    count: Annotated[int, Field(ge=1, le=4096)] = 1
    align: Annotated[int, Field(ge=1, le=65536)] = 1
    interfaces: dict[Name, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    low_water: Annotated[int, Field(ge=0)] = 0
    lease: Annotated[int, Field(ge=1, le=100_000)] = 100
    key: Name = SERIAL
    write: WriteSection | None = None

    def spec(self, product: str) -> PoolSpec:
        """The pool as the ledger wants it."""
        kind = PoolKind(self.kind)
        return PoolSpec(product, self.name, kind, self.count, self.align, self.low_water, self.lease, self.interfaces)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "mac":
            self._fits_mac()
            return self
        if self.interfaces:
            raise ValueError(f"pool {self.name}: interfaces have addresses, and this pool gives serials")
        shown_by = self.write.shown_by if self.write else None
        if self.write and shown_by is None:
            raise ValueError(f'pool {self.name}: write.shown_by says where a unit shows its serial: "serial" or a fact')
        if shown_by == self.key:
            raise ValueError(f"pool {self.name}: {self.key} is the unit's key and would be written over")
        return self

    def _fits_mac(self) -> None:
        if self.write is None:
            raise ValueError(f"pool {self.name}: write.command says how a unit takes its address")
        if self.write.shown_by is not None:
            raise ValueError(f"pool {self.name}: an address shows at its interface; shown_by is for serials")
        if not self.interfaces:
            raise ValueError(f"pool {self.name}: interfaces says whose addresses these are, as in {{ eth0 = 0 }}")
        if max(self.interfaces.values()) >= self.count:
            raise ValueError(f"pool {self.name}: a unit gets {self.count} addresses, the offsets go from 0")
        if len(set(self.interfaces.values())) < len(self.interfaces):
            raise ValueError(f"pool {self.name}: two interfaces have the same offset")


def pool_faults(pools: tuple[PoolSection, ...], facts: frozenset[str]) -> str | None:
    """What is wrong with the pools of a product taken together, in which units have these facts."""
    names = [pool.name for pool in pools]
    taken = [interface for pool in pools for interface in pool.interfaces]
    for what, texts in (("pools are called", names), ("pools give an address to", taken)):
        double = next((text for text in texts if texts.count(text) > 1), None)
        if double is not None:
            return f"two {what} {double}"
    for pool in pools:
        wanted = {pool.key, pool.write.shown_by if pool.write and pool.write.shown_by else SERIAL} - {SERIAL}
        missing = sorted(wanted - facts)
        if missing:
            return f"pool {pool.name} needs the command unit.facts.{missing[0]}"
        if any(other.write and other.write.shown_by == pool.key for other in pools):
            return f"pool {pool.name}: its key {pool.key} is written by a pool"
    return None
