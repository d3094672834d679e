"""Orders: taken in whole or not at all, one row for one unit, the same row at every attempt."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.ledger import (
    BY_ID,
    BY_MAC,
    BY_SERIAL,
    NAME,
    Attempt,
    Ledger,
    LotChanged,
    OrderFile,
    OrderKey,
    OrderRow,
    OrderTaken,
    Refused,
    folded,
)
from factory.values import Facts, Mac, Work
from tests.ledger.made import BINDING, FINGERPRINT, LOT, admit, facts, identity, mac, make_pass, opened

pytestmark = pytest.mark.usefixtures("both_engines")

FILE = OrderFile(LOT, "router", "order.xlsx", "d" * 64, "order")


def row(number: int, *macs: int, serial: str | None = None, name: str | None = None, **cells: str) -> OrderRow:
    keys = [OrderKey(BY_MAC, mac(one).plain) for one in macs]
    keys += [OrderKey(BY_SERIAL, folded(serial))] if serial else []
    keys += [OrderKey(NAME, name.lower())] if name else []
    return OrderRow(number, {"DEVICE_NAME": name or "", **cells}, tuple(keys))


def test_a_unit_gets_its_row_by_serial_or_by_any_mac(ledger: Ledger) -> None:
    rows = [row(2, 1, SITE="by first"), row(3, 9, serial="A-26.01", SITE="by serial"), row(4, 7, SITE="by second")]
    done = ledger.import_order(FILE, rows)
    assert (done.rows, done.skipped) == (3, ())
    assert ledger.assign(facts(1), LOT).order == {"DEVICE_NAME": "", "SITE": "by first"}
    assert ledger.assign(facts(2, serial="a2601"), LOT).order["SITE"] == "by serial"
    assert ledger.assign(facts(5, 7), LOT).order["SITE"] == "by second"
    assert list(ledger.assign(facts(1), LOT).order) == ["DEVICE_NAME", "SITE"], "in the sheet's order"
    assert ledger.assign(facts(6), LOT) == Work(LOT)


def test_an_id_that_is_no_address_is_found_among_the_facts(ledger: Ledger) -> None:
    key = OrderKey(BY_ID, folded("352099001761481"))
    ledger.import_order(FILE, [OrderRow(2, {"SITE": "x"}, (key,))])
    seen = facts(1)
    assert ledger.assign(seen, LOT).order == {}
    assert ledger.assign(replace(seen, values={"imei": "352099001761481"}), LOT).order == {"SITE": "x"}


def test_a_serial_fact_of_the_product_counts_and_a_placeholder_does_not(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, serial="default", SITE="x"), row(3, serial="SN9", SITE="y")])
    assert ledger.assign(facts(1, serial="default"), LOT).order == {}
    assert ledger.assign(replace(facts(1), values={"serial": "sn-9"}), LOT).order["SITE"] == "y"
    zero = Facts({"eth0": Mac(bytes(6))})
    ledger.import_order(replace(FILE, file="b"), [OrderRow(2, {}, (OrderKey(BY_MAC, "0" * 12),))])
    assert ledger.assign(zero, LOT).order == {}


def test_a_unit_that_is_not_expected_is_refused_when_an_order_is_required(ledger: Ledger) -> None:
    with pytest.raises(Refused, match=r"has no order") as caught:
        ledger.assign(facts(1), LOT, required=True)
    assert caught.value.code == "ledger.not-on-order"
    ledger.import_order(FILE, [row(2, 1)])
    with pytest.raises(
        Refused, match=r"b8:27:eb:00:00:02.*not on the order of lot 2026-11, which has 1 rows"
    ) as caught:
        ledger.assign(facts(2), LOT, required=True)
    assert (caught.value.code, caught.value.attempt) == ("ledger.not-on-order", None)
    assert caught.value.hint
    assert ledger.assign(facts(1), LOT, required=True).order
    with pytest.raises(UsageError, match=r"no lot"):
        ledger.assign(facts(1), "nowhere")


def test_two_rows_for_one_unit_are_both_named(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1), row(3, serial="SN1")])
    with pytest.raises(Refused, match=r"2 rows for this unit .*: order.xlsx row 2 and order.xlsx row 3") as caught:
        ledger.assign(facts(1, serial="SN1"), LOT)
    assert caught.value.code == "ledger.two-order-rows"
    with pytest.raises(Refused):
        admit(ledger, 1, serial="SN1")


def test_the_next_attempt_gets_the_same_row_also_when_it_shows_less(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, serial="SN1", SITE="x")])
    first = admit(ledger, 1, serial="SN1")
    ledger.failed(first.id, "x", "y")
    assert ledger.assign(facts(1), LOT, required=True).order["SITE"] == "x", "by what the unit owns"
    again = admit(ledger, 1, serial="SN1")
    assert again.unit == first.unit
    kinds = [event.kind for event in ledger.trace("SN1").units[0].events]
    assert kinds.count("order.assigned") == 1


def test_a_row_is_one_units(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1, 2)])
    first = admit(ledger, 1, serial="SN1")
    with pytest.raises(Refused, match=r"order.xlsx row 2, belongs to unit hw-1 .* slot B") as caught:
        admit(ledger, 2, serial="SN2", slot="B")
    assert caught.value.code == "ledger.order-row-taken"
    assert caught.value.attempt is not None
    assert caught.value.other is not None and caught.value.other.id == first.id


def test_a_clone_is_called_a_clone(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1)])
    admit(ledger, 1, serial="SN1")
    with pytest.raises(Refused) as caught:
        admit(ledger, 1, serial="SN2", slot="B")
    assert caught.value.code == "ledger.clone"


def test_boards_that_share_a_bogus_serial_are_clones_and_not_two_rows(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1), row(3, 2, SITE="mine")])
    admit(ledger, 1, serial="0123456789")
    assert ledger.assign(facts(2, serial="0123456789"), LOT).order["SITE"] == "mine"
    with pytest.raises(Refused) as caught:
        admit(ledger, 2, serial="0123456789", slot="B")
    assert caught.value.code == "ledger.clone"


def test_a_unit_that_has_a_row_and_is_named_by_another(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1)])
    ledger.failed(admit(ledger, 1, serial=None).id, "x", "y")
    ledger.import_order(replace(FILE, file="more.csv"), [row(7, serial="SN1")])
    with pytest.raises(Refused, match=r"order.xlsx row 2 and more.csv row 7"):
        ledger.assign(facts(1, serial="SN1"), LOT)


def test_an_order_that_comes_while_a_unit_is_read(ledger: Ledger) -> None:
    work = ledger.assign(facts(1, serial="SN1"), LOT)
    ledger.import_order(FILE, [row(2, 1, SITE="x")])
    seen = facts(1, serial="SN1")
    with pytest.raises(Refused, match=r"its row is now order.xlsx row 2") as caught:
        _admit(ledger, seen, work)
    assert caught.value.code == "ledger.order-changed"
    assert _admit(ledger, seen, ledger.assign(seen, LOT)).unit


def _admit(ledger: Ledger, seen: Facts, work: Work) -> Attempt:
    made = identity(1, serial="SN1")
    return ledger.admit(made, seen, work=work, lot=LOT, slot="A", fingerprint=FINGERPRINT)


def test_what_is_known_stops_the_whole_import(ledger: Ledger) -> None:
    ledger.import_order(FILE, [row(2, 1, name="Gate 1", SITE="x"), row(3, 2)])
    make_pass(ledger, 5, serial="SN-5")
    rows = [
        row(2, 9),
        row(3, 1, SITE="other"),
        row(4, name="GATE 1", serial="new"),
        row(5, serial="sn5"),
        row(6, 8, name="Router 5"),
    ]
    again = replace(FILE, file="again.csv")
    with pytest.raises(OrderTaken, match=r"4 of its rows are known") as caught:
        ledger.import_order(again, rows)
    assert [one.number for one in caught.value.taken] == [3, 4, 5, 6]
    said = str(caught.value)
    assert f"row 3: mac {mac(1).plain} is order.xlsx row 2 of lot {LOT}, on the order; other there: DEVICE_NAME" in said
    assert f"row 5: serial sn5 is unit hw-5 of lot {LOT}, passed" in said
    assert ledger.assign(facts(9), LOT).order == {}, "nothing of it was taken in"
    done = ledger.import_order(again, rows, skip_existing=True)
    assert (done.rows, [one.number for one in done.skipped]) == (1, [3, 4, 5, 6])
    assert ledger.assign(facts(9), LOT).order
    nothing = ledger.import_order(again, rows, skip_existing=True)
    assert (nothing.order, nothing.rows, len(nothing.skipped)) == (None, 0, 5)


def test_a_unit_that_failed_may_come_onto_an_order(ledger: Ledger) -> None:
    ledger.failed(admit(ledger, 1, serial="SN1").id, "x", "y")
    assert ledger.import_order(FILE, [row(2, 1, SITE="late")]).rows == 1
    assert ledger.assign(facts(1, serial="SN1"), LOT).order["SITE"] == "late"


def test_an_order_of_another_lot_stands_against_it(ledger: Ledger) -> None:
    ledger.import_order(replace(FILE, lot="other"), [row(7, 1)])
    with pytest.raises(OrderTaken, match=r"is order.xlsx row 7 of lot other"):
        ledger.import_order(FILE, [row(2, 1)])


def test_an_order_belongs_to_one_product(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"is made as product router, and the order would be for camera"):
        ledger.import_order(replace(FILE, product="camera"), [row(2, 1)])
    early = replace(FILE, lot="later", product="camera")
    ledger.import_order(early, [row(2, 1)])
    with pytest.raises(UsageError, match=r"is made as product camera"):
        ledger.import_order(replace(early, product="router"), [row(2, 2)])
    with pytest.raises(LotChanged, match=r"its order order.xlsx is for product camera, this is router"):
        ledger.bind_lot("later", BINDING)
    ledger.bind_lot("later", replace(BINDING, product="camera"))
    assert ledger.assign(facts(1), "later").order


def test_a_key_that_stands_in_an_order_twice_is_the_callers_bug(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"same key"):
        ledger.import_order(FILE, [row(2, 1), row(3, 1)])


Plan = Sequence[tuple[frozenset[int], str | None]]
_KEYS = st.tuples(st.frozensets(st.integers(1, 6), max_size=2), st.sampled_from([None, "SN1", "SN2", "SN3"])).filter(
    lambda one: bool(one[0] or one[1])
)


@given(
    files=st.lists(st.lists(_KEYS, min_size=1, max_size=3), min_size=1, max_size=3),
    units=st.lists(_KEYS, min_size=1, max_size=4),
    skip=st.booleans(),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_orders_against_a_model(files: Sequence[Plan], units: Plan, skip: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as ledger:
        kept: dict[str, set[object]] = {}
        for at, plan in enumerate(files):
            _import(ledger, f"file{at}", plan, kept, skip=skip)
        for macs, serial in units:
            shown = set(macs) | ({serial} if serial else set())
            matches = sorted(name for name, keys in kept.items() if keys & shown)
            unit = facts(*sorted(macs), serial=serial)
            if len(matches) > 1:
                with pytest.raises(Refused) as caught:
                    ledger.assign(unit, LOT, required=True)
                assert caught.value.code == "ledger.two-order-rows"
            elif matches:
                assert ledger.assign(unit, LOT, required=True).order["WHICH"] == matches[0]
            else:
                with pytest.raises(Refused) as caught:
                    ledger.assign(unit, LOT, required=True)
                assert caught.value.code == "ledger.not-on-order"
        assert ledger.verify() == ()


def _import(ledger: Ledger, name: str, plan: Plan, kept: dict[str, set[object]], *, skip: bool) -> None:
    """Import a file into the ledger and into the model: rows by 'file:row' with their keys."""
    rows = [row(at, *sorted(macs), serial=serial, WHICH=f"{name}:{at}") for at, (macs, serial) in enumerate(plan, 2)]
    keys: Mapping[int, set[object]] = {at: set(m) | ({s} if s else set()) for at, (m, s) in enumerate(plan, 2)}
    file = replace(FILE, file=name)
    if sum(len(one) for one in keys.values()) != len(set().union(*keys.values())):
        with pytest.raises(ValueError, match=r"same key"):
            ledger.import_order(file, rows, skip_existing=skip)
        return
    known = set().union(*kept.values()) if kept else set()
    taken = {at for at, one in keys.items() if one & known}
    if taken and not skip:
        with pytest.raises(OrderTaken) as caught:
            ledger.import_order(file, rows)
        assert {one.number for one in caught.value.taken} == taken
        return
    done = ledger.import_order(file, rows, skip_existing=skip)
    assert {one.number for one in done.skipped} == taken
    kept |= {f"{name}:{at}": one for at, one in keys.items() if at not in taken}
    assert done.rows == len(keys) - len(taken)
