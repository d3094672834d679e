"""`factory xyte resolve`: registrations whose reply was lost."""

from __future__ import annotations

from typing import Annotated

import typer

from factory.cli.options import LedgerOption
from factory.cli.session import Session, show, talk
from factory.cli.xyte_options import (
    CaOption,
    JsonOption,
    KeysBenchOption,
    LotOption,
    ProductOption,
    UnitOption,
    use_xyte,
)
from factory.errors import Exit, UsageError


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("resolve")(resolve)


def resolve(
    context: typer.Context,
    product: ProductOption,
    bench: KeysBenchOption,
    lot: LotOption,
    unit: UnitOption = None,
    lost_key: Annotated[
        bool, typer.Option("--lost-key", help="Also delete the whole registration of --unit: its key is lost.")
    ] = False,
    by_hand: Annotated[
        str | None, typer.Option(metavar="REASON", help="You looked in the portal and deleted what was there.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    ledger: LedgerOption = None,
    ca: CaOption = None,
    json: JsonOption = False,
) -> None:
    """Settle registrations of which nobody knows whether they were made.

    With [registration] partner_key the record is looked for in the cloud and deleted there; a device that a customer
    has claimed is never deleted. Without it, the command says what to look for in the portal. The unit then registers
    again: at the line, or by `factory xyte register`.

    Exits 1 when something stays open.

    Example:  factory xyte resolve --lot 2026-11-A --product acme/product.toml --bench acme/bench.toml
    """
    from factory.clouds.xyte.hub import Partner
    from factory.lots import resolve as room

    session: Session = context.obj
    if json:
        session.json("xyte.resolve")
    if lost_key and unit is None:
        raise UsageError("--lost-key needs --unit", hint="Name the one unit whose key is lost.")
    with use_xyte(product, bench, ledger, ca, writes=True, quiet=json) as xyte:
        xyte.ledger.lot(lot)
        records = room.open_records(xyte.ledger, xyte.registrar, lot, unit, registered=lost_key)
        reference = xyte.section.partner_key
        if records and reference is None and by_hand is None:
            if json:
                session.print_json({"lot": lot, "open": [record.as_json() for record in records], "resolved": []})
            for line in room.instructions(records):
                talk().print(line, soft_wrap=True, markup=False)
            raise typer.Exit(Exit.FAILED)
        if not records:
            done = []
        elif by_hand is not None:
            done = list(room.by_hand(xyte.ledger, records, by_hand))
        else:
            assert reference is not None
            names = ", ".join(record.hardware_id for record in records)
            if not yes and not typer.confirm(f"Delete what Xyte has of {names}?", err=True):
                raise typer.Abort
            with Partner(xyte.section.hub, reference.resolve(xyte.product.folder), ca=ca) as partner:
                done = list(room.resolve(xyte.ledger, partner, records))
    if json:
        session.print_json({"lot": lot, "open": [], "resolved": [one.as_json() for one in done]})
    else:
        for one in done:
            show().print(f"{one.record.hardware_id}: {one.what}", soft_wrap=True, markup=False)
        talk().print("nothing is open" if not done else f"{sum(one.removed for one in done)} of {len(done)} settled")
    raise typer.Exit(Exit.DONE if all(one.removed for one in done) else Exit.FAILED)
