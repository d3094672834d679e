"""`factory doctor`: whether this station is fit to work and nothing is left half done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli import ledger_audit
from factory.cli.offline import journal_of
from factory.cli.options import LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, FactoryError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    bench: Annotated[Path | None, typer.Option(help="The bench file whose ports and ledger are looked at.")] = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look for what would go wrong at this station.

    The ledger, attempts left half done, ports that are busy or claimed, rights.

    Exits 1 when something must be mended.  Example:  factory doctor --bench acme/bench.toml
    """
    from factory.cli.flash_show import counted
    from factory.clouds.xyte.store import store_findings
    from factory.config import load_bench
    from factory.flashing.card.bench_check import card_findings
    from factory.labels.bench_check import printer_findings
    from factory.ledger.open_station import journal_findings
    from factory.units.bench_check import bench_findings
    from factory.values import Finding, Severity

    session: Session = context.obj
    if json:
        session.json("doctor")
    station = load_bench(bench) if bench else None
    try:
        with use_ledger(ledger, station, quiet=json) as book:
            findings = list(book.doctor())
            if station is not None:
                findings += ledger_audit.checkpoint_findings(book, ledger_audit.own_checkpoints(station), None)
    except FactoryError as error:
        # A new station has no ledger yet, and one with a journal may go on while its server is away.
        hints = {"ledger.missing": "The first `factory run` makes it."}
        if station is not None and station.station.offline is not None:
            hints["ledger.away"] = error.hint
        if station is None or error.code not in hints:
            raise
        findings = [Finding(error.code, Severity.WARNING, "ledger", error.message, hints[error.code])]
    if station is not None:
        if station.station.offline is not None:
            findings += journal_findings(journal_of(station))
        findings += bench_findings(station.slot)
        findings += printer_findings(station)
        findings += card_findings(station.card)
        findings += store_findings(station)
    bad = any(finding.severity is Severity.ERROR for finding in findings)
    if json:
        fields = ("code", "severity", "place", "message", "hint", "value")
        session.print_json({"findings": [{name: getattr(entry, name) for name in fields} for entry in findings]})
    else:
        for finding in findings:
            colour = "red" if finding.severity is Severity.ERROR else "yellow"
            show().print(f"{finding.severity}: {finding}", style=colour, soft_wrap=True, markup=False)
        talk().print(counted(len(findings), "finding") if findings else "nothing to mend")
    raise typer.Exit(Exit.FAILED if bad else Exit.DONE)
