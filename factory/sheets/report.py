"""The outcome of a check: what people are shown and machines are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.sheets.finding import SheetFinding


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that was read: its number in the sheet, and its values by the profile's column names."""

    row: int
    values: Mapping[str, str] = field(repr=False)
    good: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What a sheet was judged to be. `findings` may have been cut, `totals` (by code) and `errors` never are; `rows`
    counts the rows below the header that hold anything; `id_form` is how hardware ids were read.
    """

    file: str
    profile: str
    sheet: str | None
    rows: int
    findings: tuple[SheetFinding, ...]
    totals: Mapping[str, int]
    errors: int
    id_form: str = ""
    kept: tuple[CheckedRow, ...] = ()

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(self.totals.values()) - self.errors

    def as_json(self) -> dict[str, Any]:
        """The document without its schema."""
        return {
            "file": self.file,
            "profile": self.profile,
            "rows": self.rows,
            "findings": [finding.as_json() for finding in self.findings],
            "totals": dict(sorted(self.totals.items())),
        }
