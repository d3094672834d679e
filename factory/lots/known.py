"""The ledger as a sheet's check asks it: `factory.sheets.history.KnownValues`, answered in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from factory.ledger import Holding, PassedUnit
from factory.sheets.history import KnownUnit


class Holders(Protocol):
    """What the answers are made of."""

    def holders(self, values: Collection[str]) -> Mapping[str, tuple[Holding, ...]]:
        """Who holds each of these values."""


class KnownForOrder:
    """What stands against new rows of an order: units that were made, and rows that were imported before."""

    def __init__(self, ledger: Holders) -> None:
        self._ledger = ledger

    def find(self, values: Collection[str]) -> Mapping[str, Sequence[KnownUnit]]:
        """The units and rows that bar each of these values."""
        # A column may write MACs with colons; the ledger looks up their digits.
        plain = {value: _plain(value) for value in values}
        held = self._ledger.holders(set(plain.values()))
        found = {
            value: [_known(one, "") for one in held.get(key, ()) if one.bars_order] for value, key in plain.items()
        }
        return {value: units for value, units in found.items() if units}

    def expected(self) -> Iterable[KnownUnit]:
        """Nothing: an order comes before its units."""
        return ()


class KnownForUpload:
    """What an upload file of a lot must hold: the units of `expected`, exactly as they passed."""

    def __init__(self, ledger: Holders, lot: str, expected: Sequence[PassedUnit]) -> None:
        self._ledger = ledger
        self._lot = lot
        self._expected = expected

    def find(self, values: Collection[str]) -> Mapping[str, Sequence[KnownUnit]]:
        """The units that were at the bench with each of these values; a mere row of an order is none."""
        held = self._ledger.holders(values)
        found = {
            value: [_known(one, self._lot) for one in holdings if one.order is None] for value, holdings in held.items()
        }
        return {value: units for value, units in found.items() if units}

    def expected(self) -> Iterable[KnownUnit]:
        """The units that belong into the sheet."""
        for unit in self._expected:
            values = _values(unit.hardware_id, unit.device_name, unit.categories)
            yield KnownUnit(f"lot {unit.lot}", str(unit.row), True, values, _interfaces(unit.macs))


def _known(holding: Holding, lot: str) -> KnownUnit:
    values = _values(holding.hardware_id, holding.device_name, holding.categories) if holding.order is None else {}
    passed = holding.passed and holding.lot == lot
    return KnownUnit(holding.where, holding.state, passed, values, _interfaces(holding.macs))


def _values(hardware_id: str, name: str, categories: Mapping[str, str]) -> dict[str, str]:
    letters = {f"CATEGORY_{letter}": categories.get(letter, "") for letter in "ABCDEFGHIJ"}
    return {"HARDWARE_ID": hardware_id, "DEVICE_NAME": name, **letters}


def _interfaces(macs: Mapping[str, str]) -> dict[str, str]:
    return {name: mac.replace(":", "").lower() for name, mac in macs.items()}


def _plain(value: str) -> str:
    bare = value.replace(":", "")
    return bare if len(value) == 17 and len(bare) == 12 else value
