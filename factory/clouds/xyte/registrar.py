"""The registration of units, one at a time: intent in the ledger, request, key store, outcome in the ledger."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from factory.clouds.errors import CloudError, CloudThrottled, CloudUnreachable
from factory.clouds.repeat import Sleep
from factory.clouds.xyte.book import Book, Whose
from factory.clouds.xyte.cloud_id import new_cloud_id
from factory.clouds.xyte.device import DeviceKey, fingerprint_of, request_of
from factory.clouds.xyte.differences import differences
from factory.clouds.xyte.entry import Entry
from factory.clouds.xyte.hub import Hub
from factory.clouds.xyte.store import KeyStore
from factory.clouds.xyte.verdicts import NOT_AUTHORIZED, OutcomeUnknown, XyteRefused, unknown
from factory.config import Product, XyteRegistration
from factory.errors import FactoryError
from factory.secrets import Secret
from factory.values import STATION_FAULTS, CloudRecord, CloudState, Facts, Identity, Work

_DELETED = "the cloud does not know its key any more"
_LIVE = frozenset({CloudState.INTENT, CloudState.REGISTERED, CloudState.UNKNOWN})
_CRASHED = "the station stopped between the request and the reply"


class Mismatch(CloudError):  # noqa: N818 - reads as what happened
    """The cloud holds other values than the unit has."""

    code = "xyte.mismatch"


class Registrar:
    """Registers units of one product. Safe for many threads: the station asks one thing at a time."""

    def __init__(
        self, product: Product, book: Book, store: KeyStore, *, ca: Path | None = None, sleep: Sleep = time.sleep
    ) -> None:
        """Raises SecretError for a hardware key that cannot be fetched, UsageError for an address or CA file."""
        assert isinstance(product.registration, XyteRegistration)
        self.section = product.registration
        self._product = product.product.name
        self._book, self._store, self._ca, self._sleep = book, store, ca, sleep
        self.hardware_key: Secret = self.section.hardware_key.resolve(product.folder)
        self._entry = Entry(self.section.server, self.hardware_key, ca=ca, sleep=sleep)
        # Keys that this process got itself: a unit that fails is worked again without opening what was sealed.
        self._keys: dict[str, DeviceKey] = {}
        self._lock = threading.Lock()
        self._stopped: FactoryError | None = None

    def close(self) -> None:
        """Close the connection."""
        self._entry.close()

    def assign(self, facts: Facts, work: Work) -> Work:
        """Give `assigned.cloud_id`: the unit's own since ever, or a new one, which becomes its own when it is admitted.
        Without a short code nothing is given.
        """
        if self.section.short_code is None or "cloud_id" in work.assigned:
            return work
        cloud_id = self._book.cloud_id_of(facts) or new_cloud_id(self.section.short_code).text
        return replace(work, assigned={**work.assigned, "cloud_id": cloud_id})

    def prepare(self, identity: Identity, whose: Whose) -> Identity:
        """What has to be done before a unit's image is made: its place in the batch is counted, and where the station
        registers, it is registered. Returns the identity with what its image needs.

        Raises what `register` raises, FactoryError (`xyte.key-used-up`).
        """
        with self._stopping():
            if self.section.registers == "station":
                key = self._registered(request_of(identity), whose)
            else:
                assert whose.unit is not None
                self._book.use_key(whose.unit, fingerprint_of(self.hardware_key), self.section.expected_units)
                return identity
        given = {"id": key.id, "hub_url": self.section.hub, **key.hubs}
        return replace(
            identity,
            registration={**identity.registration, **given},
            secrets={**identity.secrets, "access_key": key.access_key},
        )

    def register(self, request: Mapping[str, object], whose: Whose) -> DeviceKey:
        """The key of a unit: registered now, or before and still good.

        Raises XyteRefused, OutcomeUnknown, Mismatch, KeySealed, CloudError, FileError, Refused, FactoryError
        (`xyte.key-used-up`).
        """
        with self._stopping():
            return self._registered(request, whose)

    def _registered(self, request: Mapping[str, object], whose: Whose) -> DeviceKey:
        assert whose.unit is not None
        before = self.settled(self._book.registration_of(whose.unit))
        if before is not None and before.state is CloudState.UNKNOWN:
            raise unknown(before.cause)
        if before is not None and before.state is CloudState.REGISTERED:
            known = self._known(before, request)
            if known is not None:
                return known
        token = self._begin(request, whose)
        key = self._asked(token, lambda: self._entry.register(request))
        self._verify(key, request)
        return key

    def register_many(self, work: Sequence[tuple[Whose, Mapping[str, object]]]) -> list[DeviceKey | FactoryError]:
        """Register up to 25 units in one request; one result for each, in order. Units that have a live registration
        already are looked at one by one. Raises FactoryError after a fault of the station.
        """
        with self._stopping():
            found: dict[int, DeviceKey | FactoryError] = {}
            asked: list[tuple[int, str]] = []
            for at, (whose, request) in enumerate(work):
                try:
                    assert whose.unit is not None
                    before = self._book.registration_of(whose.unit)
                    if before is not None and before.state in _LIVE:
                        found[at] = self._registered(request, whose)
                    else:
                        asked.append((at, self._begin(request, whose)))
                except FactoryError as error:
                    found[at] = error
            if asked:
                found |= self._many_asked(asked, [work[at][1] for at, _ in asked])
            return [found[at] for at in range(len(work))]

    def _many_asked(
        self, asked: Sequence[tuple[int, str]], requests: Sequence[Mapping[str, object]]
    ) -> dict[int, DeviceKey | FactoryError]:
        try:
            results: Sequence[DeviceKey | CloudError] = self._entry.register_bulk(requests)
        except CloudError as error:
            results = [error] * len(asked)
        found: dict[int, DeviceKey | FactoryError] = {}
        for (at, token), request, result in zip(asked, requests, results, strict=True):

            def given(result: DeviceKey | CloudError = result) -> DeviceKey:
                if isinstance(result, CloudError):
                    raise result
                return result

            try:
                key = self._asked(token, given)
                self._verify(key, request)
                found[at] = key
            except FactoryError as error:
                found[at] = error
        faults = [one for one in found.values() if isinstance(one, FactoryError) and one.code in STATION_FAULTS]
        if faults:
            self._stopped = faults[0]
        return found

    def _begin(self, request: Mapping[str, object], whose: Whose) -> str:
        """Count the key's use, make sure that a key can be kept, and commit the intent; returns its token."""
        assert whose.unit is not None
        self._book.use_key(whose.unit, fingerprint_of(self.hardware_key), self.section.expected_units)
        self._store.require_room()
        return self._intend(request, whose, None)

    def _intend(self, request: Mapping[str, object], whose: Whose, parent: str | None) -> str:
        token = secrets.token_hex(8)
        self._book.begin_registration(
            token,
            unit=whose.unit,
            attempt=whose.attempt,
            hardware_id=whose.hardware_id,
            product=self._product,
            lot=whose.lot,
            sent=request,
            parent=parent,
        )
        return token

    def register_child(self, parent: DeviceKey, request: Mapping[str, object], whose: Whose) -> DeviceKey:
        """Register a child of a device, with the same care; `request` has its `model_id`. Raises as `register`."""
        with self._lock:
            self._store.require_room()
            token = self._intend(request, whose, parent.id)

            def ask() -> DeviceKey:
                child = self._entry.register_child(parent.id, parent.access_key, request)
                # Children talk through their parent's hub (Xyte reference, section 4.1).
                return replace(child, hubs={**parent.hubs, **child.hubs})

            return self._asked(token, ask)

    def key_of(self, record: CloudRecord) -> DeviceKey:
        """The key of a registered device. Raises KeySealed and FileError."""
        return self._keys.get(record.token) or self._store.open(record.token)

    def settled(self, record: CloudRecord | None) -> CloudRecord | None:
        """A registration whose station crashed, settled: by the key store where the key reached it, else as unknown.
        Call it only for units that no other attempt holds.
        """
        if record is None or record.state is not CloudState.INTENT:
            return record
        kept = self._store.find(record.token)
        if kept is None:
            return self._book.settle_registration(record.token, CloudState.UNKNOWN, cause=_CRASHED)
        return self._book.settle_registration(
            record.token, CloudState.REGISTERED, device=kept.device, fingerprint=kept.fingerprint
        )

    def _known(self, record: CloudRecord, request: Mapping[str, object]) -> DeviceKey | None:
        """The key of a unit that was registered before; None when the cloud has deleted it since."""
        for name in ("sn", "mac", "cloud_id"):
            if record.sent.get(name) != request.get(name):
                raise Mismatch(
                    f"the unit was registered with {name} {record.sent.get(name)}, and now it has {request.get(name)}",
                    hint="Delete the old registration: `factory xyte resolve`.",
                )
        key = self.key_of(record)
        try:
            self._verify(key, request)
        except XyteRefused as error:
            if error.code != NOT_AUTHORIZED:
                raise
            self._book.settle_registration(record.token, CloudState.REMOVED, cause=_DELETED)
            return None
        return key

    def _verify(self, key: DeviceKey, request: Mapping[str, object]) -> None:
        """Ask the cloud what it has now. Raises Mismatch, XyteRefused, CloudError."""
        # A reply without hub_url: the old default (Xyte reference, section 1).
        with Hub(key, hub=self.section.hub, ca=self._ca, sleep=self._sleep) as hub:
            wrong = differences(hub.info(), request)
        if wrong:
            raise Mismatch(
                f"Xyte holds other values of device {key.id}: {'; '.join(wrong)}",
                hint="Put the unit aside. Delete its registration (`factory xyte resolve`) and work it again.",
            )

    def _asked(self, token: str, ask: Callable[[], DeviceKey]) -> DeviceKey:
        """Ask, and keep what comes back before anything else is done with it."""
        try:
            key = ask()
        except (XyteRefused, CloudUnreachable, CloudThrottled) as error:
            self._book.settle_registration(token, CloudState.REFUSED, cause=error.message)
            raise
        except OutcomeUnknown as error:
            self._book.settle_registration(token, CloudState.UNKNOWN, cause=error.message)
            raise
        try:
            kept = self._store.put(token, key)
        except FactoryError as error:
            cause = f"it was registered, and its key could not be kept: {error.message}"
            self._book.settle_registration(token, CloudState.UNKNOWN, device=key.id, cause=cause)
            raise unknown(cause) from error
        self._keys[token] = key
        self._book.settle_registration(token, CloudState.REGISTERED, device=key.id, fingerprint=kept.fingerprint)
        return key

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """One request at a time, and none after a fault that every next unit would have as well."""
        with self._lock:
            if self._stopped is not None:
                raise FactoryError(self._stopped.message, hint=self._stopped.hint, code=self._stopped.code)
            try:
                yield
            except FactoryError as error:
                if error.code in STATION_FAULTS:
                    self._stopped = error
                raise
