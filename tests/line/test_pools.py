"""Units that come without an address: it is given, written, read back, and is the unit's for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factory.errors import UsageError
from factory.ledger.pool_records import PlacedRun, PoolFile, PoolState, Want
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import ZERO, UnitPlan
from factory.values import UnitState
from factory.values.pools import Numbered, PoolKind, Run
from tests.ledger import made
from tests.line.floor import BOTH, LOT, SERIAL, SSH, Floor, by_slot, outcomes, plan
from tests.line.test_interrupt import at_work, heard

POOL = """
[[pool]]
name = "lan"
count = 2
align = 2
interfaces = { eth0 = 0, wlan0 = 1 }
low_water = 3
lease = 2

[pool.write]
command = "fw_setenv ethaddr {{ mac.eth0 }} && fw_setenv eth1addr {{ mac.wlan0 }}"
"""
FIRST = 0xB827EB100000


def bare(number: int, *faults: Fault, routes: frozenset[str] = SSH, **changes: Any) -> UnitPlan:
    """A unit as its maker ships it: no address, an environment that keeps one."""
    macs = changes.pop("macs", {"eth0": ZERO, "wlan0": ZERO})
    return plan(number, routes, *faults, macs=macs, environment=True, **changes)


def addresses(*cells: int) -> list[tuple[str, str]]:
    """The addresses of these cells, counted from the pool's first."""
    texts = [f"{FIRST + 2 * cell + offset:012x}" for cell in cells for offset in (0, 1)]
    colons = [":".join(text[at : at + 2] for at in range(0, 12, 2)) for text in texts]
    return list(zip(colons[::2], colons[1::2], strict=True))


def shown(floor: Floor, number: int) -> tuple[str, str]:
    folder = floor.unit(number).root / "sys/class/net"
    first, second = ((folder / name / "address").read_text().strip().lower() for name in ("eth0", "wlan0"))
    return first, second


@contextmanager
def pooled(
    folder: Path,
    plans: Sequence[UnitPlan],
    *,
    cells: int = 8,
    pool: str = POOL,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Floor]:
    """A floor whose product gives addresses, with so many of them."""
    with Floor(folder, plans, settings=settings) as floor:
        floor.product_file.write_text(floor.product_file.read_text() + pool)
        floor.ledger.close()
        floor.open()
        spec = floor.product.pool[0].spec(floor.product.product.name)
        run = Run.counted(Numbered(PoolKind.MAC, "", 12, FIRST), 2 * cells)
        floor.ledger.import_pool(spec, PoolFile("reel.csv", "e" * 64), [PlacedRun(run, "line 1")])
        yield floor
        assert floor.ledger.verify() == ()


def state(floor: Floor) -> PoolState:
    (one,) = floor.ledger.pool_states()
    return one


def test_units_without_addresses_get_one_each_and_pass(tmp_path: Path) -> None:
    made_up = {"eth0": "02:00:00:00:00:01", "wlan0": "02:00:00:00:00:02"}
    default = {"eth0": "00:e0:4c:68:00:01", "wlan0": "00:e0:4c:68:00:01"}  # one that every board of a maker has
    plans = [
        bare(1, routes=BOTH),
        bare(2, macs=made_up),
        bare(3, macs=default),
        bare(4, macs=default),
        bare(5, serial="SN000001"),  # the same key as the first
        bare(6, serial="0000000000"),
        bare(7, model="Board of the wrong kind"),
        bare(8, macs={"eth0": ZERO}),
    ]
    settings = {
        "prove.first_article": True,
        "unit.facts.board": "cat proc/device-tree/model",
        "identity.device_name": "{{ assigned.lan }}{{ '!' if 'wrong' in facts.board }}",
    }
    with pooled(tmp_path, plans, settings=settings) as floor:
        summary = floor.run(8)
        rows = by_slot(summary)
        assert {slot: row.outcome for slot, row in rows.items() if row.slot[-1] not in "15"} == {
            "slot-02": "passed",
            "slot-03": "passed",
            "slot-04": "passed",
            "slot-06": "refused",
            "slot-07": "refused",
            "slot-08": "refused",
        }
        assert [rows[f"slot-0{number}"].code for number in (6, 7, 8)] == [
            "pool.no-key",
            "NAME-CHR",
            "pool.no-interface",
        ]
        for number in (6, 7, 8):
            assert not (floor.unit(number).root / "etc/uboot.env").exists()
        first = {str(rows[slot].outcome): rows[slot] for slot in ("slot-01", "slot-05")}
        assert set(first) == {"passed", "refused"}
        assert str(first["refused"].code) in ("pool.in-work", "pool.key-passed")
        assert shown(floor, int(first["refused"].slot[-1])) == (ZERO, ZERO)
        passed = [row for row in summary.rows if row.outcome == "passed"]
        own_cells = {shown(floor, int(row.slot[-1])) for row in passed}
        assert len(own_cells) == 4
        assert own_cells < set(addresses(0, 1, 2, 3, 4))  # one is the refused unit's, should it ever be mended
        for row in passed:
            own = shown(floor, int(row.slot[-1]))
            assert row.hardware_id == own[0].replace(":", "")
            (unit,) = floor.ledger.trace(own[1]).units
            assert "pool.bound" in [event.kind for event in unit.events]
        assert (state(floor).given, state(floor).remaining) == (5, 3)

        # A unit that came back for rework and lost its addresses gets them again; one that shows another's is a clone.
        number = 2
        own = shown(floor, number)
        floor.ledger.change_unit(own[0], UnitState.REWORK, "a new flash chip")
        forget(floor, number)
        floor.clear_leftovers(number)
        taken = floor.unit(3).root / "sys/class/net/eth0/address"
        floor.unit(6).swap(bare(16, macs={"eth0": taken.read_text().strip(), "wlan0": ZERO}), logged_in=False)
        again = floor.run(2, slots=["slot-02", "slot-06"])
        assert outcomes(again) == {"slot-02": ("passed", None), "slot-06": ("refused", "pool.foreign")}
        assert shown(floor, number) == own
        assert (state(floor).given, state(floor).remaining) == (5, 3)


