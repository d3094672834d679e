"""The line of one station: all its slots at work, and the one reader of what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from factory.config import Bench, BulkRegistration, Product, Slot
from factory.errors import FactoryError, UsageError
from factory.files import make_folder
from factory.flashing import method_of
from factory.identity import Identifier, KeySource
from factory.images import Builder
from factory.ledger import Ledger
from factory.line.checkpointing import Checkpoints
from factory.line.feed import Feed
from factory.line.labelling import open_labelling
from factory.line.operator import Key
from factory.line.quota import Quota
from factory.line.registering import open_registering
from factory.line.retention import prune_at_end
from factory.line.scanning import Scans
from factory.line.setup import RoutesOf, Setup, default_routes, login_of, owner_of, secrets_of
from factory.line.stages import stage_of
from factory.line.stopping import LotStopping
from factory.line.summary import Summary
from factory.line.taking import Reasons, take_lot
from factory.line.timing import Timing
from factory.line.worker import Worker
from factory.values import Event

OnEvent = Callable[[Event], None]
_TICK = 0.2


def open_line(
    product: Product,
    bench: Bench,
    lot: str,
    *,
    ledger: Ledger,
    builder: Builder,
    keys: KeySource,
    operator: str = "",
    accept_changed_product: str | None = None,
    accept_first_article: str | None = None,
    accept_failures: str | None = None,
    slots: Sequence[str] | None = None,
    images_out: Path | None = None,
    interactive: bool = False,
    scans: bool = False,
    timing: Timing | None = None,
    debug: bool = False,
    routes_of: RoutesOf | None = None,
) -> Line:
    """Check and prepare everything that a run needs; no thread runs yet and no unit is touched.

    Takes the lot as `take_lot` does; the `accept_` arguments are its reasons. `slots` chooses some of the slots.
    `interactive` says that somebody can answer questions. `images_out` gets the image of each passed unit.
    `scans` says that somebody hands scanned labels to `Line.scan`.
    Raises UsageError, SecretError, FileError, LotChanged, NotStartedError, LedgerError.
    """
    timing = timing or Timing()
    _require_profile(product)
    method = method_of(product, owner_of(bench, ledger))
    chosen = _choose(bench, slots)
    stage = stage_of(product, bench)
    login = login_of(product)
    labelling = None if stage else open_labelling(product, bench, chosen, fed=scans)
    feed = Feed(bench.station.name)
    checkpoints = Checkpoints(bench, ledger, feed)
    checkpoints.require_current()
    setup = Setup(
        product=product,
        bench=bench,
        lot=lot,
        ledger=ledger,
        identifier=Identifier.open(product.identity, product.registration, keys, product.product.name),
        builder=builder,
        method=method,
        keys=keys,
        feed=feed,
        routes_of=routes_of or default_routes(product, login, timing),
        transcripts=make_folder(bench.folder / bench.station.transcripts, mode=0o700),
        registering=open_registering(product, bench, ledger),
        stage=stage,
        labelling=labelling,
        scans=Scans(lambda nonce: ledger.label(nonce), fed=scans),
        images_out=images_out,
        timing=timing,
        interactive=interactive,
        debug=debug,
        secrets=secrets_of(product, login),
    )
    reasons = Reasons(accept_changed_product, accept_first_article, accept_failures)
    return _at_work(Line(setup, chosen, operator, checkpoints), setup, reasons)


def _at_work(line: Line, setup: Setup, reasons: Reasons) -> Line:
    try:
        take_lot(setup, reasons)
    except FactoryError:
        line.leave()
        raise
    return line


def _require_profile(product: Product) -> None:
    if not isinstance(product.registration, BulkRegistration) and product.unit.persistence == "save-config":
        raise UsageError(
            f'persistence = "save-config" is connectd\'s own, and {product.registration.profile} has no such program',
            hint='Make [image] root persistent on the unit, and set persistence = "direct" in [unit].',
            code="line.profile",
        )


class Line:
    """A station at work. Made by `open_line`; it runs once."""

    def __init__(self, setup: Setup, slots: Sequence[Slot], operator: str, checkpoints: Checkpoints) -> None:
        self._setup = setup
        self._checkpoints = checkpoints
        self._slots = tuple(slots)
        self._operator = operator
        self._stop = threading.Event()
        self._cancel = threading.Event()
        self._quota = Quota()
        self._workers: dict[str, Worker] = {}
        # From here on every committed event is heard, also those of opening the line.
        self._unsubscribe = setup.ledger.subscribe(setup.feed.put)

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots that are worked, in the bench's order."""
        return tuple(slot.name for slot in self._slots)

    def press(self, slot: str, key: Key) -> None:
        """The operator pressed a key for a slot; any thread may call it. Raises UsageError for an unknown slot."""
        worker = self._workers.get(slot)
        if worker is None:
            raise UsageError(f"no slot {slot!r} is being worked", hint=f"There are: {', '.join(self.slots)}.")
        worker.keys.press(key)

    def scan(self, text: str) -> str:
        """One line as a scanner typed it; any thread may call it. Returns what came of it, for whoever looks on."""
        return "" if self._setup.scans is None else self._setup.scans.take(text)

    def end_scans(self, why: str) -> None:
        """No scan can come any more: the scanner is gone. Slots that wait for one fail with this reason."""
        if self._setup.scans is not None:
            self._setup.scans.end(why)

    @property
    def waits_for_scan(self) -> tuple[str, ...]:
        """The slots that wait for the scan of their unit's label."""
        return () if self._setup.scans is None else self._setup.scans.slots

    def cancel(self) -> None:
        """Start nothing more and call off what runs, at a point where the unit's state is known. Safe to call from a
        signal handler, and more than once.
        """
        self._stop.set()
        self._cancel.set()

    def leave(self) -> None:
        """Hear no more of the ledger; for a line that will not run. `run` does it by itself."""
        self._unsubscribe()
        if self._setup.registering is not None:
            self._setup.registering.close()

    def run(self, *, units: int | None = None, on_event: OnEvent) -> Summary:
        """Work until `units` attempts have ended (None: until cancelled), handing every event to `on_event` in this
        thread, in order. Returns when every slot is at rest. An exception of `on_event` cancels the run and is raised.
        """
        began = time.monotonic()
        self._quota = Quota(units)
        lot = LotStopping(self._setup)
        for slot in self._slots:
            worker = Worker(self._setup, slot, self._quota, lot, stop=self._stop, cancel=self._cancel)
            self._workers[slot.name] = worker
        data = {"lot": self._setup.lot, "slots": list(self.slots), "operator": self._operator}
        self._setup.ledger.record("station.started", data=data)
        try:
            for worker in self._workers.values():
                worker.thread.start()
            self._listen(on_event)
        finally:
            self._close()
        while (event := self._setup.feed.get(0)) is not None:
            on_event(event)
        station = self._setup.bench.station.name
        return Summary(
            self._setup.lot, station, self._quota.rows, time.monotonic() - began, interrupted=self._cancel.is_set()
        )

    def _listen(self, on_event: OnEvent) -> None:
        while any(worker.thread.is_alive() for worker in self._workers.values()):
            event = self._setup.feed.get(_TICK)
            if event is not None:
                on_event(event)
                self._checkpoints.count(event)
            if self._quota.is_used_up:
                self._stop.set()

    def _close(self) -> None:
        """Wait for the slots. They are only still at work here when the reader of events failed."""
        running = [worker.thread for worker in self._workers.values() if worker.thread.is_alive()]
        if running:
            self.cancel()
        for thread in running:
            thread.join()
        prune_at_end(self._setup)
        self._setup.ledger.record("station.stopped", data={"lot": self._setup.lot})
        self._checkpoints.write()
        self.leave()


def _choose(bench: Bench, names: Sequence[str] | None) -> tuple[Slot, ...]:
    if not bench.slot:
        raise UsageError("the bench has no slots", hint="A line wants at least one [[slot]].", code="line.slot")
    if names is None:
        return bench.slot
    known = {slot.name: slot for slot in bench.slot}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"no slot named {', '.join(unknown)} on this bench" if unknown else "no slot was chosen",
            hint=f"There are: {', '.join(known)}.",
            code="line.slot",
        )
    return tuple(slot for slot in bench.slot if slot.name in set(names))
