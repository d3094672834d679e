"""`factory pool`: addresses and serials that units get from the maker, and how long they last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from factory.config import Product
    from factory.ledger import Ledger
    from factory.ledger.pool_records import PoolState
    from factory.lots.pool_import import ImportedPool
    from factory.lots.pool_lines import PoolRefused

_SHOWN = 30
_LEASE = 100
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PoolOption = Annotated[str | None, typer.Option(help="The pool's name; default: the only one there is.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Addresses and serials for units that come without.", no_args_is_help=True)
    group.callback()(_group)
    group.command("import")(import_file)
    group.command("show")(show_pools)
    group.command("lease")(lease)
    group.command("burn")(burn)
    app.add_typer(group, name="pool")


def _group() -> None:
    """Addresses and serials for units that come without."""


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The supplier's file: text, CSV or .xlsx.")],
    product: Annotated[Path, typer.Option(help="The product file that declares the pool.")],
    pool: PoolOption = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a supplier's ranges into a pool: all of a file, or nothing.

    A line is one value, FIRST..LAST, FIRST-LAST or FIRST,COUNT; a table may name its columns first, last, count. Every
    line that is wrong is named, and every overlap with another range or with a unit. A ledger is made if there is none.

    Example:  factory pool import reel-7.csv --product acme/product.toml --pool lan --bench acme/bench.toml
    """
    from factory.config import load_product
    from factory.lots.pool_import import import_pool
    from factory.lots.pool_lines import PoolRefused

    session = _session(context, "pool.import", json=json)
    kind = load_product(product)
    try:
        with _ledger(ledger, bench, json=json, create=True) as book:
            done = import_pool(book, kind, _only(kind, pool), file)
    except PoolRefused as refused:
        _print_refused(session, refused, as_json=json)
        raise typer.Exit(Exit.FAILED) from refused
    _print_imported(session, done, as_json=json)


