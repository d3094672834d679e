"""`factory xyte`: registering units with Xyte, their QR codes, and whether the cloud has them right."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from factory.cli import xyte_children, xyte_qr, xyte_resolve
from factory.cli.interrupts import Interrupts
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
from factory.errors import Exit, FactoryError


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Register units with Xyte, and look whether it has them right.", no_args_is_help=True)
    group.callback()(_group)
    group.command("register")(register)
    group.command("check")(check)
    xyte_children.add_to(group)
    xyte_qr.add_to(group)
    xyte_resolve.add_to(group)
    app.add_typer(group, name="xyte")


def _group() -> None:
    """Register units with Xyte, and look whether it has them right."""


def register(
    context: typer.Context,
    product: ProductOption,
    bench: KeysBenchOption,
    lot: LotOption,
    unit: UnitOption = None,
    ledger: LedgerOption = None,
    ca: CaOption = None,
    json: JsonOption = False,
) -> None:
    """Register the units of a lot that the ledger knows, one after the other.

    `factory run` does so by itself; this is for units whose registration failed there, before they go to the line
    again. Keys are kept where [device_keys] of the bench says. Units that are registered are only looked at.

    Exits 1 when a unit is not registered.

    Example:  factory xyte register --lot 2026-11-A --product acme/product.toml --bench acme/bench.toml
    """
    from factory.lots.register import register_lot

    session: Session = context.obj
    if json:
        session.json("xyte.register")
    done = []
    with use_xyte(product, bench, ledger, ca, station=True, writes=True, quiet=json) as xyte:
        outcomes = register_lot(xyte.ledger, xyte.registrar, lot, unit, bulk=xyte.section.bulk)
        # An access key is shown once: it is kept before an interrupt ends anything.
        interrupts = Interrupts("waiting for Xyte's answer, so that no unit's key is lost")
        with interrupts.held():
            for outcome in outcomes:
                done.append(outcome)
                if not json:
                    talk().print(f"{len(done)}: {outcome.hardware_id}", style="dim", markup=False, highlight=False)
                if interrupts.came:
                    break
    if json:
        session.print_json({"lot": lot, "units": [one.as_json() for one in done]})
    else:
        for one in done:
            what = f"registered as {one.device}" if one.good else f"{one.message} [{one.code}]\n  {one.hint}"
            show().print(f"{one.hardware_id}: {what}", soft_wrap=True, markup=False)
        talk().print(f"{sum(one.good for one in done)} of {len(done)} units registered", markup=False)
    raise typer.Exit(Exit.DONE if all(one.good for one in done) else Exit.FAILED)


def check(
    context: typer.Context,
    product: ProductOption,
    bench: KeysBenchOption,
    lot: LotOption,
    unit: UnitOption = None,
    telemetry: Annotated[
        bool, typer.Option(help="Send a message in each unit's name, and say at the end that it is offline.")
    ] = True,
    ledger: LedgerOption = None,
    ca: CaOption = None,
    json: JsonOption = False,
) -> None:
    """Ask Xyte in the name of each registered unit: there, with its serial, MAC and firmware, and unclaimed.

    The units' keys must be readable here: unsealed, or with device_keys.identity in the bench file.

    Exits 1 when a unit is wrong or cannot be asked for.

    Example:  factory xyte check --lot 2026-11-A --product acme/product.toml --bench acme/bench.toml
    """
    from factory.clouds.xyte.check import check_device
    from factory.lots.register import newest_records
    from factory.values import CloudState

    session: Session = context.obj
    if json:
        session.json("xyte.check")
    told: list[dict[str, Any]] = []
    with use_xyte(product, bench, ledger, ca, quiet=json) as xyte:
        xyte.ledger.lot(lot)
        for record in newest_records(xyte.ledger, lot, unit):
            entry: dict[str, Any] = {"hardware_id": record.hardware_id, "device": record.device, "claimed": None}
            told.append(entry)
            if record.state is not CloudState.REGISTERED:
                entry["findings"] = [f"is not registered: {record.state}; {record.cause}"]
                continue
            try:
                key = xyte.registrar.key_of(record)
                checked = check_device(key, record.sent, telemetry=telemetry, hub=xyte.section.hub, ca=ca)
            except FactoryError as error:
                entry["findings"] = [f"{error.message} [{error.code}]"]
                continue
            entry["claimed"] = checked.claimed
            entry["findings"] = [f"{finding.message} [{finding.code}]" for finding in checked.findings]
    good = sum(not entry["findings"] for entry in told)
    if json:
        session.print_json({"lot": lot, "units": told, "good": good})
    else:
        for entry in told:
            what = "; ".join(entry["findings"]) or "as it should be"
            show().print(f"{entry['hardware_id']}: {what}", soft_wrap=True, markup=False)
        talk().print(f"{good} of {len(told)} units are as they should be", markup=False)
    if not told:
        talk().print(f"no unit of lot {lot} was registered by a station", style="yellow", markup=False)
    raise typer.Exit(Exit.DONE if told and good == len(told) else Exit.FAILED)
