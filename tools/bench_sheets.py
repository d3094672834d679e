"""How fast sheets are read, checked and written, and what a million rows need of memory.

`sheets`: 100,000 rows of 13 filled columns, a 13 MB CSV (speed reference, 'Sheets').
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from factory.sheets import REMOTEIT_BULK
from factory.sheets.check import Asked, check_file
from factory.sheets.report import Report
from factory.sheets.xlsx import write_xlsx
from tools.measure import Ratio, compare

ROWS = 100_000
OPEN = replace(REMOTEIT_BULK, max_rows=10**7, max_bytes=10**10)
_MEMORY = """
import sys, time
from pathlib import Path
from tools.bench_sheets import check
began = time.perf_counter()
def peak():  # of this process alone: what the parent had at the fork counts in getrusage
    text = Path("/proc/self/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
before = peak()
report = check(Path(sys.argv[1]))
assert report.rows == int(sys.argv[2]) and not report.totals, report.totals
print(time.perf_counter() - began, peak(), peak() - before)
"""


def row(number: int, name: str = "Device {:06d}") -> list[str]:
    """A row with a value in each column, 10 characters on average."""
    rest = [f"value {place} {number:06d}"[:10] for place in range(10)]
    return [f"key{number:09d}", f"001b77{number:06x}", name.format(number), *rest]


def check(path: Path) -> Report:
    """Check a sheet as the command does, without the portal's caps."""
    return check_file(path, Asked(profile=OPEN))


def write_csv(path: Path, rows: int, name: str = "Device {:06d}") -> Path:
    """Write a CSV line by line, so that the bench itself needs no memory for it."""
    with path.open("w", encoding="ascii", newline="") as stream:
        stream.write(OPEN.header)
        for number in range(rows):
            stream.write("\n" + ",".join(row(number, name)))
    return path


def ratios() -> Iterator[Ratio]:
    """Checking against the bare readers; one bad cell in every row; writing against pandas with openpyxl."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = write_csv(folder / "good.csv", ROWS)
        bad = write_csv(folder / "bad.csv", ROWS, "Device#{:06d}")
        rows = [row(number) for number in range(ROWS)]
        book = write_xlsx(rows, OPEN, folder / "good.xlsx")
        bad_book = _bad_workbook(folder / "bad.xlsx")
        expect_good, expect_bad = _expecting(0), _expecting(ROWS)
        yield compare("check a CSV : csv.reader", lambda: expect_good(good), lambda: _csv_rows(good), at_most=5.0)
        yield compare(
            "check a CSV, a bad cell in each row : csv.reader",
            lambda: expect_bad(bad),
            lambda: _csv_rows(bad),
            at_most=10.0,
        )
        yield compare("check a workbook : calamine", lambda: expect_good(book), lambda: _book_rows(book), at_most=3.0)
        yield compare(
            "check a workbook, a bad cell in each row : calamine", lambda: expect_bad(bad_book),
            lambda: _book_rows(bad_book), at_most=6.0,
        )  # fmt: skip
        out, theirs = folder / "ours.xlsx", folder / "pandas.xlsx"
        yield compare(
            "write a workbook, read back : DataFrame.to_excel", lambda: write_xlsx(rows, OPEN, out),
            lambda: _pandas(rows, theirs), at_most=1 / 8, runs=2,
        )  # fmt: skip


def memory(rows: int = 1_000_000) -> Iterator[str]:
    """What checking a CSV of a million rows needs, duplicates included: measured in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        path = write_csv(Path(name) / "large.csv", rows)
        size = path.stat().st_size
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY, str(path), str(rows)], check=True, capture_output=True, text=True,
            cwd=Path(__file__).resolve().parents[1],
        )  # fmt: skip
    seconds, peak, grown = (float(one) for one in done.stdout.split())
    mark = "met   " if peak < 1.5e9 else "missed"
    yield (
        f"{mark}  check a CSV of {rows:,} rows ({size / 1e6:.0f} MB): {seconds:.1f} s, peak {peak / 1e6:.0f} MB"
        f"  goal at most 1500 MB  ({grown / rows:.0f} bytes a row)"
    )


def _expecting(count: int) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        totals = check(path).totals
        assert sum(totals.values()) == count, totals

    return run


def _csv_rows(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as stream:
        return len(list(csv.reader(stream, strict=True)))


def _book_rows(path: Path) -> int:
    from python_calamine import CalamineWorkbook

    return sum(1 for _ in CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows())


def _bad_workbook(path: Path) -> Path:
    from rustpy_xlsxwriter import write_worksheet

    stream = io.BytesIO()
    write_worksheet([dict(zip(OPEN.names, row(n, "Device#{:06d}"), strict=True)) for n in range(ROWS)], stream)
    path.write_bytes(stream.getvalue())
    return path


def _pandas(rows: list[list[str]], path: Path) -> None:
    import pandas

    pandas.DataFrame(rows, columns=list(OPEN.names), dtype="str").to_excel(path, engine="openpyxl", index=False)


def main() -> int:
    """Print every ratio and the memory."""
    for ratio in ratios():
        print(ratio.line(), flush=True)
    for line in memory():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