def show_pools(
    context: typer.Context,
    pool: Annotated[str | None, typer.Option(help="Show this pool only.")] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is given, burned, leased to each station and free, and how long it lasts at the present rate.

    Everything is counted in units: a pool that gives two addresses to each unit has half as many.

    Example:  factory pool show --bench acme/bench.toml
    """
    session = _session(context, "pool.show", json=json)
    with _ledger(ledger, bench, json=json) as book:
        states = [state for state in book.pool_states() if pool in (None, state.name)]
    if pool is not None and not states:
        raise _unknown(pool, ())
    if json:
        session.print_json({"pools": [state.as_json() for state in states]})
        return
    _print_states(states)


def lease(
    context: typer.Context,
    station: Annotated[str, typer.Option(help="The station, by its name in its bench file.")],
    pool: PoolOption = None,
    cells: Annotated[int, typer.Option(min=1, help="For so many units.")] = _LEASE,
    product: Annotated[str | None, typer.Option(metavar="NAME", help="The product, where several have it.")] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Lease values to a station ahead of time, so that it goes on for so many units while the ledger is out of reach.

    The line does it by itself, [[pool]] lease at a time. Exits 1 when the pool had fewer.

    Example:  factory pool lease --station S2 --pool lan --cells 500 --ledger postgresql+psycopg://ledger/factory
    """
    session = _session(context, "pool.lease", json=json)
    with _ledger(ledger, bench, json=json) as book:
        chosen = _chosen(book.pool_states(), pool, product)
        taken = book.lease_cells(chosen.product, chosen.name, station, cells)
        state = _chosen(book.pool_states(), chosen.name, chosen.product)
    if json:
        session.print_json({"station": station, "leased": taken, "wanted": cells, **state.as_json()})
    else:
        there = f"station {station} has {state.leased.get(station, 0)} of pool {state.name} now, {state.free} are free"
        show().print(f"{taken} leased: {there}", soft_wrap=True, markup=False)
        if taken < cells:
            talk().print(f"{cells} were asked for, and there were no more", style="yellow")
    raise typer.Exit(Exit.DONE if taken == cells else Exit.FAILED)


def burn(
    context: typer.Context,
    value: Annotated[str, typer.Argument(help="An address or serial of a pool.")],
    reason: Annotated[str, typer.Option(help="Why; kept for ever.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a value out of its pool for ever, with all that the same unit would get: somebody else has it.

    One that a unit of the ledger has is refused: quarantine or scrap that unit.

    Example:  factory pool burn b8:27:eb:10:00:02 --reason "on a sample for the lab" --bench acme/bench.toml
    """
    session = _session(context, "pool.burn", json=json)
    with _ledger(ledger, bench, json=json) as book:
        event = book.burn(value, reason)
    if json:
        session.print_json({"burned": dict(event.data)})
        return
    show().print(f"burned: {value} of pool {event.data['pool']} goes to no unit any more", soft_wrap=True, markup=False)


def _session(context: typer.Context, name: str, *, json: bool) -> Session:
    session: Session = context.obj
    if json:
        session.json(name)
    return session


def _ledger(
    given: str | None, bench: Path | None, *, json: bool, create: bool = False
) -> AbstractContextManager[Ledger]:
    from factory.config import load_bench

    station = load_bench(bench) if bench else None
    return use_ledger(given, station, operator=logged_in(), create=create, quiet=json)


def _only(product: Product, name: str | None) -> str:
    names = [pool.name for pool in product.pool]
    if name is None and len(names) == 1:
        return names[0]
    if name is None and names:
        raise UsageError("the product has several pools", hint=f"Choose one: --pool {' or --pool '.join(names)}")
    return name or ""


def _chosen(states: Sequence[PoolState], name: str | None, product: str | None) -> PoolState:
    fitting = [one for one in states if name in (None, one.name) and product in (None, one.product)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise _unknown(name or "", [one.name for one in states])
    there = ", ".join(f"{one.name} of {one.product}" for one in fitting)
    raise UsageError("several pools fit", hint=f"Choose with --pool and --product: {there}.", code="pool.unknown")


def _unknown(name: str, there: Sequence[str]) -> UsageError:
    first = "factory pool import FILE --product PRODUCT --bench BENCH brings the first."
    return UsageError(
        f"the ledger has no pool {name}".rstrip(),
        hint=f"There are: {', '.join(there)}." if there else first,
        code="pool.unknown",
    )


def _print_states(states: Sequence[PoolState]) -> None:
    from rich.table import Table

    table = Table(title="pools, in units", title_justify="left", pad_edge=False)
    for name in ("pool", "product", "total", "given", "burned", "leased", "free", "low water", "a day", "lasts"):
        table.add_column(name, overflow="fold", justify="left" if name in ("pool", "product", "leased") else "right")
    for state in states:
        leased = ", ".join(f"{station} {count}" for station, count in sorted(state.leased.items()))
        days = state.days_left
        row = (state.name, state.product, state.total, state.given, state.burned, leased or "-", state.free)
        rate = "-" if state.per_day is None else f"{state.per_day:,.0f}"
        lasts = "-" if days is None else f"{days:,.1f} days"
        low = f"{state.low_water} LOW" if state.is_low else str(state.low_water)
        table.add_row(*map(str, row), low, rate, lasts, style="yellow" if state.is_low else None)
    show().print(table if states else "no pools")


def _print_imported(session: Session, done: ImportedPool, *, as_json: bool) -> None:
    if as_json:
        findings = [_as_json(finding) for finding in done.warnings]
        counts = {"values": done.done.values, "cells": done.done.cells, "left_over": done.done.left_over}
        told = {"file": done.file.name, "sha256": done.file.sha256, "pool": done.spec.name}
        session.print_json(told | counts | {"ranges": done.done.ranges, "findings": findings})
        return
    for finding in done.warnings[:_SHOWN]:
        talk().print(f"{done.file.name}: {finding}", style="yellow", soft_wrap=True, markup=False)
    show().print(
        f"{done.done.values} values of {done.file.name} are in pool {done.spec.name} now: "
        f"enough for {done.done.cells} units",
        soft_wrap=True,
        markup=False,
    )


def _print_refused(session: Session, refused: PoolRefused, *, as_json: bool) -> None:
    if as_json:
        error = {"code": refused.code, "message": refused.message, "hint": refused.hint, "exit": int(refused.exit_code)}
        session.print_json({"error": error, "findings": [_as_json(finding) for finding in refused.findings]})
        return
    for finding in refused.findings[:_SHOWN]:
        show().print(f"{refused.file}: {finding}", soft_wrap=True, markup=False)
    if len(refused.findings) > _SHOWN:
        show().print(f"and {len(refused.findings) - _SHOWN} more")
    talk().print(f"error: {refused}", soft_wrap=True, markup=False)


def _as_json(finding: object) -> dict[str, object]:
    return {name: getattr(finding, name) for name in ("code", "severity", "place", "message", "hint", "value")}
