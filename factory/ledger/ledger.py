"""The ledger: what happened, for ever. One object per process; any thread may call it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from factory.ledger import (
    admission,
    attempts,
    checks,
    journal,
    lots,
    orders,
    overview,
    tracing,
)
from factory.ledger.cloud_desk import CloudDesk
from factory.ledger.confirmations import Confirmations
from factory.ledger.database import Hold
from factory.ledger.errors import DAMAGED, LedgerError, Refused
from factory.ledger.flash_desk import FlashDesk
from factory.ledger.histories import Trace
from factory.ledger.hook_desk import HookDesk
from factory.ledger.host_key_desk import HostKeyDesk
from factory.ledger.label_desk import LabelDesk
from factory.ledger.manifests import ManifestDesk
from factory.ledger.merge_desk import MergeDesk
from factory.ledger.pool_desk import PoolDesk
from factory.ledger.records import (
    Attempt,
    Binding,
    LotRecord,
    Overview,
)
from factory.ledger.restore_desk import RestoreDesk
from factory.ledger.stage_desk import StageDesk
from factory.ledger.store import Listener, Store
from factory.ledger.upgrade import Upgrade
from factory.values import AttemptState, Event, Facts, Finding, Identity, Proof, Receipt, Work

Data = Mapping[str, object]


class Ledger(
    FlashDesk,
    Confirmations,
    CloudDesk,
    StageDesk,
    HookDesk,
    HostKeyDesk,
    LabelDesk,
    ManifestDesk,
    PoolDesk,
    MergeDesk,
    RestoreDesk,
):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written. `data` is canonical JSON (TypeError otherwise) and holds no secret.
    """

    def __init__(self, store: Store, upgraded: Upgrade | None = None) -> None:
        super().__init__(store)
        self._upgraded = upgraded
        self._station_lock: Hold | None = None
        self._taking = threading.Lock()

    @property
    def location(self) -> str:
        """Where the ledger is, to be told to whoever uses it."""
        return self._store.database.location

    @property
    def upgraded(self) -> Upgrade | None:
        """What was done to the schema when this ledger was opened; to be told to whoever uses it."""
        return self._upgraded

    @property
    def station(self) -> str:
        """The station that this process writes as."""
        return self._store.signature.station

    @property
    def operator(self) -> str:
        """The operator that this process writes for."""
        return self._store.signature.operator

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file and the station. A write that comes later, of a thread left over, is refused."""
        try:
            self._store.close()
        finally:
            # Last: whoever takes the station next must not meet a write of ours.
            with self._taking:
                if self._station_lock:
                    self._station_lock.release()
                    self._station_lock = None

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Held by whoever is at work on a unit: the ledger stays where it is meanwhile. See `StationLedger`."""
        return contextlib.nullcontext()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand every event to `listener` after its commit, in order of seq; returns what ends that.

        The listener runs under the ledger's lock: it must be quick and must not call the ledger.
        """
        return self._store.subscribe(listener)

    def bind_lot(self, lot: str, binding: Binding, *, accept_reason: str | None = None) -> LotRecord:
        """Bind a lot at its first unit, or check that it is still the same product. Raises LotChanged."""
        return self._store.write(lambda writer: lots.bind(writer, lot, binding, accept_reason))

    def lot(self, lot: str) -> LotRecord:
        """The lot. Raises UsageError naming the lots there are."""
        with self._store.reading() as connection:
            return lots.find(connection, lot)

    def assign(self, facts: Facts, lot: str, *, required: bool = False) -> Work:
        """What the lot's order gives to a unit beyond what was read from it: the row that names its serial or a MAC
        of its, the same at every attempt. It becomes the unit's when the unit is admitted.

        Raises UsageError for an unknown lot; Refused `ledger.two-order-rows`, and `ledger.not-on-order` when a row is
        `required` and there is none.
        """
        with self._store.reading() as connection:
            return orders.assign(connection, facts, lot, required=required)

    def admit(
        self,
        identity: Identity,
        facts: Facts,
        *,
        lot: str,
        slot: str,
        fingerprint: str | None,
        same_unit: bool | None = None,
        work: Work | None = None,
        transcript: str | None = None,
    ) -> Attempt:
        """Give a unit its identity, once. `fingerprint` stands for the registration key, which is never stored,
        None where there is none; `work` is what the identity was made with. The unit's row of the order becomes its
        own.

        Raises Refused: `ledger.clone`, `ledger.already-passed`, `ledger.name-taken`, `ledger.order-row-taken`,
        `ledger.order-changed` (committed as refused attempts); `ledger.two-order-rows` (not committed); or
        `ledger.same-unit?` when only the operator can tell: call again with `same_unit`. Raises UsageError as
        `recover` does, which the first admission calls if nobody has.
        """
        self._hold_station()
        outcome = self._store.write(
            lambda writer: admission.admit(
                writer,
                identity,
                facts,
                lot=lot,
                slot=slot,
                fingerprint=fingerprint,
                same_unit=same_unit,
                work=work,
                transcript=transcript,
            )
        )
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    def turn_away(
        self,
        *,
        lot: str,
        slot: str,
        code: str,
        text: str,
        facts: Facts | None = None,
        identity: Identity | None = None,
        state: AttemptState = AttemptState.REFUSED,
        transcript: str | None = None,
        stage: str | None = None,
    ) -> Attempt:
        """Record an attempt that never came to `admit`: refused before, or (state FAILED) not even read; at a `stage`
        beyond the flash where it is named.
        """
        return self._store.write(
            lambda writer: admission.turn_away(
                writer,
                lot=lot,
                slot=slot,
                code=code,
                text=text,
                facts=facts,
                identity=identity,
                state=state,
                transcript=transcript,
                stage=stage,
            )
        )

    def advance(
        self, attempt: int, state: AttemptState, data: Data | None = None, *, image: str | None = None
    ) -> Event:
        """Commit the next state, before what it announces is done. Raises ValueError for an illegal transition."""
        if state.is_final or state is AttemptState.UNKNOWN:
            raise ValueError(f"{state} has its own method")
        told = {**(data or {}), "image": image} if image else data
        return self._store.write(
            lambda writer: attempts.move(writer, attempt, state, told, **({"image": image} if image else {}))
        )

    def passed(self, attempt: int, receipt: Receipt, proof: Proof, *, hook: bool = False) -> Event:
        """The unit is done. With `hook` the after-pass hook is due until `hook_result` says that it succeeded."""
        return self._store.write(lambda writer: attempts.complete(writer, attempt, receipt, proof, hook=hook))

    def failed(self, attempt: int, code: str, text: str, data: Data | None = None) -> Event:
        """The attempt ended without success; `code` is stable, `text` tells the operator why."""
        return self._store.write(lambda writer: attempts.fail(writer, attempt, code, text, data))

    def record(
        self, kind: str, *, slot: str | None = None, attempt: int | None = None, data: Data | None = None,
        about: Collection[str] = (),
    ) -> Event:  # fmt: skip
        """Append an event of the line's own to this station's chain; `about` finds one that has no attempt."""
        return self._store.write(
            lambda writer: journal.append(writer, kind, slot=slot, attempt=attempt, data=data, about=about)
        )

    def attempt(self, attempt: int) -> Attempt:
        """One attempt as it stands. Raises ValueError when there is none."""
        with self._store.reading() as connection:
            return attempts.find(connection, attempt)

    def recover(self) -> tuple[Attempt, ...]:
        """Take the station, and mark attempts that a crash left in between as unknown; they are returned.

        Raises UsageError `ledger.station-busy` when another process runs this station; held until `close`.
        """
        with self._taking:
            if self._station_lock is None:
                return self._take_station()
            return self._store.write(lambda writer: attempts.recover(writer))

    def trace(self, value: str) -> Trace:
        """The life of every unit that showed a value: MAC in any form, serial, hardware id, name, image, file."""
        with self._store.reading() as connection:
            return tracing.trace(connection, value)

    def show(self, *, last: int = 20) -> Overview:
        """Lots with their counts, and the `last` attempts."""
        with self._store.reading() as connection:
            return overview.show(connection, self.location, last)

    def verify(self) -> tuple[Finding, ...]:
        """What is wrong with the ledger itself; empty when it is sound."""
        return self._look(checks.verify)

    def doctor(self) -> tuple[Finding, ...]:
        """What is wrong with the ledger (errors), and what was left behind (warnings)."""
        return self._look(checks.doctor)

    def _hold_station(self) -> None:
        """Without the station, its next line would take our attempt for a crash's and lease the unit again."""
        with self._taking:
            lock = self._station_lock
            if lock is None:
                self._take_station()
            elif not lock.in_place():
                # Somebody tidied the file away. Whoever else took the station since then keeps it.
                self._station_lock = self._store.database.hold(self.station)
                lock.release()

    def _take_station(self) -> tuple[Attempt, ...]:
        """Hold the station and settle what it left behind: both, or neither."""
        lock = self._store.database.hold(self.station)
        try:
            left = self._store.write(lambda writer: attempts.recover(writer))
        except BaseException:
            lock.release()
            raise
        self._station_lock = lock
        return left

    def _look(self, check: Callable[[Connection], tuple[Finding, ...]]) -> tuple[Finding, ...]:
        try:
            with self._store.reading() as connection:
                return check(connection)
        except LedgerError as error:
            # A file too damaged to be read through is what was asked about, not a failure to answer.
            if error.code != DAMAGED:
                raise
            return (checks.damage(error),)
