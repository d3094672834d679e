"""The upload CSV: encoded exactly as the portal's template, split at its limits, and read back after writing."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factory.files import PRIVATE, read_bytes, write_bytes
from factory.sheets.cells import check_rows
from factory.sheets.errors import SheetError
from factory.sheets.profile import Profile, Row


@dataclass(frozen=True, slots=True)
class Part:
    """One upload file: its rows, the place of its first row among all (from 0), and its bytes (with secrets)."""

    first: int
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    content: bytes = field(repr=False)


def encode_csv(rows: Sequence[Row], profile: Profile) -> tuple[Part, ...]:
    """Encode rows as one or more upload files, each within the profile's rows and bytes.

    Raises SheetError: no rows, a value that the profile cannot carry, or a row that alone is too long.
    """
    if not rows:
        raise SheetError(f"there are no rows for {profile.name}", code="sheet.empty")
    check_rows(rows, profile)
    lines = [",".join(row).encode("ascii") for row in rows]
    parts: list[Part] = []
    first = 0
    while first < len(rows):
        after = first + _fitting(lines, first, profile)
        if after == first:
            message = f"row {first + 2} alone is longer than the {profile.max_bytes} bytes of {profile.name}"
            raise SheetError(message, code="sheet.row")
        taken = tuple(tuple(row) for row in rows[first:after])
        parts.append(Part(first, taken, _join(lines[first:after], profile)))
        first = after
    return tuple(parts)


def write_csv(part: Part, profile: Profile, path: Path) -> Path:
    """Write one upload file with mode 0600, read it back from disk, parse it strictly and compare every value.

    Raises FileError, and SheetError (code `sheet.read-back`) when the disk does not hold what was written.
    """
    write_bytes(path, part.content, mode=PRIVATE)
    content = read_bytes(path)
    if content != part.content or decode_csv(content, profile) != part.rows:
        raise SheetError(f"{path} is not what was written to it", hint="Do not upload it.", code="sheet.read-back")
    return path


def decode_csv(content: bytes, profile: Profile) -> tuple[tuple[str, ...], ...]:
    """Parse the bytes of an upload file that we wrote. Raises SheetError for anything that the profile does not
    write; files that people have touched are judged more kindly, and elsewhere.
    """
    try:
        text = content.decode("ascii")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, quoting=csv.QUOTE_NONE)
        header, *rows = [tuple(row) for row in reader]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise SheetError(f"this is no {profile.name} file: {error}", code="sheet.form") from error
    if header != tuple(column.header for column in profile.columns):
        raise SheetError(f"the header is not that of {profile.name}", code="sheet.form")
    for number, row in enumerate(rows, 2):
        if len(row) != len(profile.columns):
            raise SheetError(f"row {number} has {len(row)} values, not {len(profile.columns)}", code="sheet.form")
    check_rows(rows, profile)
    if _join([",".join(row).encode("ascii") for row in rows], profile) != content:
        raise SheetError(f"the line ends or quotes are not those of {profile.name}", code="sheet.form")
    return tuple(rows)


def _fitting(lines: Sequence[bytes], first: int, profile: Profile) -> int:
    """How many lines from `first` on fit into one file."""
    end = len(profile.line_end)
    size = len(profile.header) + (end if profile.final_newline else 0)
    count = 0
    for line in lines[first : first + profile.max_rows]:
        size += end + len(line)
        if size > profile.max_bytes:
            break
        count += 1
    return count


def _join(lines: Sequence[bytes], profile: Profile) -> bytes:
    end = profile.line_end.encode("ascii")
    return end.join((profile.header.encode("ascii"), *lines)) + (end if profile.final_newline else b"")
