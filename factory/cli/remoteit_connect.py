"""`factory remoteit connect` and `disconnect`: a way to a unit, and the proof that support can reach it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.interrupts import Interrupts
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

if TYPE_CHECKING:
    from factory.clouds.remoteit.account import RemoteItAccount
    from factory.clouds.remoteit.connection import Connection, Mode
    from factory.clouds.remoteit.reach import Reached
    from factory.clouds.remoteit.resolve import Meant

_MODES = ("public", "restricted", "latching")
ServiceArgument = Annotated[
    str, typer.Argument(help="A service id, or DEVICE/SERVICE with the device's hardware id or name.")
]


def add_to(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("connect")(connect)
    group.command("disconnect")(disconnect)


def connect(
    context: typer.Context,
    service: ServiceArgument,
    mode: Annotated[
        str, typer.Option(metavar="MODE", help="Who may use it: public, restricted (to --ip), or latching: the first.")
    ] = "latching",
    ip: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The public address for --mode restricted.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Read a banner through it, then end it: a proof.")] = False,
    within: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds that --check waits for an answer.")] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, open it to everybody (--mode public).")] = False,
    profile: ProfileOption = None,
    credentials: CredentialsOption = None,
    server: ServerOption = None,
    ca: CaOption = None,
    product: SettingsOption = None,
    account: AccountOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Open a connection to a service of a unit; with --check prove that support can reach it, and end it again.

    Without --check it stays open until it expires or `disconnect` ends it. The check reads an SSH banner or an HTTP
    status and ends the connection whatever happens, also on Ctrl-C. Exits 1 when nobody answers.

    Example:  factory remoteit connect b827eb123456/ssh --check
    """
    from factory.clouds.remoteit.resolve import find_service

    session: Session = context.obj
    if json:
        session.json("remoteit.connect")
    chosen = _mode(mode, ip, yes=yes)
    given = _given(profile, credentials, server, ca, product, account)
    with use_account(profile, credentials, server, ca, product=product, account=account) as (cloud, _):
        meant = find_service(cloud, service)
        interrupts = Interrupts("waiting for the cloud, so that no connection stays open unseen")
        with interrupts.held():
            talk().print(f"connecting to {meant.words}", soft_wrap=True, markup=False)
            # Once it was asked for, only the reply's id can end it: an interrupt waits for that.
            opened = cloud.connect(meant.service_id, chosen, ip=ip)
            if check:
                reached = _checked(cloud, opened, interrupts, ca, within, given)
            else:
                _print_open(session, opened, meant, given, as_json=json)
                return
    if json:
        session.print_json(opened.as_json() | {"reached": reached.as_json(), "stopped": True})
        return
    show().print(f"reached {meant.words}: {reached.said}", soft_wrap=True, markup=False)
    talk().print("the connection is ended", markup=False)


def disconnect(
    context: typer.Context,
    service: ServiceArgument,
    connection: Annotated[str, typer.Argument(help="The connection's id, as connect printed it.")],
    profile: ProfileOption = None,
    credentials: CredentialsOption = None,
    server: ServerOption = None,
    ca: CaOption = None,
    product: SettingsOption = None,
    account: AccountOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """End a connection, and whatever runs through it.

    Example:  factory remoteit disconnect b827eb123456/ssh A78B3919-52E1-B674-58CC-5C0009377419
    """
    from factory.clouds.remoteit.resolve import find_service

    session: Session = context.obj
    if json:
        session.json("remoteit.disconnect")
    with use_account(profile, credentials, server, ca, product=product, account=account) as (cloud, _):
        meant = find_service(cloud, service)
        cloud.stop(meant.service_id, connection)
    if json:
        session.print_json({"service": meant.service_id, "connection": connection, "stopped": True})
        return
    talk().print(f"the connection to {meant.words} is ended", soft_wrap=True, markup=False)


def _checked(
    cloud: RemoteItAccount, opened: Connection, interrupts: Interrupts, ca: Path | None, within: float, given: str
) -> Reached:
    """Reach the unit, and end the connection whatever comes of it. Interrupts are let through while it is awaited,
    and wait again while it is ended.
    """
    from factory.clouds.errors import CloudError
    from factory.clouds.remoteit.reach import reach

    try:
        with interrupts.allowed():
            reached = reach(opened, ca=ca, within=within)
    finally:
        try:
            cloud.stop(opened.service_id, opened.id)
        except CloudError as error:
            error.hint = f"{error.hint} The connection may still be open: {_ending(opened, given)}"
            raise
    return reached


def _given(
    profile: str | None,
    credentials: Path | None,
    server: str | None,
    ca: Path | None,
    product: Path | None,
    account: str | None,
) -> str:
    """The options that say which account, as a shell reads them: what ends a connection needs the same."""
    named = {
        "--profile": profile, "--credentials": credentials, "--server": server,
        "--ca": ca, "--product": product, "--account": account,
    }  # fmt: skip
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in named.items() if value is not None)


def _ending(opened: Connection, given: str) -> str:
    return f"factory remoteit disconnect {opened.service_id} {opened.id}{given}"


def _mode(word: str, ip: str | None, *, yes: bool) -> Mode:
    from factory.clouds.remoteit.connection import Mode, host_ip

    if word not in _MODES:
        raise UsageError(f"{word} is no mode", hint=f"One of: {', '.join(_MODES)}.", code="remoteit.mode")
    mode = Mode[word.upper()]
    host_ip(mode, ip)
    if mode is Mode.PUBLIC and not yes:
        raise UsageError(
            "a public connection lets everybody who finds its address talk to the unit until it ends",
            hint="Is the service itself protected by a password or key? Then add --yes. Otherwise leave --mode away.",
            code="remoteit.public",
        )
    return mode


def _print_open(session: Session, opened: Connection, meant: Meant, given: str, *, as_json: bool) -> None:
    if as_json:
        session.print_json(opened.as_json() | {"stopped": False})
        return
    show().print(str(opened.proxy), soft_wrap=True, markup=False)
    lives = f"for {opened.seconds // 60} minutes" if opened.seconds is not None else "until it expires"
    who = " to everybody who knows the address" if opened.proxy.reverse else ""
    lines = (
        f"{meant.words} is open{who} {lives}",
        f"end it:  {_ending(opened, given)}",
    )
    for line in lines:
        talk().print(line, soft_wrap=True, markup=False)
