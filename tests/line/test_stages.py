"""Stations in order: each of a station's own name on one ledger, with simulated units that go from one to the next."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factory.config import load_bench
from factory.errors import UsageError
from factory.ledger import open_ledger
from factory.line import Outcome, Row
from factory.lots import export
from factory.lots.export import ExportError
from factory.values import UnitState
from tests.line.floor import LOT, Floor, by_slot, plan

STAGES = """
[[stage]]
name = "flash"
kind = "flash"

[[stage]]
name = "test"
kind = "check"
checks = [
    { name = "identity", command = "cat etc/connectd/hardware_id.txt", expect = "^{hardware_id}" },
    { name = "signal", command = "cat signal", expect = "signal (-?[0-9]+) dBm", min = -70, max = -20 },
    { name = "kernel", command = "uname -r" },
]

[[stage]]
name = "pack"
kind = "check"
"""


class Plant(Floor):
    """A floor whose product has stages, and whose stations are worked one after the other."""

    stages = STAGES

    def open(self) -> None:
        if "\n[[stage]]" not in self.product_file.read_text():
            with self.product_file.open("a") as file:
                file.write(self.stages)
            for unit in self.bench.units:
                (unit.root / "signal").write_text("signal -50 dBm\n")
        super().open()

    @contextmanager
    def station(self, stage: str, **settings: Any) -> Any:
        """Work as the station of a stage, in a process of its own as far as the ledger can see."""
        flash = (self.ledger, self.config)
        path = self.folder / f"bench-{stage}.toml"
        keys = {"stage": stage, **settings}
        text = self.bench_file.read_text().replace('name = "S1"', f'name = "S-{stage}"')
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in keys.items())
        path.write_text(text.replace("[station]\n", f"[station]\n{lines}\n"))
        self.config = load_bench(path)
        with open_ledger("sqlite:///ledger.db", station=f"S-{stage}", operator="Lee", folder=self.folder) as ledger:
            self.ledger = ledger
            try:
                yield
            finally:
                self.ledger, self.config = flash

    def at(self, stage: str, units: int = 1, **changes: Any) -> dict[str, Row]:
        settings = {name: changes.pop(name) for name in list(changes) if name.startswith("stop_")}
        with self.station(stage, **settings):
            return by_slot(self.run(units, **changes))


@pytest.fixture
def plant(tmp_path: Path) -> Any:
    with Plant(tmp_path, [plan(1), plan(2)]) as floor:
        yield floor
        assert floor.ledger.verify() == ()


def unit_of(floor: Floor, number: int) -> int:
    (history,) = floor.ledger.trace(f"SN{number:06d}").units
    return history.unit


def test_a_unit_goes_from_station_to_station(plant: Plant) -> None:
    assert plant.run(1, slots=["slot-01"]).passed == 1
    early = plant.at("test", slots=["slot-02"])["slot-02"]
    assert (early.outcome, early.code) == (Outcome.REFUSED, "line.skipped-stage")
    assert "has not passed stage flash" in (early.cause or "")
    assert "the ledger does not know it" in (early.cause or "")
    assert plant.run(1, slots=["slot-02"]).passed == 1
    with pytest.raises(ExportError, match="2 passed units of lot L1 wait: 2 for stage test"):
        export(plant.ledger, plant.product, LOT, plant.folder / "upload")
    skipped = plant.at("pack", slots=["slot-01"])["slot-01"]
    assert (skipped.outcome, skipped.code) == (Outcome.REFUSED, "line.skipped-stage")
    assert "has not passed stage test" in (skipped.cause or "")
    assert "station of stage test" in (skipped.hint or "")
    tested = plant.at("test", 2)
    assert {row.outcome for row in tested.values()} == {Outcome.PASSED}, tested
    again = plant.at("test", slots=["slot-01"])["slot-01"]
    assert again.outcome is Outcome.PASSED
    assert any("stage test was done before" in warning for warning in again.warnings)
    assert plant.at("pack", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED
    done = export(plant.ledger, plant.product, LOT, plant.folder / "upload")
    assert (done.rows, done.waiting) == (1, {"pack": 1})
    first, second, _ = plant.ledger.stage_results(unit_of(plant, 1))
    assert (first.stage, first.number, second.number, first.station) == ("test", 1, 2, "S-test")
    identity, signal, kernel = first.measurements
    assert (signal["value"], signal["min"], signal["max"], signal["ok"]) == ("-50", "-70", "-20", True)
    assert identity["ok"]
    assert kernel["status"] == 0
    assert plant.ledger.show().lots[0].stages == {"pack": {"passed": 1}, "test": {"passed": 2}}
    (history,) = plant.ledger.trace("SN000001").units
    told = [event.kind for event in history.events if event.kind.startswith("stage.")]
    assert told == ["stage.passed"] * 3


def test_a_check_that_fails_keeps_what_it_measured_and_is_done_anew(plant: Plant) -> None:
    plant.run(2)
    (plant.unit(1).root / "signal").write_text("signal -90 dBm\n")
    (plant.unit(2).root / "signal").write_text("no signal\n")
    rows = plant.at("test", 2)
    assert outcomes_of(rows) == {"slot-01": ("failed", "check.signal"), "slot-02": ("failed", "check.signal")}
    assert "-90 is below -70" in (rows["slot-01"].cause or "")
    assert "does not match" in (rows["slot-02"].cause or "")
    (result,) = plant.ledger.stage_results(unit_of(plant, 1))
    assert [one["ok"] for one in result.measurements] == [True, False, True], "every check is run"
    assert result.transcript == rows["slot-01"].transcript.name
    # Neither the pass nor the attempt is touched by it.
    assert plant.ledger.trace("SN000001").units[0].state == UnitState.PASSED
    refused = plant.at("pack", slots=["slot-01"])["slot-01"]
    assert "it failed there in slot slot-01 of station S-test" in (refused.cause or "")
    (plant.unit(1).root / "signal").write_text("signal -60 dBm\n")
    assert plant.at("test", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED
    assert plant.at("pack", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED
    # Who fails a stage later has not done it any more.
    (plant.unit(1).root / "signal").write_text("signal -99 dBm\n")
    assert plant.at("test", slots=["slot-01"])["slot-01"].outcome is Outcome.FAILED
    with pytest.raises(ExportError, match="2 for stage test"):
        export(plant.ledger, plant.product, LOT, plant.folder / "upload")


def outcomes_of(rows: dict[str, Row]) -> dict[str, tuple[str, str | None]]:
    return {slot: (str(row.outcome), row.code) for slot, row in rows.items()}


def test_who_is_put_aside_or_made_anew_starts_again(plant: Plant) -> None:
    plant.run(2)
    assert plant.at("test", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED
    plant.ledger.change_unit("SN000001", UnitState.QUARANTINED, "a scratch")
    aside = plant.at("pack", slots=["slot-01"])["slot-01"]
    assert (aside.outcome, aside.code) == (Outcome.REFUSED, "ledger.quarantined")
    plant.ledger.release_unit("SN000001", "polished")
    plant.ledger.change_unit("SN000001", UnitState.REWORK, "another image")
    back = plant.at("pack", slots=["slot-01"])["slot-01"]
    assert back.code == "line.skipped-stage"
    assert "has not passed stage flash" in (back.cause or "")
    plant.clear_leftovers(1)
    assert plant.run(1, slots=["slot-01"]).passed == 1
    anew = plant.at("pack", slots=["slot-01"])["slot-01"]
    assert "has not passed stage test, and" in (anew.cause or "")
    assert plant.at("test", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED
    assert plant.at("pack", slots=["slot-01"])["slot-01"].outcome is Outcome.PASSED


def test_a_clone_and_another_host_key_are_stopped(tmp_path: Path) -> None:
    twin = plan(2, macs=plan(1).macs)
    with Plant(tmp_path, [plan(1), twin, plan(3)]) as plant:
        plant.run(2, slots=["slot-01", "slot-03"])
        clone = plant.at("test", slots=["slot-02"])["slot-02"]
        assert (clone.outcome, clone.code) == (Outcome.REFUSED, "ledger.clone")
        plant.unit(3).swap(plan(3))
        other = plant.at("test", slots=["slot-03"])["slot-03"]
        assert other.code == "line.host-key-alarm", other
        assert plant.ledger.stage_results(unit_of(plant, 3))[-1:] == ()


def test_a_unit_that_cannot_be_read_is_a_result_without_a_unit(plant: Plant) -> None:
    plant.run(1, slots=["slot-01"])
    plant.unit(1).board.forget_password()
    row = plant.at("test", slots=["slot-01"])["slot-01"]
    assert (row.outcome, row.code, row.attempt) == (Outcome.FAILED, "unit.login-incorrect", None), row
    assert plant.ledger.stage_results(unit_of(plant, 1)) == ()
    (event,) = [event for event in plant.events if event.kind == "stage.failed"]
    assert event.data["hardware_id"] is None
    assert event.data["transcript"] == row.transcript.name


@pytest.mark.parametrize(
    ("program", "outcome", "code"),
    [
        (
            "import json,sys; r=json.load(sys.stdin); sys.exit(0 if r['measurements'][1]['value']=='-50' else 3)",
            0,
            None,
        ),
        ("import sys; print('no seal'); sys.exit(3)", 1, "check.program"),
    ],
)
def test_the_makers_program_has_the_last_word(tmp_path: Path, program: str, outcome: int, code: str | None) -> None:
    class WithProgram(Plant):
        stages = STAGES.replace(
            '\n[[stage]]\nname = "pack"',
            f'program = {json.dumps([sys.executable, "-c", program])}\n\n[[stage]]\nname = "pack"',
        )

    with WithProgram(tmp_path, [plan(1)]) as plant:
        plant.run(1)
        row = plant.at("test")["slot-01"]
        assert (row.outcome is Outcome.FAILED, row.code) == (bool(outcome), code), row
        if code:
            assert "no seal" in (row.cause or "")


def test_a_station_for_a_stage_that_is_not_there_does_not_start(plant: Plant) -> None:
    with plant.station("paint"), pytest.raises(UsageError, match="has the stages flash, test, pack"):
        plant.line()
    with plant.station("test"), pytest.raises(UsageError, match="L1"):
        plant.line()  # nobody has flashed anything in this lot yet


def test_no_secret_is_left_by_a_stage(plant: Plant) -> None:
    plant.run(1, slots=["slot-01"])
    (plant.unit(1).root / "signal").write_text(plant.secrets()[2])
    row = plant.at("test", slots=["slot-01"])["slot-01"]
    assert row.outcome is Outcome.FAILED
    told = json.dumps([result.as_json() for result in plant.ledger.stage_results(unit_of(plant, 1))])
    told += row.transcript.read_text() + (row.cause or "") + "".join(str(event.as_json()) for event in plant.events)
    for secret in plant.secrets():
        assert secret not in told
