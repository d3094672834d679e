"""`factory remoteit`: what the account at remote.it knows, and a way to a unit through it."""

from __future__ import annotations

from typing import Annotated

import typer

from factory.cli import remoteit_confirm, remoteit_connect
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.remoteit_options import (
    AccountOption,
    CaOption,
    CredentialsOption,
    ProfileOption,
    ServerOption,
    SettingsOption,
    use_account,
)
from factory.cli.session import Session, show, talk
from factory.errors import UsageError

_FAR_OFF = 5.0
_STATES = ("active", "inactive")


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Ask remote.it what it knows of your units.", no_args_is_help=True)
    group.callback()(_group)
    group.command("whoami")(whoami)
    group.command("devices")(devices)
    remoteit_confirm.add_to(group)
    remoteit_connect.add_to(group)
    app.add_typer(group, name="remoteit")


def _group() -> None:
    """Ask remote.it what it knows of your units."""


def whoami(
    context: typer.Context,
    profile: ProfileOption = None,
    credentials: CredentialsOption = None,
    server: ServerOption = None,
    ca: CaOption = None,
    product: SettingsOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say whose access key this is: the proof that key, clock and network are right.

    Example:  factory remoteit whoami --profile acme
    """
    from factory.clouds.errors import said

    session: Session = context.obj
    if json:
        session.json("remoteit.whoami")
    with use_account(profile, credentials, server, ca, product=product) as (cloud, source):
        person = cloud.whoami()
        where = cloud.server
    if json:
        told = {"id": person.id, "email": person.email, "server": where, "credentials": source}
        session.print_json(told | {"clock_ahead": None if person.ahead is None else round(person.ahead, 1)})
        return
    show().print(f"{said(person.email)} at {where}, by {source}", soft_wrap=True, markup=False)
    if person.ahead is not None and abs(person.ahead) > _FAR_OFF:
        side = "behind" if person.ahead > 0 else "ahead of"
        talk().print(f"this computer's clock is {abs(person.ahead):.0f} s {side} the cloud's", style="yellow")


def devices(
    context: typer.Context,
    lot: Annotated[str | None, typer.Option(help="Only devices whose hardware id passed in this lot.")] = None,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="Only active (online) or inactive ones.")] = None,
    profile: ProfileOption = None,
    credentials: CredentialsOption = None,
    server: ServerOption = None,
    ca: CaOption = None,
    product: SettingsOption = None,
    account: AccountOption = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the devices of the account, a thousand per request.

    Example:  factory remoteit devices --lot 2026-11-A --state inactive
    """
    from factory.clouds.errors import said
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("remoteit.devices")
    if state is not None and state not in _STATES:
        raise UsageError(f"{said(state)} is no state of a device", hint="active or inactive", code="remoteit.state")
    wanted: set[str] | None = None
    if lot is not None:
        with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
            wanted = {unit.hardware_id for unit in book.passed_units(lot)}
    with use_account(profile, credentials, server, ca, product=product, account=account) as (cloud, _):
        listing = cloud.devices(state=state)
    found = [one for one in listing.devices if wanted is None or one.hardware_id in wanted]
    if json:
        told = {"devices": [one.as_json() for one in found], "total": listing.total, "whole": listing.whole}
        session.print_json(told)
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table(pad_edge=False)
        for name in ("hardware id", "name", "state", "services", "device"):
            table.add_column(name, overflow="fold")
        for one in found:
            services = ", ".join(f"{each.name}={each.id}" for each in one.services)
            word = "CLONED" if one.cloned else one.state
            cells = (one.hardware_id or "-", one.name, word, services or "-", one.id)
            table.add_row(*(Text(said(cell)) for cell in cells))
        show().print(table)
        talk().print(f"{len(found)} of {listing.total} devices", markup=False)
    if not listing.whole:
        talk().print("the account changed while its pages were read: ask again", style="yellow", markup=False)
