"""Rows of a batch for clouds other than bulk registration: each unit is worked out from its row by [identity] and
[registration], as the line would from what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from factory.config import BulkRegistration, Product, XyteRegistration
from factory.errors import UsageError
from factory.identity import Identifier, IdentityRefused, KeySource
from factory.lots.build_rows import Rows, SheetRefused, Wanted, file_hash, sheet_rows
from factory.lots.imports import rules_of
from factory.sheets import Profile
from factory.sheets.check import Asked, check_file
from factory.sheets.profiles import XYTE
from factory.sheets.profiles.order import ORDER
from factory.sheets.report import CheckedRow
from factory.sheets.rules import Use
from factory.values import DeviceName, Facts, HardwareId, Identity, InvalidValue, Mac, Work

_SERIAL, _MAC, _NAME, _CLOUD_ID = ("sn", "SERIAL"), ("mac", "MAC"), ("name", "DEVICE_NAME"), "cloud_id"
_SHOWN = 10


def rows_of_sheet(file: Path, product: Product, keys: KeySource) -> Rows:
    """The rows of a checked sheet, whatever the product registers with: `remoteit-bulk` sheets are streamed, those of
    `xyte`, and orders for `remoteit-package`, are worked out here and now.

    Raises SheetRefused with what is wrong with the sheet or with a unit, UsageError and FileError.
    """
    if isinstance(product.registration, BulkRegistration):
        return sheet_rows(file, product)
    if isinstance(product.registration, XyteRegistration) and product.registration.registers == "station":
        raise UsageError(
            'units with registers = "station" have no access key before they are registered',
            hint='Images can be made for registers = "unit".',
            code="image.profile",
        )
    layout = XYTE if isinstance(product.registration, XyteRegistration) else ORDER
    before = file_hash(file)
    wanted = tuple(_wanted(file, product, keys, layout))
    rows = Rows(file.name, before, len(wanted), wanted, file)
    rows.require_unchanged()
    return rows


def _wanted(file: Path, product: Product, keys: KeySource, layout: Profile) -> Iterator[Wanted]:
    report = check_file(file, Asked(layout, rules_of(product), Use.WORK, keep=True))
    if report.errors:
        first = next(one for one in report.findings if one.severity.value == "error")
        raise SheetRefused(
            f"{file} has {report.errors} error{'s' * (report.errors != 1)} in {report.rows} rows; the first: {first}",
            hint="No image was made. `factory sheet check` lists them all and marks them in a copy.",
            report=report,
        )
    identifier = Identifier.open(product.identity, product.registration, keys, product.product.name)
    interface = _interface(identifier)
    unique = [column.name for column in layout.columns if column.unique]
    taken: dict[HardwareId, int] = {}
    wrong: list[str] = []
    for row in report.kept:
        if not any(row.values.get(name) for name in unique):
            continue  # blank, or a total below the table: the check has remarked on it
        try:
            identity = _identity(row, identifier, interface)
        except (IdentityRefused, InvalidValue) as error:
            wrong.append(f"row {row.row}: {error.message}")
            continue
        if taken.setdefault(identity.hardware_id, row.row) != row.row:
            wrong.append(f"row {row.row}: {identity.hardware_id} is that of row {taken[identity.hardware_id]} too")
        categories = tuple((letter, value.text) for letter, value in identity.categories.items())
        name = identity.device_name.text
        yield Wanted(row.row, identity.hardware_id.text, "", name, categories, identity=identity)
    if wrong:
        more = f"\n  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        lines = "".join(f"\n  {line}" for line in wrong[:_SHOWN])
        raise SheetRefused(f"{file} has units that cannot be made:{lines}{more}", hint="No image was made.")


def _identity(row: CheckedRow, identifier: Identifier, interface: str) -> Identity:
    mac, name, cloud_id = _first(row, _MAC), _first(row, _NAME), row.values.get(_CLOUD_ID, "")
    facts = Facts({interface: Mac.parse(mac)} if mac else {}, serial=_first(row, _SERIAL) or None)
    # The sheet gives the cloud id, as a pool would.
    work = Work("", dict(row.values), {_CLOUD_ID: cloud_id} if cloud_id else {})
    identity = identifier.identify(facts, work).identity
    return replace(identity, device_name=DeviceName.parse(name)) if name else identity


def _first(row: CheckedRow, names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := row.values.get(name))), "")


def _interface(identifier: Identifier) -> str:
    """The interface whose address the sheet has; one column cannot stand for two."""
    names = sorted(identifier.interfaces)
    if len(names) > 1:
        raise UsageError(
            f"the product uses the addresses of {' and '.join(names)}, and a sheet has one MAC per unit",
            hint="Images of such a product are made by the line.",
            code="image.profile",
        )
    return names[0] if names else "eth0"
