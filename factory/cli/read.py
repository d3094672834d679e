"""`factory read`: who a unit is."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.config import Product, SerialSection, SshSection, TimeoutsSection
    from factory.units import Login, Unit
    from factory.values import Facts


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("read")(read)


def read(
    context: typer.Context,
    serial: Annotated[str | None, typer.Option(metavar="PORT", help="Read over this serial port.")] = None,
    baud: Annotated[int, typer.Option(min=300, max=4_000_000, help="Serial speed.")] = 115200,
    ssh: Annotated[str | None, typer.Option(metavar="[USER@]HOST[:PORT]", help="Read over SSH.")] = None,
    interface: Annotated[str | None, typer.Option(help="Bind SSH to this network interface.")] = None,
    user: Annotated[str | None, typer.Option(help="Who logs in; default: the product's, or root.")] = None,
    password: Annotated[
        str | None, typer.Option(metavar="REF", help="env:NAME, file:PATH or keyring:...; asked for when missing.")
    ] = None,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the unit to boot and answer.")] = 30.0,
    product: Annotated[Path | None, typer.Option(help="A product file with login, facts and paths.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read MAC addresses and facts of one unit.

    Changes nothing on the unit and needs no ledger.

    For example:

      factory read --serial /dev/serial/by-path/... --user root --password file:password.txt

      factory read --ssh root@192.168.1.1 --json
    """
    from factory.config import UnitSection, load_product
    from factory.units import Deadline, UnitError, read_facts

    session: Session = context.obj
    if json:
        session.json("read")
    named, route = _route(serial, baud, ssh, interface)
    started = time.monotonic()
    kind = load_product(product) if product else None
    login = _login(kind, user or named, password)
    section = kind.unit if kind else UnitSection()
    unit = _open(route, login, section.timeouts, wait)
    with contextlib.closing(unit):
        try:
            facts = read_facts(unit, section, deadline=Deadline(section.timeouts.command))
        except UnitError as error:
            if kind is not None or error.code != "unit.simulated":
                raise
            talk().print("a simulated unit", style="dim")
            facts = read_facts(unit, UnitSection.of_rehearsal(), deadline=Deadline(section.timeouts.command))
    seconds = time.monotonic() - started
    if json:
        session.print_json(_document(unit.route, facts, seconds))
    else:
        _print(unit.route, facts, seconds)


def _open(route: SerialSection | SshSection, login: Login, limits: TimeoutsSection, wait: float) -> Unit:
    from factory.config import SerialSection
    from factory.units import AcceptAnyKey, Deadline, NullTranscript, open_serial, open_ssh

    transcript = NullTranscript()
    if isinstance(route, SerialSection):
        return open_serial(route, login, timeouts=limits, transcript=transcript, deadline=Deadline(wait))
    unit = open_ssh(
        route,
        login,
        slot=route.host,
        host_keys=AcceptAnyKey(),  # without a ledger nobody remembers keys; the person sees it and judges
        timeouts=limits,
        transcript=transcript,
        deadline=Deadline(wait),
    )
    shown = f"host key of {route.host}: {unit.host_key.algorithm} {unit.host_key.fingerprint}"
    talk().print(shown, style="dim", markup=False, soft_wrap=True)
    return unit


def _login(product: Product | None, user: str | None, password: str | None) -> Login:
    from factory.secrets import Secret, SecretRef
    from factory.units import Login

    section = product.unit.login if product else None
    who = user or (section.user if section else "root")
    secret = None
    key = product.folder / section.key if product and section and section.key else None
    if password is not None:
        secret = SecretRef.parse(password).resolve(Path.cwd())
    elif product and section and section.password is not None:
        secret = section.password.resolve(product.folder)
    elif key is None and sys.stdin.isatty():
        secret = Secret(getpass.getpass(f"password of {who} on the unit: "))
    return Login(user=who, password=secret, key=key, become=section.become if section else "none")


def _route(
    serial: str | None, baud: int, ssh: str | None, interface: str | None
) -> tuple[str | None, SerialSection | SshSection]:
    from factory.config import SerialSection, SshSection

    if (serial is None) == (ssh is None):
        raise UsageError("give one route: --serial PORT or --ssh HOST", hint="See: factory read --help")
    if serial is not None:
        return None, SerialSection(port=serial, baud=baud)
    user, at, target = (ssh or "").rpartition("@")
    host, port = split_port(target)
    return (user if at else None), SshSection(host=host, port=port, interface=interface)


def split_port(target: str) -> tuple[str, int]:
    """Split HOST[:PORT]; an IPv6 address with a port stands in brackets."""
    host, port = target, ""
    if target.startswith("["):
        host, _, port = target[1:].partition("]")
        port = port.removeprefix(":")
    elif target.count(":") == 1:
        host, _, port = target.partition(":")
    if not host or (port and not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535)):
        raise UsageError(f"cannot read the SSH address {target!r}", hint="Write HOST, HOST:PORT or [IPv6]:PORT.")
    return host, int(port or 22)


def _document(route: str, facts: Facts, seconds: float) -> dict[str, object]:
    connectd = None
    if facts.connectd is not None:
        said = facts.connectd
        connectd = {"hardware_id": said.hardware_id, "bulk_identification_code": said.bulk_identification_code}
    values = {"serial": facts.serial, "model": facts.model, "kernel": facts.kernel, "boot_id": facts.boot_id}
    return {
        "route": route,
        "interfaces": {name: mac.colons for name, mac in facts.interfaces.items()},
        "facts": {**{name: value for name, value in values.items() if value}, **facts.values},
        "connectd": connectd,
        "seconds": round(seconds, 3),
    }


def _print(route: str, facts: Facts, seconds: float) -> None:
    from rich.table import Table

    table = Table(title=f"{route}, read in {seconds:.2f} s", title_justify="left", show_header=False, pad_edge=False)
    for name, mac in facts.interfaces.items():
        defect = mac.defect()
        table.add_row(name, mac.colons, f"[yellow]{defect[1]}[/]" if defect else "")
    for name, value in (("serial", facts.serial), ("model", facts.model), ("kernel", facts.kernel)):
        if value:
            table.add_row(name, value, "")
    for name, value in facts.values.items():
        table.add_row(name, value, "")
    if facts.connectd is not None:
        table.add_row("connectd id", facts.connectd.hardware_id, "")
        table.add_row("connectd code", facts.connectd.bulk_identification_code, "")
    show().print(table)
