"""Sheets made by code: good rows, CSV text, workbooks with cells of any kind, archives with anything in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl

from factory.sheets.check import Asked, check_file
from factory.sheets.profile import Profile
from factory.sheets.profiles import REMOTEIT_BULK
from factory.sheets.report import Report

HEADER = REMOTEIT_BULK.header
ID, NAME, KEY, A, B = "HARDWARE_ID", "DEVICE_NAME", "REGISTRATION_KEY", "CATEGORY_A", "CATEGORY_B"


def good(number: int, **values: str) -> list[str]:
    """A good row of the upload; `values` by column name go over it."""
    row = {KEY: f"key0000000000{number:05d}", ID: f"001b77{number:06x}", NAME: f"Unit {number:05d}", **values}
    return [row.get(name, "") for name in REMOTEIT_BULK.names]


def csv_text(rows: Sequence[Sequence[str]], header: str = HEADER) -> str:
    return "\n".join([header, *(",".join(row) for row in rows)])


def csv_file(folder: Path, rows: Sequence[Sequence[str]], header: str = HEADER, name: str = "sheet.csv") -> Path:
    path = folder / name
    path.write_text(csv_text(rows, header), encoding="utf-8", newline="")
    return path


def xlsx_file(folder: Path, cells: Mapping[str, Any], rows: int = 3, *, name: str = "sheet.xlsx") -> Path:
    """A workbook with `rows` good rows and then `cells` by address put over it; a `(type, value)` pair sets the raw
    type of a cell.
    """
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "upload"
    sheet.append(list(REMOTEIT_BULK.names))
    for number in range(1, rows + 1):
        sheet.append([value or None for value in good(number)])
    for address, value in cells.items():
        kind = None
        if isinstance(value, tuple):
            kind, value = value
        sheet[address] = value
        if kind:
            sheet[address].data_type = kind
    path = folder / name
    book.save(path)
    return path


def archive(parts: Mapping[str, bytes], *, compress: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compress) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return stream.getvalue()


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def checked(path: Path, profile: Profile | None = REMOTEIT_BULK, **asked: Any) -> Report:
    return check_file(path, Asked(profile=profile, **asked))


def said(report: Report) -> list[str]:
    """The findings as people read them, without the file's name."""
    return [str(one).split(": ", 1)[1] for one in report.findings]


def codes(report: Report) -> set[str]:
    return set(report.totals)
