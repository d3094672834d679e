"""The stages beyond the flash in a lot's report."""

from __future__ import annotations

from dataclasses import replace

from factory.ledger import LotRecords
from factory.lots.report import page, report
from tests.lots.report.made import UTC_DAY, Try, columns, records

_GOES = (
    ("test", 1, "passed", None),
    ("test", 2, "failed", "check.signal"),
    ("test", 2, "passed", None),
    ("test", 3, "failed", "check.signal"),
    ("test", None, "failed", "unit.gone"),
    ("pack", 1, "passed", None),
)


_PLACE = {"station": "S2", "slot": "A"}


def with_stages() -> LotRecords:
    rows: list[dict[str, object]] = [
        dict(stage=stage, unit=unit, attempt=unit, number=1, outcome=outcome, code=code, cause="<b>", **_PLACE)
        for stage, unit, outcome, code in _GOES
    ]
    flashed = records([Try(unit=unit, at=60.0 * unit) for unit in (1, 2, 3)])
    return replace(flashed, stages=columns(rows, "stage unit attempt number outcome code cause station slot"))


def test_each_stage_counts_units_by_their_newest_result() -> None:
    made = report(with_stages(), UTC_DAY)
    test, pack = made.stages
    assert (test.name, test.goes, test.passed, test.failed, test.first, test.unread) == ("test", 5, 2, 1, 1, 1)
    assert (test.rate, test.causes) == (1 / 3, (("check.signal", 2), ("unit.gone", 1)))
    assert (pack.passed, pack.rate, pack.causes) == (1, 1.0, ())
    assert made.as_json()["stages"][0]["units"] == 3
    assert made.counts["passed"] == 3, "the flash is counted by itself"
    text = page(made)
    assert "After the flash" in text
    assert "check.signal (2), unit.gone (1)" in text
    assert "After the flash" not in page(report(records([Try(unit=1)]), UTC_DAY))
