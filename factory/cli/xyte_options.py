"""What the commands of `factory xyte` take, and what they open."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import logged_in, use_ledger

if TYPE_CHECKING:
    from factory.clouds.xyte.registrar import Registrar
    from factory.config import Bench, Product, XyteRegistration
    from factory.ledger import Ledger

ProductOption = Annotated[Path, typer.Option(help="The product file, product.toml.")]
KeysBenchOption = Annotated[
    Path, typer.Option(help="The bench file: its [device_keys] say where the units' keys are kept.")
]
LotOption = Annotated[str, typer.Option(help="The lot.")]
UnitOption = Annotated[str | None, typer.Option(metavar="ID", help="Only the unit with this hardware id.")]
CaOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The only authorities to trust, in PEM; default: SSL_CERT_FILE, the system's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@dataclass(frozen=True, slots=True)
class Xyte:
    """An opened product, with what its commands work on."""

    product: Product
    section: XyteRegistration
    bench: Bench
    ledger: Ledger
    registrar: Registrar
    ca: Path | None


@contextlib.contextmanager
def use_xyte(
    product: Path,
    bench: Path,
    ledger: str | None,
    ca: Path | None,
    *,
    station: bool = False,
    writes: bool = False,
    quiet: bool = False,
) -> Iterator[Xyte]:
    """Open product, bench, ledger and cloud for one command; with `writes` also hold the station, so that its line does
    not ask at the same time. `station` refuses products whose units register themselves. Raises FactoryError.
    """
    from factory.clouds.xyte.registrar import Registrar
    from factory.clouds.xyte.store import KeyStore
    from factory.config import load_bench, load_product
    from factory.lots.register import require_xyte

    kind, place = load_product(product), load_bench(bench)
    section = require_xyte(kind, station=station)
    with use_ledger(ledger, place, operator=logged_in(), quiet=quiet) as book:
        if writes:
            book.recover()
        registrar = Registrar(kind, book, KeyStore.of(place), ca=ca)
        try:
            yield Xyte(kind, section, place, book, registrar, ca)
        finally:
            registrar.close()