def forget(floor: Floor, number: int) -> None:
    """Let a unit lose what fw_setenv kept, as a new flash chip does."""
    unit = floor.unit(number)
    (unit.root / "etc/uboot.env").unlink()
    unit.power_off()
    unit.power_on()
    unit.wait_until_settled()
    assert shown(floor, number)[0] != shown(floor, 1)[0]


def test_a_unit_that_does_not_keep_its_address_fails_and_gets_the_same_again(tmp_path: Path) -> None:
    plans = [bare(1, Fault.FORGETS_ADDRESS), bare(2), bare(3), bare(4)]
    with pooled(tmp_path, plans, cells=2) as floor:
        # Committed for a unit, and then the station was cut off: the next attempt gives it the same.
        product = floor.product.pool[0].spec(floor.product.product.name)
        (given,) = floor.ledger.give_cells([Want(product, "SN000002")], made.facts(serial="SN000002"), slot="slot-02")
        summary = floor.run(2, slots=["slot-01", "slot-02"])
        assert outcomes(summary) == {"slot-01": ("failed", "pool.not-taken"), "slot-02": ("passed", None)}
        assert shown(floor, 2)[0].replace(":", "") == given.value
        (row,) = [row for row in summary.rows if row.slot == "slot-01"]
        assert "eth0 shows 00:00:00:00:00:00 and should show b8:27:eb:10:00:02" in (row.cause or "")
        floor.unit(1).board.folder.faults.discard(Fault.FORGETS_ADDRESS)
        rest = floor.run(3, slots=["slot-01", "slot-03", "slot-04"])
        assert outcomes(rest) == {
            "slot-01": ("passed", None),
            "slot-03": ("refused", "pool.exhausted"),
            "slot-04": ("refused", "pool.exhausted"),
        }
        assert [shown(floor, number) for number in (2, 1)] == addresses(0, 1)
        for number in (3, 4):
            assert not (floor.unit(number).root / "etc/uboot.env").exists()
        warnings = [str(event.data["message"]) for event in floor.events if event.kind == "line.warning"]
        assert any("pool lan has values for 0 more units" in text for text in warnings)
        (unit,) = floor.ledger.trace("b8:27:eb:10:00:02").units
        kinds = [event.kind for event in unit.events]
        assert [kind for kind in kinds if "pool." in kind][:3] == ["pool.given", "pool.writing", "pool.not-taken"]

        # A line starts only with pools that fit what was imported.
        text = floor.product_file.read_text()
        for changed, code in (
            (text.replace("mac.wlan0", "mac.usb7"), "pool.command"),
            (text.replace("count = 2", "count = 4"), "pool.changed"),
            (text.replace('name = "lan"', 'name = "other"'), "pool.unknown"),
        ):
            floor.product_file.write_text(changed)
            floor.ledger.close()
            floor.open()
            with pytest.raises(UsageError) as caught:
                floor.line()
            assert caught.value.code == code


