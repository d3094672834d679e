"""`factory rehearse clouds`: servers that behave like the real clouds, on this machine only."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session, print_line, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.config import Product
    from factory.rehearsal.clouds.faults import Order
    from factory.rehearsal.clouds.server import SimulatedClouds


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("clouds")(clouds)


def clouds(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 is a free one.")] = 0,
    state: Annotated[Path, typer.Option(help="What they remember; ca.pem and credentials lie beside it.")] = Path(
        "clouds/state.sqlite"
    ),
    product: Annotated[Path | None, typer.Option(help="A product file whose product the portal shall have.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=COUNT][@PATH]", help="A fault for the next requests; `--fault list` lists them."),
    ] = None,
    publish_seconds: Annotated[float, typer.Option(min=0, help="How long publishing takes, per device.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document when they answer.")] = False,
) -> None:
    """Start the simulated clouds and leave them running until Ctrl-C. They listen on this machine alone.

    The same state file is the same clouds again, with everything that was registered.

    Example:  factory rehearse clouds --product acme/product.toml --fault lost-reply=1@/register
    """
    from factory.rehearsal.clouds.faults import CloudFault
    from factory.rehearsal.clouds.server import SimulatedClouds
    from factory.rehearsal.clouds.world import Settings

    session: Session = context.obj
    if fault == ["list"]:
        for known in CloudFault:
            show().print(f"{known:<20}{known.help}", soft_wrap=True, markup=False)
        return
    if json:
        session.json("rehearse.clouds")
    orders = [_order(text) for text in fault or ()]
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    kind = _product(product) if product else None
    settings = Settings(publish_seconds=publish_seconds)
    with SimulatedClouds(state.absolute().parent, port=port, state=state.absolute(), settings=settings) as simulated:
        _make_product(simulated, kind)
        for order in orders:
            simulated.faults.set(order.fault, order.count, order.path)
        if json:
            print_line({"schema": session.schema, **simulated.summary()})
        else:
            _explain(simulated)
        ended.wait()
    talk().print("the clouds are gone; the state file keeps what they knew")


def _order(text: str) -> Order:
    from factory.rehearsal.clouds.faults import parse_order

    try:
        return parse_order(text)
    except ValueError as error:
        raise UsageError(str(error), hint="See: factory rehearse clouds --fault list") from error


def _product(path: Path) -> Product:
    from factory.config import load_product

    return load_product(path)


def _make_product(simulated: SimulatedClouds, kind: Product | None) -> None:
    """Let the portal have the product of the file, or one to begin with."""
    from factory.rehearsal.clouds.remoteit.portal import SERVICE_TYPES, ServiceSpec

    known = {one["bic"]: one["services"] for one in simulated.remoteit.products()}
    if kind is None:
        if not known:
            services = (ServiceSpec("ssh", "ssh", 22), ServiceSpec("web", "http", 80))
            simulated.remoteit.create_product("Practice gateway", services)
        return
    registration = kind.registration
    if registration.profile == "xyte":
        model = simulated.xyte.prepare(
            kind.product.name, registration.authentication,
            short_code=registration.short_code, expected=registration.expected_units,
        )  # fmt: skip
        simulated.xyte.write_keys(simulated.folder, model)
        return
    if registration.profile != "remoteit-bulk":
        return
    specs = [
        ServiceSpec(one.name, one.type.lower() if one.type.lower() in SERVICE_TYPES else "tcp", one.port)
        for one in registration.services
    ]
    code = registration.bulk_identification_code
    if code not in known:
        simulated.remoteit.create_product(kind.product.name, specs, code)
        return
    there = {(one["name"], one["type"], one["port"]) for one in known[code] if one["type"] != "bulk"}
    if there != {(one.name, one.type, one.port) for one in specs}:
        talk().print(
            f"warning: the state file has product {code} with other services than the product file; its own stay. "
            "For the new ones begin anew: --state with a path that is not there yet",
            style="yellow", soft_wrap=True, markup=False,
        )  # fmt: skip


def _explain(simulated: SimulatedClouds) -> None:
    lines = [
        f"the clouds answer at {simulated.url}    (open it in a browser: the portal)",
        f"CA for clients:      {simulated.ca}",
        f"credentials:         {simulated.credentials}    (access key and developer key of the made-up account)",
        f"account:             {simulated.account.email}",
        f"state:               {simulated.summary()['state']}",
        f"Xyte keys:           {simulated.folder / 'xyte-hardware-key'}, {simulated.folder / 'xyte-partner-key'}",
        *(f"Xyte model:          {one['name']}, {one['authentication']}, model id {one['id']}"
          for one in simulated.xyte.models()),
        *(f"product:             {one['name']}, bulk identification code {one['bic']}"
          for one in simulated.remoteit.products()),
        "in another terminal:",
        f"  curl --cacert {simulated.ca} {simulated.url}/rehearsal/counters",
        "Ctrl-C here ends it.",
    ]  # fmt: skip
    for line in lines:
        show().print(line, soft_wrap=True, markup=False)
