"""Options that several commands share."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from factory.config import Bench
    from factory.ledger import Ledger

LedgerOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The ledger; default: FACTORY_LEDGER, the bench file's, or sqlite:///ledger.db here.",
        show_default=False,
    ),
]
BenchOption = Annotated[Path | None, typer.Option(help="A bench file that names the ledger.")]


def logged_in() -> str:
    """Who works here, when nobody was named: the user, or its number in a container that has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


class Chosen(NamedTuple):
    """Which ledger a command works on, and as which station."""

    url: str
    folder: Path | None
    station: str


def chosen_ledger(given: str | None, bench: Bench | None = None) -> Chosen:
    """The option's ledger, else FACTORY_LEDGER, else the bench file's (relative to it), else `./ledger.db`."""
    url, folder = given or os.environ.get("FACTORY_LEDGER"), None
    if not url and bench is not None:
        url, folder = bench.station.ledger, bench.folder
    return Chosen(url or "sqlite:///ledger.db", folder, bench.station.name if bench is not None else "office")


@contextlib.contextmanager
def use_ledger(
    given: str | None, bench: Bench | None = None, *, operator: str = "", create: bool = False, quiet: bool = False
) -> Iterator[Ledger]:
    """Open the ledger that `chosen_ledger` says for one command and tell on stderr which it is; closed at the end.

    Raises FactoryError when there is none or it cannot be used.
    """
    from factory.cli.session import talk
    from factory.ledger import open_ledger

    url, folder, station = chosen_ledger(given, bench)
    with open_ledger(url, station=station, operator=operator, folder=folder, create=create) as book:
        if not quiet:
            talk().print(f"ledger: {book.location}", style="dim", soft_wrap=True, markup=False)
        if book.upgraded is not None:
            talk().print(str(book.upgraded), style="yellow", soft_wrap=True, markup=False)
        yield book
