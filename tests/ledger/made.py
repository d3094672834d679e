"""Units, lots and ledgers as the tests need them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import IntegrityError

from factory.ledger import Attempt, Binding, Ledger, open_ledger
from factory.values import (
    AttemptState,
    BulkIdentificationCode,
    DeviceName,
    Facts,
    HardwareId,
    Identity,
    Mac,
    Proof,
    Receipt,
    RegistrationKey,
)
from tests import postgres

LOT = "2026-11"
BINDING = Binding("router", "a" * 64, "b" * 64, 1)
KEY = "K7SECRETSECRETSECRETSECRETSECRET"
FINGERPRINT = "hmac:0123456789abcdef"
IMAGE = "c" * 64
CODE = "12345678-9abc-def0-1234-56789abcdef0"


# While a test of both engines runs on PostgreSQL, the server's URL stands here: processes of the test's own see it too.
SERVER = "FACTORY_TEST_LEDGER_SERVER"


def opened(folder: Path, station: str = "S1", *, operator: str = "Kim") -> Ledger:
    ledger = open_ledger(url_of(folder), folder=folder, station=station, operator=operator)
    ledger.bind_lot(LOT, BINDING)
    return ledger


def url_of(folder: Path) -> str:
    """The ledger of a test's folder: a file in it, or a schema of the server that is named like it."""
    server = os.environ.get(SERVER)
    if server is None:
        return "sqlite:///ledger.db"
    return postgres.schema(make_url(server), hashlib.sha256(str(folder).encode()).hexdigest()[:16])


@contextmanager
def bare(ledger: Ledger) -> Iterator[Connection]:
    """The ledger's tables without the ledger's rules."""
    with ledger._store.database.engine.begin() as connection:
        yield connection


def refused(connection: Connection, statement: str, **values: object) -> str:
    """The database's own words of refusal for one statement."""
    with pytest.raises(IntegrityError) as caught, connection.begin_nested():
        connection.execute(text(statement), values)
    return str(caught.value.orig)


def mac(number: int) -> Mac:
    return Mac(bytes.fromhex("b827eb") + number.to_bytes(3, "big"))


def facts(*macs: int, serial: str | None = None) -> Facts:
    interfaces = {f"eth{index}": mac(number) for index, number in enumerate(macs)}
    return Facts(interfaces, serial=serial, boot_id="boot", kernel="6.1", routes=("serial:x",))


def identity(
    *macs: int, serial: str | None = None, hardware_id: str | None = None, name: str | None = None
) -> Identity:
    return Identity(
        HardwareId.parse(hardware_id or f"hw-{macs[0]}"),
        RegistrationKey.parse(KEY),
        DeviceName.parse(name or f"router {macs[0]}"),
        BulkIdentificationCode.parse(CODE),
        {f"eth{index}": mac(number) for index, number in enumerate(macs)},
        serial,
    )


def admit(
    ledger: Ledger,
    *macs: int,
    serial: str | None = "SN1",
    slot: str = "A",
    hardware_id: str | None = None,
    name: str | None = None,
    same_unit: bool | None = None,
) -> Attempt:
    return ledger.admit(
        identity(*macs, serial=serial, hardware_id=hardware_id, name=name),
        facts(*macs, serial=serial),
        lot=LOT,
        slot=slot,
        fingerprint=FINGERPRINT,
        same_unit=same_unit,
    )


def receipt() -> Receipt:
    return Receipt(IMAGE, "files", "serial:x", {"hardware_id.txt": "d" * 64}, 100, "sha256sum", 1.5)


def proof() -> Proof:
    return Proof("soft", "boot", "boot2", ("hardware_id.txt",), True, "serial:x", 20.25)


def to_proved(ledger: Ledger, attempt: Attempt) -> None:
    ledger.advance(attempt.id, AttemptState.FLASHING, image=IMAGE)
    ledger.advance(attempt.id, AttemptState.FLASHED, receipt().as_json())
    ledger.advance(attempt.id, AttemptState.PROVED, proof().as_json())


def make_pass(ledger: Ledger, *macs: int, serial: str | None = "SN1", slot: str = "A", hook: bool = False) -> Attempt:
    attempt = admit(ledger, *macs, serial=serial, slot=slot)
    to_proved(ledger, attempt)
    ledger.passed(attempt.id, receipt(), proof(), hook=hook)
    return ledger.attempt(attempt.id)
