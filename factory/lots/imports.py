"""Import of an order: checked as strictly as an upload, then taken into the ledger whole or not at all."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from factory.config import Product
from factory.errors import Exit, FactoryError
from factory.files import read_bytes
from factory.ledger import (
    BY_ID,
    BY_MAC,
    BY_SERIAL,
    NAME,
    Holding,
    Imported,
    OrderFile,
    OrderKey,
    OrderRow,
    Skipped,
    folded,
)
from factory.lots.known import KnownForOrder
from factory.sheets import Column, Profile
from factory.sheets.check import Asked, check_file
from factory.sheets.columns import ProductRules, judges, product_rules
from factory.sheets.header import known_names
from factory.sheets.history import History
from factory.sheets.judge import ColumnJudge
from factory.sheets.profiles import profile as named_profile
from factory.sheets.profiles import profile_names
from factory.sheets.profiles.order import ORDER
from factory.sheets.reading.open_file import LARGEST, open_sheet
from factory.sheets.reading.source import Unreadable, split
from factory.sheets.report import CheckedRow, Report
from factory.sheets.rules import Use

_HEADER_WITHIN = 20
_FOUND_BY = (BY_MAC, BY_SERIAL, BY_ID)
_SHOWN = 10


class OrderRefused(FactoryError):  # noqa: N818 - reads as what happened
    """An order is not fit to be imported; nothing of it was. `report` has every finding."""

    code = "order.refused"
    exit_code = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "", report: Report | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class Orders(Protocol):
    """What an import wants from the ledger."""

    def import_order(self, order: OrderFile, rows: Sequence[OrderRow], *, skip_existing: bool = False) -> Imported:
        """Take in the rows, all or none."""

    def holders(self, values: Collection[str]) -> Mapping[str, tuple[Holding, ...]]:
        """Who holds each of these values."""


@dataclass(frozen=True, slots=True)
class ImportedOrder:
    """What an import came to: rows taken in, rows skipped with the reason, and the report with its warnings."""

    lot: str
    file: str
    profile: str
    rows: int
    skipped: tuple[Skipped, ...]
    report: Report


def import_order(
    ledger: Orders,
    product: Product,
    lot: str,
    file: Path,
    *,
    skip_existing: bool = False,
    profile: Profile | None = None,
) -> ImportedOrder:
    """Take an order, or any list of expected units, into the ledger: every row, or none.

    The sheet is one of the product's own profile or of the profile `order`, whichever its header fits; `profile`
    says it outright. Raises OrderRefused with every finding of the sheet; with `skip_existing` rows that the ledger
    knows are left out and named instead. Also FileError, UsageError (another product's lot) and LedgerError.
    """
    before = _sha256(file)
    rules = rules_of(product)
    chosen = profile or _fitting(file, _layouts(product))
    history = History.NONE if skip_existing else History.NEW
    asked = Asked(chosen, rules, Use.WORK, known=KnownForOrder(ledger), history=history, keep=True)
    report = check_file(file, asked)
    if report.errors:
        raise OrderRefused(
            f"{file} was not imported: {report.errors} error{'s' * (report.errors != 1)} in {report.rows} rows",
            hint="Mend them all and import again; `factory sheet check` marks them in a copy.",
            report=report,
        )
    if _sha256(file) != before:
        raise OrderRefused(f"{file} changed while it was read", hint="Is somebody still saving it? Import it again.")
    rows = tuple(_rows(report, chosen, judges(chosen, rules, Use.WORK, report.id_form)))
    if len(rows) != report.rows:
        raise ValueError(f"{report.rows} rows were checked and {len(rows)} would be imported")
    _require_no_keys(report, rows, chosen, file)
    _require_distinct(rows, file)
    order = OrderFile(lot, product.product.name, file.name, before, chosen.name)
    done = ledger.import_order(order, rows, skip_existing=skip_existing)
    return ImportedOrder(lot, str(file), chosen.name, done.rows, done.skipped, report)


def rules_of(product: Product) -> ProductRules:
    """What a product adds to the rules of a sheet."""
    categories = [(one.name, one.values) for one in product.category]
    return product_rules(product.identity.rules, product.identity.hardware_id, categories, name=product.product.name)


def _layouts(product: Product) -> tuple[Profile, ...]:
    """The layouts that an order of the product may have. Not every way of registering has a sheet."""
    name = product.registration.profile
    return (named_profile(name), ORDER) if name in profile_names() else (ORDER,)


def _fitting(file: Path, profiles: Sequence[Profile]) -> Profile:
    """The profile that more of the header's names belong to; the first where that says nothing."""
    names = tuple(dict.fromkeys(name for one in profiles for name in one.names))
    try:
        source = open_sheet(file, Use.WORK, names)
        head = [split(row) for row in itertools.islice(source.rows, _HEADER_WITHIN)]
    except Unreadable:
        return profiles[0]  # the check says what is wrong with it
    return max(profiles, key=lambda one: max((known_names(cells, one) for cells in head), default=0))


def _require_no_keys(report: Report, rows: Iterable[OrderRow], profile: Profile, file: Path) -> None:
    secret = [column.name for column in profile.columns if column.secret]
    meant = {row.number for row in rows}
    held = [row.row for row in report.kept for name in secret if row.row in meant and row.values.get(name)]
    if held:
        raise OrderRefused(
            f"{file} was not imported: {', '.join(secret)} is filled in {len(held)} rows, the first is row {held[0]}",
            hint="The line derives the keys, and the ledger keeps none. Empty the column.",
        )


def _rows(report: Report, profile: Profile, judged: Mapping[str, ColumnJudge]) -> Iterator[OrderRow]:
    hidden = {column.name for column in profile.columns if column.secret}
    for row in report.kept:
        keys = tuple(_keys(row, profile, judged, report.id_form))
        # A blank row, or a total below the table: the check has remarked on it, and no unit is meant.
        if any(key.kind in _FOUND_BY for key in keys):
            cells = {name: value for name, value in row.values.items() if name not in hidden}
            yield OrderRow(row.row, cells, keys)


def _keys(row: CheckedRow, profile: Profile, judged: Mapping[str, ColumnJudge], id_form: str) -> Iterator[OrderKey]:
    for column in profile.columns:
        value = row.values.get(column.name, "")
        if column.unique and value and (row.good or judged[column.name].accepts(value)):
            yield _key(column, value, id_form)


def _key(column: Column, value: str, id_form: str) -> OrderKey:
    form = id_form if column.form == "hardware-id" else column.form
    if form in ("mac", "mac-colon"):
        return OrderKey(BY_MAC, value.replace(":", "").lower())
    if column.form == "hardware-id" or form in ("imei", "iccid"):
        return OrderKey(BY_ID, folded(value))
    if form == "id":
        return OrderKey(BY_SERIAL, folded(value))
    return OrderKey(NAME if form == "name" else form, value.lower())


def _require_distinct(rows: Iterable[OrderRow], file: Path) -> None:
    """One value in two columns: the check looks into each column by itself."""
    first: dict[OrderKey, int] = {}
    double = [
        f"row {row.number}: {key.kind} {key.value} stands in row {first[key]} too"
        for row in rows
        for key in row.keys
        if first.setdefault(key, row.number) != row.number or row.keys.count(key) > 1
    ]
    if double:
        more = f"; and {len(double) - _SHOWN} more" if len(double) > _SHOWN else ""
        raise OrderRefused(
            f"{file} was not imported: {'; '.join(double[:_SHOWN])}{more}", hint="Each unit stands in one row."
        )


def _sha256(file: Path) -> str:
    return hashlib.sha256(read_bytes(file, limit=LARGEST)).hexdigest()
