"""Units that come without an address: it is given, written, read back, and is the unit's for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from factory.ledger.pool_records import PlacedRun, PoolFile, PoolState
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import ZERO, UnitPlan
from factory.values.pools import Numbered, PoolKind, Run
from tests.line.floor import BOTH, SERIAL, SSH, Floor, outcomes, plan

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
    first, second = ((folder / name / "address").read_text().strip() for name in ("eth0", "wlan0"))
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


def kinds(floor: Floor) -> list[str]:
    return [event.kind for event in floor.events if event.kind.startswith("pool.")]


def test_units_without_addresses_get_one_each_over_serial_and_ssh_and_pass(tmp_path: Path) -> None:
    plans = [bare(1, routes=BOTH), bare(2, macs={"eth0": "02:00:00:00:00:01", "wlan0": "02:00:00:00:00:02"})]
    with pooled(tmp_path, plans) as floor:
        summary = floor.run(2)
        assert outcomes(summary) == {"slot-01": ("passed", None), "slot-02": ("passed", None)}
        assert sorted(shown(floor, number) for number in (1, 2)) == addresses(0, 1)
        for row in summary.rows:
            number = int(row.slot[-1])
            assert row.hardware_id == shown(floor, number)[0].replace(":", "")
            found = floor.ledger.trace(shown(floor, number)[1])
            assert "pool.bound" in [event.kind for event in found.units[0].events]
        assert (state(floor).given, state(floor).remaining) == (2, 6)
