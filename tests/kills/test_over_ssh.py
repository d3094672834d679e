"""The same over real SSH, and with units that are processes of their own: a few kills, since each takes seconds."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from factory.values import AttemptState
from tests.kills.test_kills import CHECKOUT, KILLS, SECONDS, SEED
from tests.line.floor import CODE, SSH, Floor, plan

STEPS = 330  # of two units that pass
FINAL = {state for state in AttemptState if state.is_final}


@pytest.mark.timeout(SECONDS + 60)
def test_two_units_over_ssh(tmp_path: Path) -> None:
    """After each kill the units are worked again, and pass; then others lie in the slots."""
    chance, kills = random.Random(SEED), max(3, KILLS // 5)
    with Floor(tmp_path, [plan(number, SSH) for number in (1, 2)]) as floor:
        for number in range(kills):
            said = killed(floor, chance.randint(40, STEPS))
            assert {finding.code for finding in floor.ledger.doctor()} <= {"LEDGER-OPEN", "LEDGER-RESTORE"}, said
            assert worked(floor) or worked(floor), said
            judged(floor, 2 * (number + 1), said)
            for unit in floor.bench.units:
                unit.swap(plan(10 * number + int(unit.name[1:]) + 20, SSH))


def worked(floor: Floor) -> bool:
    """Work both units; False where one went down meanwhile: the station may have died just after it let it restart."""
    for unit in floor.bench.units:
        unit.wait_until_settled()
    rows = floor.run(2).rows
    wrong = [f"{row.slot}: {row.code} {row.cause}" for row in rows if row.outcome != "passed"]
    assert all(any(code in one for code in ("ledger.already-passed", "unit.gone")) for one in wrong), wrong
    return not any("unit.gone" in one for one in wrong)


def killed(floor: Floor, at: int) -> str:
    """Run the line in a process that is killed at a step, or ends before."""
    floor.ledger.close()
    command = [sys.executable, "-m", "tests.kills.over_ssh", str(floor.folder), "2", str(at)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=CHECKOUT)
    floor.open()
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return f"step {at}: {done.stderr}{done.stdout}"


def judged(floor: Floor, passed: int, said: str) -> None:
    """Nothing is left in between, and the units in the slots hold what they passed with."""
    assert floor.ledger.verify() == (), said
    assert floor.ledger.doctor() == (), said
    assert {attempt.state for attempt in floor.ledger.show(last=1000).attempts} <= FINAL, said
    units = {unit.hardware_id: unit for unit in floor.ledger.passed_units("L1")}
    assert len(units) == passed, said
    for unit in floor.bench.units:
        connectd = unit.root / "etc/connectd"
        hardware_id = (connectd / "hardware_id.txt").read_text().strip()
        assert hardware_id in units, said
        assert (connectd / "bulk_identification_code.txt").read_text().strip() == CODE
        assert not list(connectd.glob(".factory*")), said
