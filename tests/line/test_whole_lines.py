"""Whole lines over real ports, real SSH, a real database and a real shell on each simulated unit."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from factory.images import read_image
from factory.line import Outcome
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import demo_plans
from tests.line.floor import BOTH, LOT, SERIAL, SSH, Floor, by_slot, outcomes, plan
from tests.line.leaks import leaks, probe


def test_a_bench_of_six_with_a_clone_pair_and_a_zero_unit(tmp_path: Path) -> None:
    with Floor(tmp_path, demo_plans(6)) as floor:
        summary = floor.run(6)
        rows = by_slot(summary)
        assert (summary.passed, summary.refused, summary.failed) == (4, 2, 0), outcomes(summary)
        assert rows["slot-05"].code == "ID-SENTINEL"
        pair = {rows["slot-01"].code, rows["slot-04"].code}
        assert pair == {None, "ledger.clone"}
        for number, unit in enumerate(floor.bench.units, 1):
            row = rows[f"slot-{number:02d}"]
            assert row.transcript.is_file()
            assert stat.S_IMODE(row.transcript.stat().st_mode) == 0o600
            written = unit.root / "etc/connectd/hardware_id.txt"
            if row.outcome is Outcome.PASSED:
                assert row.image is not None
                assert read_image(row.image).contents["hardware_id.txt"].decode().strip() == row.hardware_id
                assert written.read_text().strip() == row.hardware_id
                assert unit.boots == 2, "proved after one reboot"
            else:
                assert row.image is None
                assert unit.boots == 1, "a refused unit is not touched"
                assert row.hardware_id is None or written.read_text().strip() != row.hardware_id
        assert {unit.hardware_id for unit in floor.ledger.passed_units(LOT)} == {
            row.hardware_id for row in summary.rows if row.outcome is Outcome.PASSED
        }
        assert floor.ledger.verify() == ()
        json.dumps(summary.as_json())
        assert len(floor.transcripts()) == 6
        slot_events(floor)
        secrets = floor.secrets()
        assert len(secrets) == 6
        ours = [*floor.transcripts(), *tmp_path.glob("ledger.db*"), *tmp_path.glob("images/*.manifest.json")]
        assert leaks(ours, secrets) == []
        said = tmp_path / "said.json"
        said.write_text(json.dumps([summary.as_json(), [event.as_json() for event in floor.events]]))
        assert leaks([said], secrets) == []


def test_the_search_for_leaks_finds_every_hiding_place(tmp_path: Path) -> None:
    for number, hidden in enumerate(probe("S3CRETS3CRETS3CRET")):
        file = tmp_path / str(number)
        file.write_bytes(b"noise " + hidden + b" noise")
        assert leaks([file], ["S3CRETS3CRETS3CRET"]) == [f"{number}: secret 0"]


def slot_events(floor: Floor) -> None:
    """Every outcome came as an event that the ledger has too, and in the ledger's order."""
    numbered = [event for event in floor.events if event.seq is not None]
    assert [event.seq for event in numbered] == sorted(event.seq for event in numbered if event.seq is not None)
    kinds = [event.kind for event in numbered]
    for kind, count in {
        "attempt.admitted": 4,
        "attempt.flashing": 4,
        "attempt.passed": 4,
        "attempt.refused": 2,
    }.items():
        assert kinds.count(kind) == count, (kind, kinds)
    assert kinds[-2:] == ["station.stopped", "ledger.checkpoint"]
    last = {event.slot: event.data["text"] for event in floor.events if event.kind == "slot.state"}
    assert sum(str(text).startswith("PASS remove") for text in last.values()) == 4
    assert sum(str(text).startswith("FAIL remove: ") for text in last.values()) == 2


FAULTS: dict[int, tuple[frozenset[str], Fault, set[tuple[str, str | None]]]] = {
    1: (SSH, Fault.WRONG_PASSWORD, {("failed", "unit.login-incorrect")}),
    2: (SERIAL, Fault.WRONG_PASSWORD, {("failed", "unit.login-incorrect")}),
    3: (SSH, Fault.FORGETS_ON_REBOOT, {("failed", "prove.forgot")}),
    4: (SSH, Fault.VOLATILE_CONNECTD, {("failed", "flash.not-persistent")}),
    5: (SSH, Fault.READ_ONLY_CONNECTD, {("failed", "flash.not-persistent")}),
    6: (BOTH, Fault.LEFTOVER_FILES, {("failed", "flash.leftover")}),
    7: (SSH, Fault.RUNNING_CONNECTD, {("failed", "flash.running")}),
    8: (SSH, Fault.DISK_FULL, {("failed", "flash.space")}),
    9: (SSH, Fault.HOSTILE_NEWLINE, {("failed", "unit.facts")}),
    10: (SSH, Fault.HOSTILE_BYTES, {("failed", "unit.facts")}),
    11: (SERIAL, Fault.U_BOOT, {("failed", "unit.console.u-boot")}),
    12: (SERIAL, Fault.PASSWORD_CHANGE, {("failed", "unit.console.password-change")}),
    13: (SERIAL, Fault.LOGGED_IN, {("passed", None)}),
    14: (BOTH, Fault.KERNEL_MESSAGES, {("passed", None)}),
    15: (SSH, Fault.NO_SHA256SUM, {("passed", None)}),
    16: (SSH, Fault.ZERO_MAC, {("refused", "ID-SENTINEL")}),
    17: (SERIAL, Fault.BOOT_NOISE, {("passed", None)}),
    18: (SERIAL, Fault.PRESS_ENTER, {("passed", None)}),
    19: (SERIAL, Fault.EMERGENCY_SHELL, {("failed", "unit.console.emergency")}),
    20: (SSH, Fault.NEW_HOST_KEY, {("failed", "line.host-key-changed")}),
}


def test_every_fault_ends_in_its_named_outcome_and_hinders_nobody(tmp_path: Path) -> None:
    plans = [plan(number, routes, fault) for number, (routes, fault, _) in FAULTS.items()]
    with Floor(tmp_path, [*plans, plan(21)]) as floor:
        found = outcomes(floor.run(21))
        wrong = {
            f"{fault} over {'+'.join(sorted(routes))}": found[f"slot-{number:02d}"]
            for number, (routes, fault, wanted) in FAULTS.items()
            if found[f"slot-{number:02d}"] not in wanted
        }
        assert wrong == {}
        assert found["slot-21"] == ("passed", None)
        assert floor.ledger.verify() == ()


def test_a_product_for_real_units_never_touches_a_simulated_one_nor_the_host(tmp_path: Path) -> None:
    """Absolute paths lead out of a simulated unit's folder: both routes refuse before anything is admitted."""
    host = tmp_path / "host-connectd"
    paths = {"connectd_dir": str(host), "interfaces_dir": "/sys/class/net", "mounts_file": "/proc/mounts"}
    settings = {"unit.simulated": False, **{f"unit.{name}": path for name, path in paths.items()}}
    with Floor(tmp_path, [plan(1, SSH), plan(2, SERIAL)], settings=settings) as floor:
        assert set(outcomes(floor.run(2)).values()) == {("failed", "unit.simulated")}
        assert not host.exists()
        assert not [event for event in floor.events if event.kind == "attempt.admitted"]
