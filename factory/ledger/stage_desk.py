"""The half of the ledger that stations in order work with, the stops of a lot, and how long transcripts stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from factory.ledger import lot_stops, pool_known, retention, stages
from factory.ledger.pool_records import Given, Want
from factory.ledger.records import PassedUnit
from factory.ledger.retention import TranscriptOf
from factory.ledger.shift_records import ShiftRecords
from factory.ledger.stage_records import LotStop, Measurements, StagedUnit, StagePlace, StageResult
from factory.values import Event, Facts, Identity


class StageDesk(ShiftRecords):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def known_cells(self, wants: Sequence[Want]) -> tuple[Given | None, ...]:
        """What a unit has from pools already, by its keys; None where it has none. Gives nothing."""
        with self._store.reading() as connection:
            return pool_known.known(connection, wants)

    def require_stage(self, identity: Identity, facts: Facts, place: StagePlace) -> StagedUnit:
        """The unit that was read, if it may do its stage at `place` now. Raises Refused: `line.skipped-stage`,
        `line.other-lot`, and as `admit` does for clones, units in work and units put aside. Nothing is committed.
        """
        with self._store.reading() as connection:
            return stages.require(connection, identity, facts, place)

    def stage_passed(self, place: StagePlace, unit: StagedUnit, measurements: Measurements) -> Event:
        """The unit has done its stage. Raises Refused (`line.unit-changed`) where it is not any more what it was."""
        return self._store.write(
            lambda writer: stages.keep(writer, place, unit, failed=None, measurements=measurements)
        )

    def stage_failed(
        self,
        place: StagePlace,
        unit: StagedUnit | None,
        code: str,
        text: str,
        measurements: Measurements,
        *,
        data: Mapping[str, object] | None = None,
    ) -> Event:
        """A go at a stage failed; `unit` is None where none could be read. The unit stays passed and waits for the
        stage.
        """
        return self._store.write(
            lambda writer: stages.keep(writer, place, unit, failed=(code, text), measurements=measurements, told=data)
        )

    def stage_results(self, unit: int) -> tuple[StageResult, ...]:
        """What the stages of a unit came to, the oldest first."""
        with self._store.reading() as connection:
            return stages.of_unit(connection, unit)

    def stages_due(self, lot: str, names: Sequence[str], waiting: Collection[PassedUnit]) -> Mapping[int, str]:
        """Which of these passed units have not done every stage, and the first that each waits for; `names` are the
        product's stages in order, the flash first.
        """
        with self._store.reading() as connection:
            return stages.due(connection, lot, names, waiting)

    def transcripts_of(self, names: Collection[str]) -> Mapping[str, TranscriptOf]:
        """Whose transcripts these files of this station are; what the ledger does not know is left out."""
        with self._store.reading() as connection:
            return retention.transcripts_of(connection, self._store.signature.station, names)

    def transcripts_pruned(self, names: Sequence[str], *, size: int, oldest: str, newest: str) -> Event:
        """Tell that transcripts of this station are about to be removed: `size` in bytes, from when to when."""
        return self._store.write(
            lambda writer: retention.pruned(writer, names, size=size, oldest=oldest, newest=newest)
        )

    def pruned_transcripts(self, station: str) -> frozenset[str]:
        """The transcripts of a station that were removed on purpose."""
        with self._store.reading() as connection:
            return retention.pruned_names(connection, station)

    def lot_stop(self, lot: str) -> LotStop | None:
        """The stop of a lot that nobody has accepted."""
        with self._store.reading() as connection:
            return lot_stops.standing(connection, lot)

    def judge_lot(self, lot: str, stage: str, *, after: int) -> LotStop | None:
        """After a failure: stop the lot if its last `after` units failed with the same code, and say so. `stage` is
        empty for the flash.
        """
        return self._store.write(lambda writer: lot_stops.judge(writer, lot, stage, after))

    def accept_failures(self, lot: str, reason: str) -> LotStop:
        """Go on with a lot that stopped. Raises UsageError (`ledger.no-stop`) when it did not."""
        return self._store.write(lambda writer: lot_stops.accept(writer, lot, reason))
