"""Rows of an upload: values from the ledger, keys derived again and held against their fingerprints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from factory.config import BulkRegistration, Product
from factory.errors import Exit, FactoryError, UsageError
from factory.identity import Identifier, IdentityRefused, KeySource
from factory.ledger import PassedUnit
from factory.sheets import REMOTEIT_BULK
from factory.values import Category, DeviceName, Facts, HardwareId, InvalidValue, Mac, RegistrationKey, Work

_SHOWN = 10


class RowsRefused(FactoryError):  # noqa: N818 - reads as what happened
    """Passed units whose rows must not go out; `reasons` has a line per unit, without keys."""

    code = "export.key"
    exit_code = Exit.FAILED

    def __init__(self, message: str, reasons: Sequence[str], *, hint: str, code: str) -> None:
        lines = "".join(f"\n  {reason}" for reason in reasons[:_SHOWN])
        more = f"\n  and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        super().__init__(f"{message}:{lines}{more}", hint=hint, code=code)
        self.reasons = tuple(reasons)


def upload_table(units: Sequence[PassedUnit], product: Product, keys: KeySource) -> pd.DataFrame:
    """The rows of `units`, in their order, as a table of texts in the profile's columns; a blank category is ''.

    Raises UsageError `export.profile` for a cloud that takes no upload, and RowsRefused: `export.key` when a key does
    not come out as it was, `export.value` when the ledger holds what is no identity, `export.duplicate` when two rows
    would collide in the portal.
    """
    code = code_of(product)
    identifier = Identifier.open(product.identity, product.registration, keys, product.product.name)
    rows: list[tuple[str, ...]] = []
    wrong_keys: list[str] = []
    wrong_values: list[str] = []
    for unit in units:
        try:
            key = _key(unit, identifier)
            rows.append(_row(unit, key, code))
        except (InvalidValue, IdentityRefused) as error:
            wrong_values.append(f"{unit.hardware_id}: {error.message}")
            continue
        reason = _key_differs(unit, key, keys)
        if reason:
            wrong_keys.append(f"{unit.hardware_id}: {reason}")
    if wrong_values:
        hint = "Nothing was written. Is this the product file that the units were made with?"
        raise RowsRefused("units that cannot go into an upload", wrong_values, hint=hint, code="export.value")
    if wrong_keys:
        hint = "The units have other keys than the upload would have: use the secret that the lot was made with."
        raise RowsRefused("keys do not come out as they were", wrong_keys, hint=hint, code="export.key")
    table = pd.DataFrame(rows, columns=list(REMOTEIT_BULK.names), dtype="str")
    _require_distinct(table)
    return table


def _key(unit: PassedUnit, identifier: Identifier) -> RegistrationKey:
    kept: dict[str, dict[str, str]] = {"facts": {}, "order": {}, "assigned": {}}
    for full_name, value in unit.key_parts.items():
        group, _, name = full_name.partition(".")
        kept[group][name] = value
    facts = Facts({name: Mac.parse(mac) for name, mac in unit.macs.items()}, kept["facts"])
    work = Work(unit.lot, kept["order"], kept["assigned"])
    return identifier.registration_key(HardwareId.parse(unit.hardware_id), facts, work)


def code_of(product: Product) -> str:
    """The product's bulk identification code. Raises UsageError `export.profile` for a cloud without uploads."""
    if isinstance(product.registration, BulkRegistration):
        return product.registration.bulk_identification_code
    raise UsageError(
        f"{product.registration.profile} has no upload file: units of {product.product.name} register without one",
        hint='Only products with [registration] profile = "remoteit-bulk" are uploaded.',
        code="export.profile",
    )


def _row(unit: PassedUnit, key: RegistrationKey, code: str) -> tuple[str, ...]:
    if unit.bulk_identification_code != code:
        raise InvalidValue(
            f"was made with the bulk identification code {unit.bulk_identification_code}, the product has {code}",
            code="BIC-DIFF",
        )
    hardware_id, name = HardwareId.parse(unit.hardware_id), DeviceName.parse(unit.device_name)
    categories = (unit.categories.get(letter, "") for letter in "ABCDEFGHIJ")
    return (key.text, hardware_id.text, name.text, *(text and Category.parse(text).text for text in categories))


def _key_differs(unit: PassedUnit, key: RegistrationKey, keys: KeySource) -> str | None:
    # 0 stands for a key that is not made from the secret, whatever the version of that.
    if unit.key_version not in (0, keys.version):
        return f"passed with version {unit.key_version} of the secret, the product file has {keys.version}"
    if keys.fingerprint(key) != unit.fingerprint:
        return "the key derived now is not the one that the unit got"
    return None


def _require_distinct(table: pd.DataFrame) -> None:
    reasons = list(_collisions(table))
    if reasons:
        hint = "The portal refuses an upload with a duplicate. See `factory ledger trace` for both."
        raise RowsRefused("rows would collide", reasons, hint=hint, code="export.duplicate")


def _collisions(table: pd.DataFrame) -> Iterator[str]:
    """Two ids that differ only in case or separators count as one, and so do names that differ in case."""
    folded = {
        "HARDWARE_ID": table["HARDWARE_ID"].map(lambda text: HardwareId(text).folded),
        "DEVICE_NAME": table["DEVICE_NAME"].str.casefold(),
    }
    for column, values in folded.items():
        for _, rows in table[values.duplicated(keep=False)].groupby(values, sort=False):
            places = ", ".join(f"row {index + 2}" for index in rows.index)
            yield f"{column} {rows[column].iloc[0]}: {places}"
