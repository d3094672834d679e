"""Registers one unit in a process of its own, which a test lets die on the way."""

from __future__ import annotations

from pathlib import Path

from factory.clouds.xyte.book import Whose
from factory.clouds.xyte.registrar import Registrar
from factory.clouds.xyte.store import KeyStore
from factory.config import load_product
from factory.ledger import open_ledger
from tests.clouds.xyte.conftest import request
from tests.ledger.made import LOT


def work(product: Path, _url: str, ca: Path, unit: int, attempt: int) -> None:
    folder = product.parent.parent
    with open_ledger("sqlite:///ledger.db", folder=folder, station="S9", operator="Kim") as ledger:
        registrar = Registrar(load_product(product), ledger, KeyStore(folder / "device-keys"), ca=ca)
        registrar.register(request(1), Whose(unit, attempt, "hw-1", LOT))
