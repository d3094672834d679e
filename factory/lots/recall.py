"""A recall as files: the list for whoever looks for the units, and the proof of its count."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from factory.files import PRIVATE, make_folder, write_bytes
from factory.ledger import Recall, Recalled
from factory.sheets.xlsx import require_defused
from factory.values import canonical

COLUMNS = (
    "HARDWARE_ID", "SERIAL", "MACS", "DEVICE_NAME", "LOT", "UNIT", "UNIT_STATE", "ATTEMPT", "ATTEMPT_STATE", "STATION",
    "SLOT", "OPERATOR", "IMAGE", "STARTED_UTC", "ENDED_UTC", "UPLOAD", "UPLOAD_STATE",
)  # fmt: skip
_WIDTHS = (22, 18, 40, 22, 14, 8, 12, 9, 14, 12, 10, 12, 66, 25, 25, 26, 16)
# A spreadsheet runs a cell that begins like this (spreadsheet reference, section 4).
_LEADS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class RecallFiles:
    """Where a recall was written: the list twice, and its proof with the SHA-256 of both."""

    csv: Path
    workbook: Path
    proof: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All three."""
        return self.csv, self.workbook, self.proof


def write_recall(recall: Recall, out: Path, name: str = "recall") -> RecallFiles:
    """Write NAME.csv, NAME.xlsx and NAME.json into a folder, the proof last, all of mode 0600. Raises FileError."""
    folder = make_folder(out)
    rows = [row_of(one) for one in recall.attempts]
    proof = recall.proof_as_json()
    files = RecallFiles(folder / f"{name}.csv", folder / f"{name}.xlsx", folder / f"{name}.json")
    contents = {files.csv: _csv(rows), files.workbook: _workbook(rows, proof)}
    for path, content in contents.items():
        write_bytes(path, content, mode=PRIVATE)
    proof["files"] = {path.name: sha256(content).hexdigest() for path, content in contents.items()}
    write_bytes(files.proof, canonical(proof) + b"\n", mode=PRIVATE)
    return files


def row_of(one: Recalled) -> tuple[str, ...]:
    """One line of the list, in the order of COLUMNS."""
    return (
        one.hardware_id,
        one.serial or "",
        " ".join(one.macs),
        one.device_name,
        one.lot,
        "" if one.unit is None else str(one.unit),
        one.unit_state or "",
        str(one.attempt),
        one.attempt_state,
        one.station,
        one.slot,
        one.operator,
        one.image,
        one.started.isoformat(timespec="seconds"),
        one.ended.isoformat(timespec="seconds") if one.ended else "",
        one.upload or "",
        one.upload_row or "",
    )


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    """Quoted where needed, CRLF as RFC 4180 says. A cell that a spreadsheet would run gets an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([f"'{cell}" if cell.startswith(_LEADS) else cell for cell in row] for row in rows)
    return text.getvalue().encode("utf-8")


def _workbook(rows: list[tuple[str, ...]], proof: dict[str, object]) -> bytes:
    """The list and its proof as two sheets in which every cell is text: nothing runs, no digit is lost."""
    require_defused()
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)

    def cells(sheet: Any, values: tuple[str, ...], *, head: bool = False) -> list[Any]:
        made = []
        for value in values:
            cell = WriteOnlyCell(sheet, value=value)
            cell.data_type, cell.number_format = "s", "@"
            if head:
                cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F4E5F")
            else:
                cell.alignment = Alignment(vertical="top")
            made.append(cell)
        return made

    listed = book.create_sheet("recall")
    listed.freeze_panes = "B2"
    for index, width in enumerate(_WIDTHS, 1):
        listed.column_dimensions[get_column_letter(index)].width = width
    listed.append(cells(listed, COLUMNS, head=True))
    for row in rows:
        listed.append(cells(listed, row))
    listed.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
    told = book.create_sheet("proof")
    told.column_dimensions["A"].width, told.column_dimensions["B"].width = 22, 90
    told.append(cells(told, ("what", "value"), head=True))
    for name, value in proof.items():
        shown = value if isinstance(value, str) else canonical(value).decode("utf-8")
        told.append(cells(told, (name, shown)))
    for sheet in (listed, told):
        sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", 9
        sheet.page_setup.fitToHeight = 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        sheet.print_title_rows = "1:1"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
