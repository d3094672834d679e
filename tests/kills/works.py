"""What is done on a floor and may be killed: each work is done again from its beginning until it ends."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from factory.files import write_text
from factory.ledger.schema import units
from tests.kills import oracle
from tests.kills.floor import LOT, Floor, plan
from tests.kills.folder_unit import Step
from tests.ledger import made

REASON = "fell off the bench"


def line(floor: Floor, step: Step) -> None:
    """A run of the line; a unit that passed in an earlier run is refused as such, and nothing else may fail."""
    summary = floor.run(step)
    for row in summary.rows:
        fine = row.outcome == "passed" or row.code == "ledger.already-passed"
        assert fine, f"{row.slot}: {row.outcome} {row.code} {row.cause}"


def export(floor: Floor, _: Step) -> None:
    """`factory sheet export`; one that finds nothing to do was done before it was killed."""
    found = oracle.command("sheet", "export", *_of_lot(floor), *_at(floor), "--out", floor.out, expect=(0, 1))
    assert _code(found) in ("", "export.nothing"), found
    for upload in floor.out.glob("*.csv"):
        oracle.command("ledger", "verify", *_at(floor), "--manifest", upload.with_suffix(".manifest.json"))


def take_in(floor: Floor, _: Step) -> None:
    """`factory sheet import` of an order with two units that are still to come."""
    order = floor.folder / "order.csv"
    if not order.exists():
        rows = [f"{plan(number).macs['eth0'].replace(':', '')},Gate {number}" for number in (501, 502)]
        write_text(order, "\n".join(["MAC,DEVICE_NAME", *rows]) + "\n")
    found = oracle.command("sheet", "import", order, *_of_lot(floor), *_at(floor), "--skip-existing")
    assert found["rows"] in (0, 2), "an order was taken in by half"
    assert len(found["skipped"]) == 2 - found["rows"]


def rework(floor: Floor, _: Step) -> None:
    """`factory unit rework` of the first unit; it may have been done already."""
    serial = plan(floor.units[0]).serial
    found = oracle.command("unit", "rework", serial, "--reason", REASON, *_at(floor), expect=(0, 1, 2))
    if "error" in found:
        assert "rework" in found["error"]["message"], found


def backup(floor: Floor, _: Step) -> None:
    """`factory ledger backup`; what has its name is whole, so a second one is refused."""
    target = floor.folder / "copy.db"
    there = target.exists()
    found = oracle.command("ledger", "backup", target, *_at(floor), expect=(0, 2))
    assert there == ("error" in found), found
    assert oracle.command("ledger", "verify", "--ledger", target)


def checkpoint(floor: Floor, _: Step) -> None:
    """`factory ledger checkpoint`, and what it is worth."""
    oracle.command("ledger", "checkpoint", *_at(floor))


def merge(floor: Floor, _: Step) -> None:
    """`factory ledger merge` of another station's ledger; what was taken over already changes nothing."""
    before = _units(floor)
    oracle.command("ledger", "merge", floor.folder / "other" / "ledger.db", *_at(floor))
    assert before in (len(floor.units), len(floor.units) + OTHERS), "another ledger was taken over by half"
    assert _units(floor) == len(floor.units) + OTHERS


OFFICE = (take_in, export, rework, export, backup, merge, checkpoint)
OTHERS = 1  # its key is not a real one, so two would have the same


def other_ledger(floor: Floor) -> None:
    """The ledger of another station, with units of its own."""
    folder = floor.folder / "other"
    folder.mkdir()
    with made.opened(folder, "S2") as ledger:
        for number in range(1, OTHERS + 1):
            made.make_pass(ledger, 900 + number, serial=f"other {number}")


def _units(floor: Floor) -> int:
    with floor.open("office") as ledger, ledger._store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(units)).scalar_one())


def _of_lot(floor: Floor) -> tuple[object, ...]:
    return ("--product", floor.product_file, "--lot", LOT)


def _at(floor: Floor) -> tuple[object, ...]:
    return ("--bench", floor.bench_file)


def _code(document: dict[str, Any]) -> str:
    return str(document.get("error", {}).get("code", ""))
