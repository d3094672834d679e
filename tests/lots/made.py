"""A product, a ledger and units that passed, for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from factory.config import Product, load_product
from factory.config.starter import write_product_folder
from factory.identity import Identifier, KeySource
from factory.ledger import Binding, Ledger, open_ledger
from factory.values import AttemptState, Facts, Mac, Proof, Receipt, Work

LOT = "2026-11/A"
CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"


def product(folder: Path, **settings: object) -> Product:
    """A product in `folder`; settings are dotted keys with `__` for the dot."""
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    return load_product(write_product_folder(folder, bulk_identification_code=CODE, settings=dotted))  # type: ignore[arg-type]


def ledger(folder: Path, lot: str = LOT, name: str = "router") -> Ledger:
    opened = open_ledger("sqlite:///ledger.db", folder=folder, station="S1")
    opened.bind_lot(lot, Binding(name, "a" * 64, "b" * 64, 1))
    return opened


def admit(book: Ledger, made: Product, number: int, *, lot: str = LOT, values: Mapping[str, str] | None = None) -> int:
    """Admit one unit; returns its attempt."""
    keys = KeySource.open(made.identity.key, made.folder)
    identifier = Identifier.open(made.identity, made.registration, keys, made.product.name)
    macs = {name: Mac.parse(f"b827eb{2 * number + at:06x}") for at, name in enumerate(("eth0", "wlan0"))}
    facts = Facts(macs, values or {}, serial=f"S{number}")
    identity = identifier.identify(facts, Work(lot)).identity
    assert identity.registration_key is not None
    fingerprint = keys.fingerprint(identity.registration_key)
    return book.admit(identity, facts, lot=lot, slot="1", fingerprint=fingerprint).id


def make_pass(
    book: Ledger, made: Product, number: int, *, lot: str = LOT, values: Mapping[str, str] | None = None
) -> None:
    """One unit that has passed."""
    attempt = admit(book, made, number, lot=lot, values=values)
    receipt = Receipt("c" * 64, "files", "ssh:x", {}, 1, "sha256sum", 1.0)
    proof = Proof("soft", "a", "b", ("hardware_id.txt",), True, "ssh:x", 1.0)
    book.advance(attempt, AttemptState.FLASHING, image="c" * 64)
    book.advance(attempt, AttemptState.FLASHED, receipt.as_json())
    book.advance(attempt, AttemptState.PROVED, proof.as_json())
    book.passed(attempt, receipt, proof)
