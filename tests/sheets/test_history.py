"""What the ledger knows, through the bulk look-up: used already, never passed, wrong state, different, swapped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from factory.sheets.history import History, KnownUnit
from factory.sheets.report import Report
from factory.sheets.rules import Use
from tests.sheets.made import ID, NAME, A, checked, csv_file, good, said


class Remembered:
    """A ledger in memory; counts how often it is asked."""

    def __init__(self, units: Mapping[str, KnownUnit], expected: Iterable[KnownUnit] = ()) -> None:
        self._units = units
        self._expected = tuple(expected)
        self.asked = 0

    def find(self, values: Collection[str]) -> Mapping[str, Sequence[KnownUnit]]:
        self.asked += 1
        return {value: [self._units[value]] for value in values if value in self._units}

    def expected(self) -> Iterable[KnownUnit]:
        return self._expected


def passed(number: int, **values: str) -> KnownUnit:
    row = {ID: f"001b77{number:06x}", NAME: f"Unit {number:05d}", A: "", **values}
    interfaces = {"eth0": row[ID], "wlan0": f"001b78{number:06x}"}
    return KnownUnit("lot 2026-11-A", "passed", True, row, interfaces)


def judged(path: Path, ledger: Remembered, history: History) -> Report:
    return checked(path, known=ledger, history=history, keep=True, use=Use.UPLOAD)


def test_19_a_value_that_another_lot_has(tmp_path: Path) -> None:
    earlier = KnownUnit("batch 2026-11-03-02 row 41", "uploaded, preregistered", True)
    ledger = Remembered({"001b77000002": earlier, "unit 00003": earlier})
    report = judged(csv_file(tmp_path, [good(number) for number in range(1, 50)]), ledger, History.NEW)
    assert said(report) == [
        "row 3, HARDWARE_ID (B3): same as batch 2026-11-03-02 row 41, uploaded, preregistered. "
        "Remove the row, or use rework. [DUP-LEDGER]",
        "row 4, DEVICE_NAME (C4): same as batch 2026-11-03-02 row 41, uploaded, preregistered. "
        "Remove the row, or use rework. [DUP-LEDGER]",
    ]
    assert ledger.asked == 1


def test_29_rows_against_what_passed(tmp_path: Path) -> None:
    units = {f"001b77{number:06x}": passed(number) for number in (1, 2, 4, 6)}
    units["001b77000003"] = KnownUnit("lot 2026-11-A", "rework since 2026-11-19", False)
    rows = [good(1), good(2, DEVICE_NAME="Unit two"), good(3), good(4, HARDWARE_ID="00:1b:77:00:00:04"), good(5)]
    ledger = Remembered(units, [*units.values(), passed(9)])
    lines = said(judged(csv_file(tmp_path, rows), ledger, History.PASSED))
    assert (
        lines[0]
        == "file: 001b77000006 passed (lot 2026-11-A) and is not in the sheet. Export the lot again. [LED-MISSING]"
    )
    assert lines[1].startswith("file: 001b77000009 passed (lot 2026-11-A)")
    assert lines[2].startswith(
        'row 3, DEVICE_NAME (C3): "Unit two" differs from what was read off the unit, "Unit 00002".'
    )
    assert lines[3].startswith("row 4: the ledger says rework since 2026-11-19 (lot 2026-11-A).")
    assert [line for line in lines if "row 5" in line and "MAC-STYLE" not in line] == []
    assert lines[-1].startswith("row 6: in the sheet, but never passed the bench (no ledger record).")
    assert ledger.asked == 1


def test_20_columns_swapped_against_the_readback(tmp_path: Path) -> None:
    unit = passed(1)
    row = good(1, HARDWARE_ID=unit.interfaces["wlan0"], REGISTRATION_KEY=unit.interfaces["eth0"])
    ledger = Remembered({unit.interfaces["wlan0"]: unit})
    lines = said(judged(csv_file(tmp_path, [row]), ledger, History.PASSED))
    assert lines == [
        "row 2, HARDWARE_ID (B2): value of wlan0 here and of eth0 in REGISTRATION_KEY; swapped with REGISTRATION_KEY? "
        "Compare the columns with the header. [COL-SWAP]"
    ]
