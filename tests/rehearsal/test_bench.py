"""Plans and whole benches."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import load_bench
from factory.errors import UsageError
from factory.rehearsal.bench import SimulatedBench, resolved
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import ZERO, UnitPlan, another_unit, bench_plans, demo_plans
from tests.rehearsal.raw import ssh


def test_the_demo_s_six_units() -> None:
    plans = demo_plans(6)
    assert Counter(tuple(sorted(plan.routes)) for plan in plans) == {
        ("serial",): 2,
        ("ssh",): 2,
        ("serial", "ssh"): 2,
    }
    assert sum(plan.connectd_control for plan in plans) == 3
    assert all(set(plan.macs) == {"wlan0", "eth0"} for plan in plans)


@given(st.integers(3, 200), st.integers(0, 50))
def test_any_demo_has_one_clone_pair_and_one_zero_unit(count: int, seed: int) -> None:
    plans = demo_plans(count, seed)
    assert plans == demo_plans(count, seed)
    addresses = Counter(mac for plan in plans for mac in set(plan.macs.values()) if mac != ZERO)
    assert sorted(addresses.values())[-3:] == ([1, 2, 2] if count > 3 else [2, 2])
    assert sum(Fault.ZERO_MAC in plan.faults for plan in plans) == 1
    assert sum(ZERO in plan.macs.values() for plan in plans) == 1
    assert len({plan.serial for plan in plans}) == len({plan.name for plan in plans}) == count
    strangers = {mac for plan in plans for mac in another_unit(plan).macs.values()}
    assert not strangers & set(addresses)


@pytest.mark.parametrize("count", [0, 2, 1000])
def test_a_bench_too_small_or_too_large_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="not possible"):
        demo_plans(count)


def test_units_to_practise_on_are_sound_apart_from_their_faults() -> None:
    plans = bench_plans(4, frozenset({Fault.SLOW_ECHO}))
    assert all(plan.routes == {"serial", "ssh"} and plan.connectd_control for plan in plans)
    assert len({mac for plan in plans for mac in plan.macs.values()}) == 8
    assert all(plan.faults == {Fault.SLOW_ECHO} for plan in plans)
    with pytest.raises(UsageError, match="not possible"):
        bench_plans(0)


def test_where_all_are_clones_all_have_the_addresses_of_the_first() -> None:
    clones = resolved(bench_plans(3, frozenset({Fault.CLONE})))
    assert [plan.macs for plan in clones] == [clones[0].macs] * 3
    assert resolved(demo_plans(6)) == demo_plans(6)


def test_plans_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="at least one"):
        UnitPlan("x", {}, "1", frozenset())
    lonely = UnitPlan("x", {"eth0": "b8:27:eb:00:00:01"}, "1", faults=frozenset({Fault.CLONE}))
    with pytest.raises(UsageError, match="another unit"):
        resolved([lonely])
    with pytest.raises(UsageError, match="same name"):
        resolved([lonely, lonely])


def test_the_bench_file_is_one_that_the_configuration_reads(tmp_path: Path) -> None:
    with SimulatedBench(tmp_path / "bench", demo_plans(6), boot_seconds=0.1) as bench:
        bench.write_bench_toml(tmp_path / "bench.toml", station="here")
        read = load_bench(tmp_path / "bench.toml")
        unit = tomllib.loads(bench.unit_toml())["unit"]
        assert read.station.name == "here"
        for slot, simulated in zip(read.slot, bench.units, strict=True):
            assert (slot.serial.port if slot.serial else None) == simulated.serial_port
            assert ((slot.ssh.host, slot.ssh.port) if slot.ssh else None) == simulated.ssh_address
            assert slot.power is not None
        password = Path(unit["login"]["password"].removeprefix("file:"))
        assert password == bench.password_file
        assert password.stat().st_mode & 0o777 == 0o600
        assert password.read_text().strip() == bench.units[0].password


def test_twenty_four_units_boot_and_answer(tmp_path: Path) -> None:
    with SimulatedBench(tmp_path / "bench", demo_plans(24), boot_seconds=0.5) as bench:
        for unit in bench.units:
            if unit.ssh_address:
                assert ssh(unit, "cat sys/class/net/eth0/address").strip() == unit.plan.macs["eth0"]
