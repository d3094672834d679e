"""Which units lie on a simulated bench: names, addresses, routes, faults."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from factory.errors import UsageError
from factory.rehearsal.faults import Fault

ZERO = "00:00:00:00:00:00"
OUI = "b8:27:eb"
INTERFACES = ("eth0", "wlan0")
SERIAL_ROUTE = "serial"
SSH_ROUTE = "ssh"


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What one simulated unit is, before it is built.

    `macs` maps interface names to MACs in lower-case colon form; `serial` is the board serial; `routes` holds
    "serial", "ssh" or both; `faults` act from the first boot on, with their default parameters. With `environment` the
    unit has fw_setenv, and takes its addresses from what was set by it at each boot (`ethaddr`, `eth1addr` and so on).
    """

    name: str
    macs: Mapping[str, str]
    serial: str
    routes: frozenset[str] = frozenset({SERIAL_ROUTE, SSH_ROUTE})
    connectd_control: bool = True
    faults: frozenset[Fault] = frozenset()
    model: str = "Rehearsal Board 3 Rev 1.2"
    left_out: frozenset[str] = field(default=frozenset())
    environment: bool = False

    def __post_init__(self) -> None:
        if not self.routes or self.routes - {SERIAL_ROUTE, SSH_ROUTE}:
            raise UsageError(f"unit {self.name}: routes are 'serial' and 'ssh', at least one of them")


def demo_plans(count: int, seed: int = 0) -> tuple[UnitPlan, ...]:
    """Return the units of the demo: of every six, two on serial only, two on SSH only, two on both; half of them
    with a connectd_control; over the whole bench one clone pair and one unit with zero MACs.

    The same `count` and `seed` give the same units. Raises UsageError when `count` is below 3.
    """
    if not 3 <= count <= 999:
        raise UsageError(
            f"a demo bench of {count} units is not possible",
            hint="Give 3 to 999: a clone pair and a unit with zero MACs are always among them.",
            code="rehearsal.count",
        )
    plans = _sound_plans(count, seed)
    # Whichever of the pair is refused, units on serial, on SSH and on both are left to pass.
    twin, clone, zero = (0, 3, 4) if count > 4 else (0, 1, 2)
    plans[clone] = replace(plans[clone], macs=plans[twin].macs, faults=frozenset({Fault.CLONE}))
    plans[zero] = replace(plans[zero], macs=dict.fromkeys(INTERFACES, ZERO), faults=frozenset({Fault.ZERO_MAC}))
    return tuple(plans)


def bench_plans(count: int, faults: frozenset[Fault] = frozenset(), seed: int = 1) -> tuple[UnitPlan, ...]:
    """Return units to practise on: each with both routes, a connectd_control and the same `faults`.

    The same `count` and `seed` give the same units. Raises UsageError when `count` is below 1.
    """
    if not 1 <= count <= 999:
        raise UsageError(f"a bench of {count} units is not possible", hint="Give 1 to 999.", code="rehearsal.count")
    routes = frozenset({SERIAL_ROUTE, SSH_ROUTE})
    return tuple(
        replace(plan, routes=routes, connectd_control=True, faults=faults) for plan in _sound_plans(count, seed)
    )


def unaddressed(plans: Sequence[UnitPlan], default: str = ZERO) -> tuple[UnitPlan, ...]:
    """The same units as a board maker ships them: no address of their own but a `default`, and an environment that
    keeps what is set by fw_setenv.
    """
    return tuple(replace(plan, macs=dict.fromkeys(plan.macs, default), environment=True) for plan in plans)


def another_unit(plan: UnitPlan) -> UnitPlan:
    """Return a sound unit of the same kind with other addresses and serial: what a swap puts in the slot."""
    # Demo units end below 0xF00000; the serial keeps two swapped units apart.
    base = 0xF00000 | zlib.crc32(plan.serial.encode()) & 0xFFFF0
    macs = {name: _mac(base + offset) for offset, name in enumerate(plan.macs)}
    return replace(plan, name=f"{plan.name}x", macs=macs, serial=plan.serial[::-1], faults=frozenset())


def _sound_plans(count: int, seed: int) -> list[UnitPlan]:
    generator = random.Random(seed)  # noqa: S311 - repeatable, not secret
    base = generator.randrange(0x100000, 0xE00000) & ~1
    return [_plan(index, base, generator) for index in range(count)]


def _plan(index: int, base: int, generator: random.Random) -> UnitPlan:
    routes = (
        frozenset({SERIAL_ROUTE}),
        frozenset({SSH_ROUTE}),
        frozenset({SERIAL_ROUTE, SSH_ROUTE}),
    )[index % 3]
    return UnitPlan(
        name=f"unit-{index + 1:02d}",
        macs={name: _mac(base + 2 * index + offset) for offset, name in enumerate(INTERFACES)},
        serial=f"10000000{generator.getrandbits(32):08x}",
        routes=routes,
        connectd_control=index % 6 in {0, 1, 5},
    )


def _mac(number: int) -> str:
    digits = f"{number & 0xFFFFFF:06x}"
    return ":".join([OUI, digits[:2], digits[2:4], digits[4:]])
