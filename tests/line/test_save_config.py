"""A whole line of units whose /etc/connectd is a tmpfs, with the kit in their firmware."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.ledger import Attempt
from factory.rehearsal.faults import Fault
from tests.line.floor import SERIAL, SSH, Floor, by_slot, outcomes, plan

KIT = Path(__file__).parents[2] / "templates/persistence"
SETTINGS = {"unit.persistence": "save-config", "prove.first_article": False}


def install(floor: Floor, number: int) -> Path:
    unit = floor.unit(number)
    unit.install_persistence(KIT)
    return unit.root / "etc/connectd"


@pytest.mark.parametrize("route", [SSH, SERIAL])
def test_a_unit_that_saves_what_was_flashed_passes_and_keeps_it(tmp_path: Path, route: frozenset[str]) -> None:
    with Floor(tmp_path, [plan(1, route, Fault.VOLATILE_CONNECTD)], settings=SETTINGS) as floor:
        connectd = install(floor, 1)
        summary = floor.run(1)
        row = by_slot(summary)["slot-01"]
        assert summary.passed == 1, outcomes(summary)
        floor.unit(1).reboot()
        assert (connectd / "hardware_id.txt").read_text().strip() == row.hardware_id
        assert (connectd / "registration_key.txt").stat().st_mode & 0o777 == 0o600
        flashed = next(event for event in floor.events if event.kind == "attempt.flashed")
        assert flashed.data["saved"] == "status 0, no output"
        assert floor.secrets()[-1] not in str([event.as_json() for event in floor.events])


def test_a_save_that_does_not_outlive_the_restart_fails_and_leaves_no_identity(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.VOLATILE_CONNECTD)], settings=SETTINGS) as floor:
        connectd = install(floor, 1)
        (floor.unit(1).root / "bin/connectd_persistence").unlink()
        (floor.unit(1).root / "bin/connectd_save_config").write_text("#!/bin/sh\necho saved\n")
        row = by_slot(floor.run(1))["slot-01"]
        assert row.code == "prove.not-saved"
        assert "docs/persistence.md" in str(row.hint)
        assert not (connectd / "bulk_identification_code.txt").exists()
        assert floor.ledger.pending_restores() == ()
        attempts: tuple[Attempt, ...] = floor.ledger.show().attempts
        assert [str(attempt.state) for attempt in attempts] == ["failed"]
