"""The child of the fuzz test: checks mutated sheets until its time is up, and says what went wrong on which bytes.

Run as `python -m tests.sheets.fuzz_worker SECONDS SEED FOLDER`; ends with 0, or with 1 and one line per failure.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from factory.sheets.check import Asked, check_file
from factory.sheets.compare import compare_files
from factory.sheets.errors import SheetError
from factory.sheets.report import Report
from tests.sheets.made import archive, csv_text, good, parts_of, xlsx_file

MOST_SECONDS = 10.0
MOST_GROWTH = 300 * 1024  # KiB
SPLICES = (
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"=1+1",
    b"\xe2\x80\x8b",
    b"<f>1</f>",
    b'r="XFD1048576"',
    b'r="A900000"',
    b't="e"',
    b't="n"',
    b't="s"',
    b"<!DOCTYPE a>",
    b"&lt;",
    b"</c>",
    b"</row>",
    b'hidden="1"',
    b"<v>1e999</v>",
    b"<v>-1</v>",
    b'r="A0"',
    b'r=""',
    b"&#0;",
    b"\xef\xbc\x91",
    b"99999999999999999999",
    b"1E400",
    b'<mergeCell ref="A1:XFD9"/>',
)


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Change a few places: flip, cut, double, splice, swap."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 8, 40))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 10, 200)))
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * chance.choice((1, 3, 50))
        elif kind == 3:
            data[at:at] = chance.choice(SPLICES)
        else:
            other = chance.randrange(len(data) + 1)
            data[at:end] = data[other : other + end - at]
    return bytes(data)


def mutated_workbook(parts: dict[str, bytes], chance: random.Random) -> bytes:
    """A workbook with one part mutated, or with its archive mutated as bytes."""
    if chance.random() < 0.3:
        return mutate(archive(parts), chance)
    name = chance.choice([*parts, *[one for one in parts if "worksheets/" in one] * 6])
    changed = {**parts, name: mutate(parts[name], chance)}
    if chance.random() < 0.05:
        del changed[name]
    return archive(changed, compress=chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))


def sound(report: Report) -> None:
    """What holds of every report."""
    assert report.errors >= 0 and sum(report.totals.values()) >= len(report.findings)
    for one in report.findings:
        text = f"{one}{one.as_json()}"
        assert one.message
        assert all(character >= " " for character in str(one)), text


def main(seconds: float, seed: int, folder: Path) -> int:
    chance = random.Random(seed)
    rows = [good(number) for number in range(1, 30)]
    csv_seeds = [
        csv_text(rows).encode(),
        csv_text(rows).replace("\n", "\r\n").encode("utf-8-sig"),
        csv_text(rows).replace(",", ";").encode("utf-16"),
        csv_text([good(1, CATEGORY_A='"a\nb"'), *rows]).encode(),
    ]
    book_seeds = [
        parts_of(xlsx_file(folder, {}, rows=12)),
        parts_of(xlsx_file(folder, {"C3": "=C2", "D4": ("e", "#N/A"), "B5": 5.5})),
    ]
    makers: list[tuple[str, Callable[[], bytes]]] = [
        ("csv", lambda: mutate(chance.choice(csv_seeds), chance)),
        ("xlsx", lambda: mutated_workbook(chance.choice(book_seeds), chance)),
    ]
    before, failures, count = 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end or count < 20:
        kind, make = chance.choice(makers)
        content = make()
        path = folder / f"case.{chance.choice((kind, 'csv', 'xlsx'))}"
        path.write_bytes(content)
        started = time.monotonic()
        try:
            sound(check_file(path, Asked(keep=True)))
            compare_files(path, path)
        except SheetError:
            pass
        except Exception as error:  # noqa: BLE001 - the very thing that must not happen
            failures += 1
            kept = folder / f"failure-{seed}-{count}{path.suffix}"
            kept.write_bytes(content)
            print(f"{kept}: {type(error).__name__}: {error}", flush=True)
        taken = time.monotonic() - started
        if taken > MOST_SECONDS:
            failures += 1
            print(f"case {count} took {taken:.1f} s", flush=True)
        count += 1
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = before or used
        if used - before > MOST_GROWTH:
            (folder / f"memory-{seed}-{count}{path.suffix}").write_bytes(content)
            print(f"case {count} ({path.suffix}): memory grew by {(used - before) // 1024} MiB", flush=True)
            return 1
    print(f"{count} cases, memory grew by {(used - before) // 1024} MiB", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