def test_a_station_killed_before_and_after_the_write_gives_the_same_again(tmp_path: Path) -> None:
    with pooled(tmp_path, [bare(1)]) as floor:
        for kind in ("pool.given", "pool.writing"):
            with at_work(floor) as process:
                heard(process, kind)
                os.kill(process.pid, signal.SIGKILL)
                process.wait(10)
            assert (state(floor).given, state(floor).remaining) == (1, 7)
        floor.unit(1).wait_until_settled()
        (row,) = floor.run(1).rows
        assert row.outcome == "passed"
        assert [shown(floor, 1)] == addresses(0)
        assert (state(floor).given, state(floor).remaining) == (1, 7)


def test_a_unit_that_lost_its_address_is_still_owed_its_old_content(tmp_path: Path) -> None:
    """It has no serial: only its key of the pool says who it is, so the debt is found once it has its address again."""
    pool = POOL.replace("low_water", "key = 'cpu'\nlow_water")
    settings = {"unit.facts.cpu": "cat etc/hostname"}
    with pooled(tmp_path, [bare(1, serial="0")], pool=pool, settings=settings) as floor:
        with floor.running() as running:
            running.wait("attempt.flashed")
            floor.unit(1).power_off()
        assert len(floor.ledger.pending_restores()) == 1
        own = shown(floor, 1)
        (floor.unit(1).root / "etc/uboot.env").unlink()
        floor.unit(1).power_on()
        floor.unit(1).wait_until_settled()
        assert shown(floor, 1) == (ZERO, ZERO)
        (row,) = floor.run(1).rows
        assert (row.outcome, row.cause) == ("passed", None)
        assert shown(floor, 1) == own
        assert floor.ledger.pending_restores() == ()
        kinds = [event.kind for event in floor.events if event.kind.split(".")[0] in ("pool", "restore", "attempt")]
        assert kinds.index("pool.written") < kinds.index("restore.done") < kinds.index("attempt.admitted")


def test_a_lost_reply_an_own_command_and_a_serial_of_a_pool(tmp_path: Path) -> None:
    """The command of the first pool ends the session at its first call, so its reply is lost; a second pool gives the
    serial, by a fact; the power is cut to make the first count.
    """
    once = "{ [ -e etc/once ] || { touch etc/once; kill -9 $PPID; }; }"
    pool = POOL.replace("low_water", "key = 'cpu'\nlow_water").replace(
        'eth1addr {{ mac.wlan0 }}"', f'eth1addr {{{{ mac.wlan0 | upper }}}} && {once}"\nreboot = "power"'
    )
    serials = """
[[pool]]
name = "sn"
kind = "serial"
key = "cpu"

[pool.write]
command = "echo {{ value }} >etc/serial"
shown_by = "label"
reboot = "none"
"""
    settings = {
        "unit.facts.cpu": "sed -n 's/.*: //p' proc/cpuinfo | tail -n 1",
        "unit.facts.label": "cat etc/serial 2>/dev/null || echo unset",
        "identity.device_name": "router {{ assigned.sn }} {{ assigned.lan_wlan0 }}",
    }
    with pooled(tmp_path, [bare(1)], pool=pool + serials, settings=settings) as floor:
        spec = floor.product.pool[1].spec(floor.product.product.name)
        run = Run.counted(Numbered.parse(PoolKind.SERIAL, "A26-00007"), 10)
        floor.ledger.import_pool(spec, PoolFile("labels.csv", "f" * 64), [PlacedRun(run, "line 1")])
        (lost,) = floor.run(1).rows
        assert lost.outcome == "failed"
        assert (floor.unit(1).root / "etc/once").exists()
        (row,) = floor.run(1).rows
        assert (row.outcome, row.cause) == ("passed", None)
        assert [shown(floor, 1)] == addresses(0)
        assert (floor.unit(1).root / "etc/serial").read_text() == "A26-00007\n"
        (unit,) = floor.ledger.passed_units(LOT)
        assert unit.device_name == f"router A26-00007 {shown(floor, 1)[1].replace(':', '')}"
        assert {one.name: one.given for one in floor.ledger.pool_states()} == {"lan": 1, "sn": 1}


def test_units_swapped_while_one_is_written_to_burn_the_value(tmp_path: Path) -> None:
    with pooled(tmp_path, [bare(1, routes=SERIAL)]) as floor:
        request = f'(sleep 0.4; echo swap >{floor.unit(1).control}/requests) >/dev/null 2>&1 </dev/null &"'
        text = floor.product_file.read_text().replace(
            'eth1addr {{ mac.wlan0 }}"', f"eth1addr {{{{ mac.wlan0 }}}}; {request}"
        )
        floor.product_file.write_text(text)
        floor.ledger.close()
        floor.open()
        (row,) = floor.run(1).rows
        assert (row.outcome, row.code) == ("failed", "pool.other-unit")
        assert (state(floor).given, state(floor).burned) == (0, 1)
