"""A whole line with an order: names and categories from the row, and nothing that is not expected."""

from __future__ import annotations

from pathlib import Path

from factory.line import Outcome
from factory.lots import export, import_order
from factory.sheets import REMOTEIT_BULK, decode_csv
from tests.line.floor import LOT, SERIAL, SSH, Floor, by_slot, plan

SETTINGS = {
    "order.required": True,
    "identity.device_name": "{{ order.DEVICE_NAME }}",
    "identity.categories": {"A": "{{ order.CATEGORY_A }}", "B": "{{ lot }}"},
}


def test_units_get_what_the_order_says_and_strangers_are_refused(tmp_path: Path) -> None:
    units = [plan(1), plan(2, SERIAL), plan(3), plan(4)]
    with Floor(tmp_path, units, settings=SETTINGS) as floor:
        order = tmp_path / "order.csv"
        order.write_text(
            "SERIAL,MAC,DEVICE_NAME,CATEGORY_A\n"
            "sn-000001,,Gate North,Kyoto\n"  # by serial, as the label writes it
            ",B8-27-EB-00-02-01,Gate South,Osaka\n"  # by the second interface
            "SN000004,,Gate East,\n"
            ",b827eb000400,Gate West,\n"  # the same unit again, by its MAC
        )
        assert import_order(floor.ledger, floor.product, LOT, order).rows == 4
        rows = by_slot(floor.run(4))
        outcome = {unit.name: rows[f"slot-{at:02d}"] for at, unit in enumerate(floor.bench.units, 1)}
        assert [outcome[name].outcome for name in ("u1", "u2")] == [Outcome.PASSED, Outcome.PASSED]
        stranger, double = outcome["u3"], outcome["u4"]
        assert (stranger.outcome, stranger.code) == (Outcome.REFUSED, "ledger.not-on-order")
        assert stranger.cause is not None and "SN000003" in stranger.cause and stranger.hint
        assert (double.outcome, double.code) == (Outcome.REFUSED, "ledger.two-order-rows")
        assert double.cause is not None and "order.csv row 4 and order.csv row 5" in double.cause
        for name in ("u3", "u4"):
            assert floor.unit(int(name[1:])).boots == 1, "a refused unit is not touched"
        done = export(floor.ledger, floor.product, LOT, tmp_path / "out")
        sent = {row[1]: row[2:5] for row in decode_csv(done.files[0].read_bytes(), REMOTEIT_BULK)}
        assert sent == {
            "b827eb000100": ("Gate North", "Kyoto", LOT),
            "b827eb000200": ("Gate South", "Osaka", LOT),
        }
        assert floor.ledger.verify() == ()
        assigned = [event for event in floor.ledger.trace("SN000001").units[0].events if event.kind == "order.assigned"]
        assert [(event.data["file"], event.data["row"]) for event in assigned] == [("order.csv", 2)]


def test_without_an_order_a_required_one_refuses_every_unit(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)], settings=SETTINGS) as floor:
        (row,) = floor.run(1).rows
        assert (row.outcome, row.code) == (Outcome.REFUSED, "ledger.not-on-order")
        assert row.cause is not None and "has no order" in row.cause
