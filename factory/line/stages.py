"""What a station beyond the flash does with a unit: recognise it, run the stage's checks, keep what they measured."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace

from factory.config import Bench, Product, StageSection
from factory.errors import FactoryError, UsageError
from factory.flashing import require_hardware
from factory.ledger import PassedUnit, StagedUnit, StagePlace
from factory.ledger.pool_records import Want
from factory.line.checking import CheckFailed, Measurement, run_check
from factory.line.hooks import hook_record, secret_variables
from factory.line.labelling import scan_own_label
from factory.line.pool_write import Writing, key_of
from factory.line.programs import run_program
from factory.line.progress import Progress, Tools
from factory.line.setup import Setup
from factory.line.steps import Steps
from factory.values import Facts, Work, canonical

SCHEMA = "factory.staged-unit/1"


def stage_of(product: Product, bench: Bench) -> StageSection | None:
    """What the bench's station does with units of this product: a stage of kind check, or None for the flash.

    Raises UsageError (`line.stage`) for a stage that the product has not.
    """
    name = bench.station.stage
    if name is None:
        return None
    found = next((stage for stage in product.stage if stage.name == name), None)
    if found is None:
        there = ", ".join(product.stages)
        raise UsageError(
            f"station {bench.station.name} is for stage {name!r}, and product {product.product.name} has "
            + (f"the stages {there}" if there else "no [[stage]]"),
            hint="Mend [station] stage in bench.toml, or [[stage]] in product.toml.",
            code="line.stage",
        )
    return None if found.kind == "flash" else found


def next_stage(setup: Setup) -> str | None:
    """Where a unit goes that passed here; None where no further stage is declared."""
    stages = setup.product.stages
    if not stages:
        return None
    here = 0 if setup.stage is None else stages.index(setup.stage.name)
    return stages[here + 1] if here + 1 < len(stages) else None


def steps_of(setup: Setup) -> Callable[[Tools, Progress], Steps]:
    """The steps of this station's attempts."""
    return Steps if setup.stage is None else functools.partial(StageSteps, stage=setup.stage)


class StageSteps(Steps):
    """As the line's, for a unit that passed the flash already. Nothing is written to it but what a check does."""

    def __init__(self, tools: Tools, progress: Progress, stage: StageSection) -> None:
        super().__init__(tools, progress)
        self._stage = stage
        self._place = StagePlace(
            tools.setup.product.stages, stage.name, tools.setup.lot, tools.slot.name, tools.transcript.path.name
        )
        self._unit: StagedUnit | None = None
        self._measured: list[Measurement] = []

    def admit(self, facts: Facts) -> None:
        """Find the unit in the ledger by everything that it shows, and let it in if its stage is due or done.

        Raises HardwareRefused, IdentityRefused, Refused, UnitError, LedgerError.
        """
        tools, setup = self._tools, self._tools.setup
        self._begin("identify")
        require_hardware(setup.product.hardware, facts)
        work = self._assigned(facts, self._ledger.assign(facts, setup.lot))
        if setup.registering is not None:
            work = setup.registering.assign(facts, work)
        identity = self._identify(facts, work)
        self._begin("recognise")
        unit = self._ledger.require_stage(identity, facts, self._place)
        # Before anything is kept under its name: one that answers with another key may be another unit.
        tools.host_keys.attempt = unit.record.id
        self._look_at_host_key(identity.macs.values())
        self._unit, self._progress.record = unit, unit.record
        self._progress.warnings += [unit.note] if unit.note else []
        tools.transcript.note(f"stage {self._stage.name}, go {unit.number}: {unit.passed.hardware_id} {unit.note}")

    def work(self, facts: Facts) -> None:  # noqa: ARG002 - what a check asks is asked of the unit itself
        """Run every check, then the program, then the scan; keep what they came to. Raises CheckFailed for the first
        check that failed, after all were run; UnitGone, Cancelled, LedgerError, FactoryError.
        """
        assert self._unit is not None
        known = {
            "hardware_id": self._unit.passed.hardware_id,
            "device_name": self._unit.passed.device_name,
            "serial": self._unit.passed.serial or "",
        }
        for check in self._stage.checks:
            self._begin(f"check {check.name}")
            within = self._deadline(check.timeout)
            measured = run_check(self._tools.contact.unit, check, known, self._tools.masks, within)
            self._measured.append(measured)
            self._tools.transcript.note(f"{measured}")
        bad = next((one for one in self._measured if not one.ok), None)
        if bad is not None:
            raise CheckFailed(bad, sum(not one.ok for one in self._measured) - 1)
        self._run_program(self._unit.passed)
        if self._stage.scan:
            self._begin("scan label")
            assert self._unit.record.unit is not None
            scan_own_label(self._tools, self._unit.record.unit, self._unit.passed.hardware_id)
        self._say("finish")
        self._ledger.stage_passed(self._place, self._unit, self._told())

    def _assigned(self, facts: Facts, work: Work) -> Work:
        """What the flash's station assigned to the unit, for expressions that use it; nothing is assigned here."""
        product = self._tools.setup.product
        keys = [(pool, key_of(pool, facts)) for pool in product.pool]
        wants = [(pool, Want(pool.spec(product.product.name), key)) for pool, key in keys if key is not None]
        given = self._ledger.known_cells([want for _, want in wants])
        assigned = dict(work.assigned)
        for (pool, _), cell in zip(wants, given, strict=True):
            assigned |= {} if cell is None else Writing(pool, cell).assigned
        return replace(work, assigned=assigned)

    def keep_failure(self, code: str, cause: str, data: dict[str, object], *, refused: bool) -> bool:
        """A failure is a result of the stage; a unit that was never let in is turned away as everywhere."""
        if self._unit is None and refused:
            return False
        self._ledger.stage_failed(self._place, self._unit, code, cause, self._told(), data=data)
        return True

    def _run_program(self, unit: PassedUnit) -> None:
        stage, setup = self._stage, self._tools.setup
        if not stage.program:
            return
        self._begin("program")
        record = {
            **hook_record(unit, setup.product.product.name),
            "schema": SCHEMA,
            "stage": stage.name,
            "slot": self._tools.slot.name,
            "station": setup.bench.station.name,
            "measurements": self._told(),
        }
        ran = run_program(
            stage.program,
            deadline=self._deadline(stage.timeout),
            stdin=json.dumps(record, ensure_ascii=True).encode("ascii") + b"\n",
            folder=setup.product.folder,
            without=secret_variables(setup.product),
        )
        self._deadline(1.0).check(f"running the program of stage {stage.name}")
        said = self._tools.masks.text(ran.said())
        self._tools.transcript.note(f"{stage.program[0]}: {said}")
        if not ran.ok:
            raise FactoryError(
                f"{stage.program[0]} says no: {said}",
                hint="The program is the maker's own: its words say what is wrong.",
                code="check.program",
            )

    def _told(self) -> list[dict[str, object]]:
        told = [one.as_json() for one in self._measured]
        canonical(told)  # a bug of ours must show here and not within the ledger's transaction
        return told
