"""One image onto one unit, outside the line, with all that an attempt of the line has: record, receipt, proof."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from factory.config import Bench, Product, Slot
from factory.errors import UsageError
from factory.files import make_folder
from factory.flashing import method_of
from factory.identity import Identifier, KeySource
from factory.images import Builder, Image
from factory.images.owner import identity_of
from factory.ledger import Binding, Ledger, Refused, UnitRecord
from factory.line.attempt import Attempt, Finished, StillHere
from factory.line.feed import Feed, SlotFeed
from factory.line.flash_steps import FlashOrder, FlashSteps
from factory.line.operator import SlotKeys
from factory.line.setup import RoutesOf, Setup, default_routes, login_of, owner_of, secrets_of
from factory.line.summary import Summary
from factory.line.timing import Timing
from factory.values import Event, Identity, Receipt

_TICK = 0.2
_BUILD = "Build the image again: factory image build --lot LOT."
_OWN = ("hardware_id", "device_name", "bulk_identification_code", "macs", "categories", "registration")


@dataclass(frozen=True, slots=True)
class Flashed:
    """What came of it. The receipt of one that failed in the middle says how far it got; `notes` are remarks about
    the image from before.
    """

    summary: Summary
    receipt: Receipt | None
    notes: tuple[str, ...]


class OneFlash:
    """Made by `open_flash`; runs once."""

    def __init__(self, setup: Setup, slot: Slot, order: FlashOrder, notes: tuple[str, ...]) -> None:
        self._setup = setup
        self._slot = slot
        self._order = order
        self._cancel = threading.Event()
        self.notes = notes

    @property
    def method(self) -> str:
        """The method that the image is written by."""
        return self._setup.method.name

    @property
    def image(self) -> str:
        """The image's hash."""
        return self._order.image.manifest.image

    @property
    def off_ledger(self) -> str | None:
        """Why it goes without the unit's record; None when it goes with it."""
        return self._order.off_ledger

    def cancel(self) -> None:
        """Call it off at a point where the unit's state is known; safe in a signal handler."""
        self._cancel.set()

    def run(self, *, on_event: Callable[[Event], None]) -> Flashed:
        """Do it, handing every event to `on_event` in this thread. What goes wrong with the unit is in the result."""
        setup, began = self._setup, time.monotonic()
        ended: list[Finished | StillHere | BaseException] = []
        unsubscribe = setup.ledger.subscribe(setup.feed.put)

        def work() -> None:
            try:
                ended.append(self._attempt().run())
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                ended.append(error)

        thread = threading.Thread(target=work, name=f"flash {self._slot.name}")
        thread.start()
        try:
            while thread.is_alive() or setup.feed.waiting:
                event = setup.feed.get(_TICK)
                if event is not None:
                    on_event(event)
        finally:
            if thread.is_alive():
                self.cancel()
            thread.join()
            unsubscribe()
        (finished,) = ended
        if isinstance(finished, BaseException):
            raise finished
        assert isinstance(finished, Finished)  # no unit of before was handed in
        row = finished.row
        seconds = time.monotonic() - began
        station = setup.bench.station.name
        summary = Summary(setup.lot, station, (row,), seconds, interrupted=self._cancel.is_set())
        return Flashed(summary, finished.receipt, self.notes)

    def _attempt(self) -> Attempt:
        setup = self._setup
        return Attempt(
            setup,
            self._slot,
            setup.routes_of(self._slot),
            SlotFeed(setup.feed, self._slot.name),
            SlotKeys(),
            cancel=self._cancel,
            known=None,
            steps=functools.partial(FlashSteps, order=self._order),
        )


