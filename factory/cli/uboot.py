"""`factory uboot`: the boot loader's environment, read and written with proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.bootloader import Bootloader
    from factory.config import Bench, SerialSection, Slot, UbootFlash
    from factory.units import Deadline

Serial = Annotated[str | None, typer.Option(metavar="PORT", help="The unit's serial port.")]
Baud = Annotated[int, typer.Option(min=300, max=4_000_000, help="Serial speed.")]
SlotName = Annotated[str | None, typer.Option("--slot", help="The slot of the bench that the unit is in.")]
BenchFile = Annotated[Path | None, typer.Option("--bench", help="The bench file of --slot.")]
ProductFile = Annotated[Path | None, typer.Option("--product", help="A product file; its [flash.uboot] is used.")]
Stopped = Annotated[bool, typer.Option("--at-prompt", help="The loader stands at its prompt; do not restart.")]
Wait = Annotated[float, typer.Option(min=1, help="Seconds to wait for the boot loader.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Units at their boot loader, before any Linux runs.", no_args_is_help=True)
    group.command("env")(env)
    group.command("set")(set_)
    app.add_typer(group, name="uboot")


def env(
    context: typer.Context,
    serial: Serial = None,
    baud: Baud = 115200,
    slot: SlotName = None,
    bench: BenchFile = None,
    product: ProductFile = None,
    at_prompt: Stopped = False,
    wait: Wait = 60.0,
    json: Json = False,
) -> None:
    """Read the boot loader's environment.

    Stops the unit's boot: by the slot's power control, or when you restart the unit by hand. Changes nothing.

    Example:  factory uboot env --serial /dev/serial/by-path/... --at-prompt
    """
    from factory.bootloader import read_environment

    session: Session = context.obj
    if json:
        session.json("uboot-env")
    with _loader(serial, baud, slot, bench, product, wait, stopped=at_prompt, quiet=json) as (loader, _, deadline):
        found = read_environment(loader, limit=deadline)
        route = loader.route
    if json:
        session.print_json({"route": route, "environment": dict(found.values), "used": found.used, "room": found.room})
        return
    for name, value in sorted(found.values.items()):
        show().print(f"{name}={value.encode('unicode_escape').decode()}", markup=False, soft_wrap=True)


def set_(
    context: typer.Context,
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="What to set.")],
    serial: Serial = None,
    baud: Baud = 115200,
    slot: SlotName = None,
    bench: BenchFile = None,
    product: ProductFile = None,
    at_prompt: Stopped = False,
    wait: Wait = 60.0,
    json: Json = False,
) -> None:
    """Set variables, save them, restart the unit, and read them back from its new boot.

    Most boards let ethaddr and serial# be written once.

    Example:  factory uboot set ethaddr=b8:27:eb:12:34:56 --slot A --bench bench.toml
    """
    from factory.bootloader import set_environment
    from factory.bootloader.setting import check_settings

    session: Session = context.obj
    if json:
        session.json("uboot-set")
    values = _values(settings)
    check_settings(values)
    with _loader(serial, baud, slot, bench, product, wait, stopped=at_prompt, quiet=json) as (
        loader,
        section,
        deadline,
    ):
        proof, loader = set_environment(loader, values, keys=section.stop_keys, limit=deadline)
        route = loader.route
    if json:
        session.print_json({"route": route, **proof.as_json()})
        return
    for name, value in proof.after.items():
        before = proof.before[name]
        changed = "unchanged" if before == value else "was not set" if before is None else f"was {before!a}"
        show().print(f"{name}={value}  ({changed}; read back after a restart)", markup=False, soft_wrap=True)


def _values(settings: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or name in values:
            raise UsageError(f"cannot read {setting!r}", hint="Write NAME=VALUE, each name once.")
        values[name] = value
    return values


@contextmanager
def _loader(
    serial: str | None,
    baud: int,
    slot: str | None,
    bench: Path | None,
    product: Path | None,
    wait: float,
    *,
    stopped: bool,
    quiet: bool,
) -> Iterator[tuple[Bootloader, UbootFlash, Deadline]]:
    from factory.cli.flash_uboot import cancelled_by_signal, power_of, say, serial_of, transcript_of
    from factory.config import UbootFlash, load_bench, load_product
    from factory.flashing.uboot import bootloader_on
    from factory.units import Deadline

    section = load_product(product).flash.uboot if product else UbootFlash()
    with ExitStack() as stack:
        cancel = stack.enter_context(cancelled_by_signal())
        port, power, transcript = _port(serial, baud), None, None
        if port is None:
            station, place = _place(load_bench(bench) if bench else None, slot)
            port, power = serial_of(place), None if stopped else power_of(station, place)
            transcript = stack.enter_context(transcript_of(station, place))
        elif slot is not None:
            raise UsageError("give --serial PORT or --slot NAME, not both")
        if power is None and not stopped:
            talk().print("switch the unit off and on now", style="yellow", markup=False)
        say(quiet, f"waiting for the boot loader on {port.port}")
        deadline = Deadline(wait, cancel=cancel)
        with bootloader_on(
            port, section, deadline=deadline, power=power, stopped=stopped, transcript=transcript
        ) as loader:
            yield loader, section, Deadline(wait * 3, cancel=cancel)


def _port(serial: str | None, baud: int) -> SerialSection | None:
    from factory.config import SerialSection

    return None if serial is None else SerialSection(port=serial, baud=baud)


def _place(bench: Bench | None, name: str | None) -> tuple[Bench, Slot]:
    if bench is None or name is None:
        raise UsageError("where is the unit?", hint="--serial PORT, or --slot NAME with --bench FILE.")
    found = next((slot for slot in bench.slot if slot.name == name), None)
    if found is None:
        there = ", ".join(slot.name for slot in bench.slot)
        raise UsageError(f"the bench has no slot {name}", hint=f"There are: {there}.", code="line.slot")
    return bench, found
