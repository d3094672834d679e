"""`factory ledger recall`: every unit that a cause may have reached."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("recall")(recall)


def recall(
    context: typer.Context,
    image: Annotated[str | None, typer.Option(metavar="SHA256", help="Units that this image was written to.")] = None,
    template: Annotated[str | None, typer.Option(metavar="SHA256", help="Units made with these templates.")] = None,
    lot: Annotated[str | None, typer.Option(help="Units of this lot.")] = None,
    slot: Annotated[str | None, typer.Option(help="Units that were flashed in this slot.")] = None,
    station: Annotated[str | None, typer.Option(help="Units that were flashed at this station.")] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Attempts under way between two times: 2026-11-20 or 2026-11-20T14:30, UTC."),
    ] = None,
    upload: Annotated[str | None, typer.Option(metavar="FILE", help="Units of an upload: its name or SHA-256.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write recall.csv, recall.xlsx and recall.json here.")] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List every unit that a cause may have reached, with a proof that the list is whole.

    Every attempt that began to write counts, also one that failed: the unit may carry it. Options together narrow the
    list. The proof counts what is on the list and what is not by questions of their own, and looks each up in the
    chain of events. Exits 1 when the proof does not hold.

    Example:  factory ledger recall --slot 3 --between 2026-11-19 2026-11-20 --out recall --bench acme/bench.toml
    """
    from factory.config import load_bench
    from factory.ledger import Cause
    from factory.lots.recall import COLUMNS, row_of, write_recall

    session: Session = context.obj
    if json:
        session.json("ledger.recall")
    moments = (_moment(between[0], end=False), _moment(between[1], end=True)) if between else None
    cause = Cause(image, template, lot, slot, station, moments, upload)
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        found = book.recall(cause)
    files = write_recall(found, out) if out else None
    proof = found.proof_as_json()
    if json:
        listed = [dict(zip((name.lower() for name in COLUMNS), row_of(one), strict=True)) for one in found.attempts]
        session.print_json(proof | {"list": listed, "written": [str(path) for path in files.paths] if files else []})
        raise typer.Exit(Exit.DONE if found.proved else Exit.FAILED)
    from rich.table import Table

    table = Table(pad_edge=False)
    for name in ("hardware id", "serial", "lot", "station", "slot", "started (UTC)", "attempt", "unit now", "upload"):
        table.add_column(name, overflow="fold")
    for one in found.attempts:
        started = f"{one.started:%Y-%m-%d %H:%M:%S}"
        state = f"{one.attempt} {one.attempt_state}"
        listed_in = f"{one.upload}: {one.upload_row}" if one.upload else "-"
        row = (one.hardware_id, one.serial or "-", one.lot, one.station, one.slot, started, state)
        table.add_row(*row, one.unit_state or "-", listed_in)
    show().print(table)
    talk().print(_said(proof), soft_wrap=True, markup=False, highlight=False)
    for fault in found.faults:
        talk().print(f"chain: {fault}", soft_wrap=True, markup=False)
    for path in files.paths if files else ():
        show().print(str(path), soft_wrap=True, markup=False, highlight=False)
    raise typer.Exit(Exit.DONE if found.proved else Exit.FAILED)


def _said(proof: dict[str, object]) -> str:
    verdict = "the count is proved" if proof["proved"] else "THE COUNT IS NOT PROVED"
    return (
        f"{proof['units']} units in {proof['attempts']} attempts; {proof['other_attempts']} other attempts of "
        f"{proof['flashed_attempts']} that wrote; {proof['told_by_events']} told by the chain: {verdict}"
    )


def _moment(text: str, *, end: bool) -> datetime:
    """A time of the command line, in UTC; a bare day means its first moment, or its last."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time", hint="Write 2026-11-20, or 2026-11-20T14:30 (UTC), or with +01:00 behind."
        ) from error
    if end and len(text) == len("2026-11-20"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999000)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