def open_flash(
    product: Product,
    bench: Bench,
    slot: Slot,
    image: Image,
    *,
    ledger: Ledger,
    builder: Builder,
    keys: KeySource,
    reason: str | None = None,
    off_ledger: str | None = None,
    timing: Timing | None = None,
    debug: bool = False,
    routes_of: RoutesOf | None = None,
) -> OneFlash:
    """Look everything up that can be looked up before the unit is touched, and take the station.

    Raises Refused (recorded as `flash.refused`) when the ledger's record of the unit speaks against it; UsageError,
    ImageError, SecretError, FileError, LedgerError.
    """
    method = method_of(product, owner_of(bench, ledger))
    _require_power(product, slot)
    timing = timing or Timing()
    identity = identity_of(image, product.image.root, product.unit.connectd_dir)
    manifest = image.manifest
    require_product(product, image)
    ledger.recover()
    binding = Binding(product.product.name, product.sha256, manifest.template, keys.version)
    notes = [] if manifest.template == builder.template_hash else [_OTHER_TEMPLATE]
    if off_ledger is None:
        lot, more = _of_record(ledger, image, identity, keys, slot, reason)
        notes += more
    else:
        lot = f"off-ledger {product.product.name}"
        ledger.bind_lot(lot, binding, accept_reason=f"off-ledger: {off_ledger}")
        product = product.model_copy(update={"hooks": type(product.hooks)()})
    # A single flash is nobody's first article, and waits for none.
    product = product.model_copy(update={"prove": product.prove.model_copy(update={"first_article": False})})
    login = login_of(product)
    setup = Setup(
        product=product,
        bench=bench,
        lot=lot,
        ledger=ledger,
        identifier=Identifier.open(product.identity, product.registration, keys, product.product.name),
        builder=builder,
        method=method,
        keys=keys,
        feed=Feed(bench.station.name),
        routes_of=routes_of or default_routes(product, login, timing),
        transcripts=make_folder(bench.folder / bench.station.transcripts, mode=0o700),
        timing=timing,
        debug=debug,
        secrets=secrets_of(product, login),
    )
    return OneFlash(setup, slot, FlashOrder(image, identity, binding, reason, off_ledger), tuple(notes))


_OTHER_TEMPLATE = "the image was built from other templates than the product has now"


def _of_record(
    ledger: Ledger, image: Image, identity: Identity, keys: KeySource, slot: Slot, reason: str | None
) -> tuple[str, list[str]]:
    """The unit's lot, and remarks. Raises Refused, recorded."""
    manifest = image.manifest
    hardware_id = identity.hardware_id.text
    try:
        record = ledger.unit_record(hardware_id, reason=reason)
        against_record(record, identity, keys)
    except Refused as refused:
        attempt = None if refused.other is None else refused.other.id
        data = {"hardware_id": hardware_id, "image": manifest.image, "code": refused.code, "message": refused.message}
        about = (hardware_id, manifest.image) if attempt is None else ()
        ledger.record("flash.refused", slot=slot.name, attempt=attempt, data=data, about=about)
        raise
    if record.image in (None, manifest.image):
        return record.lot, []
    return record.lot, [
        f"the unit has image {record.image[:12]} in the ledger; this is {manifest.image[:12]}, of the same identity"
    ]


def against_record(record: UnitRecord, identity: Identity, keys: KeySource) -> None:
    """Raise Refused (`flash.other-identity`, `flash.no-key`, `flash.other-key`) when an image would give the unit of
    the record another identity than the ledger has for it.
    """
    stated = identity.public()
    own = stated.get("registration")
    if isinstance(own, dict):
        # What the cloud gave to the unit later (its id, its hubs) stands in its image alone.
        stated["registration"] = {name: own[name] for name in record.identity.get("registration", {}) if name in own}
    other = [name for name in _OWN if record.identity.get(name) != stated.get(name) and name in record.identity]
    if other:
        raise Refused(
            f"the image gives unit {record.hardware_id} another {' and '.join(other)} than the ledger has",
            hint=_BUILD,
            code="flash.other-identity",
            other=record.last,
        )
    key = identity.registration_key
    if record.fingerprint is not None and key is None:
        raise Refused(
            f"the image for unit {record.hardware_id} has no registration_key.txt in the folder that connectd reads",
            hint=f"Do [image] root and [unit] connectd_dir fit the image? {_BUILD}",
            code="flash.no-key",
            other=record.last,
        )
    if record.fingerprint is not None and key is not None and keys.fingerprint(key) != record.fingerprint:
        raise Refused(
            f"the image gives unit {record.hardware_id} another registration key than the ledger has",
            hint=f"The cloud would refuse the unit. {_BUILD}",
            code="flash.other-key",
            other=record.last,
        )


def require_product(product: Product, image: Image) -> None:
    """Raise UsageError (`flash.product`) unless the image is of this product."""
    if image.manifest.product != product.product.name:
        raise UsageError(
            f"the image is of product {image.manifest.product}, and the product file is of {product.product.name}",
            hint="Name the product file that the image was built with.",
            code="flash.product",
        )


def _require_power(product: Product, slot: Slot) -> None:
    if product.prove.reboot == "power" and slot.power is None:
        raise UsageError(
            'prove.reboot = "power", and nothing switches the supply here',
            hint="Name a slot with power control by --slot and --bench.",
            code="flash.no-power",
        )
