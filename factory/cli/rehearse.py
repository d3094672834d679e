"""`factory rehearse`: the same without hardware."""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli import rehearse_clouds, rehearse_labels, rehearse_lot
from factory.cli.session import show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory.rehearsal.bench import SimulatedBench
    from factory.rehearsal.faults import Fault
    from factory.rehearsal.plan import UnitPlan
    from factory.rehearsal.unit import SimulatedUnit


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Practise without hardware.", no_args_is_help=True)
    group.callback()(_group)
    group.command("bench")(bench)
    rehearse_clouds.add_to(group)
    rehearse_lot.add_to(group)
    rehearse_labels.add_to(group)
    app.add_typer(group, name="rehearse")


def _group() -> None:
    """Practise without hardware."""


def bench(
    units: Annotated[int, typer.Option(min=1, max=96, help="How many simulated units.")] = 2,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault that every unit has; may be repeated. `--fault list` lists them.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for units, bench.toml and product.")] = Path("rehearsal"),
    baud: Annotated[int, typer.Option(min=300, max=4_000_000, help="Speed of the simulated wire.")] = 115200,
    qemu: Annotated[
        int | None, typer.Option(min=1, max=16, help="This many units with a real kernel in QEMU instead.")
    ] = None,
    kernel: Annotated[Path | None, typer.Option(help="With --qemu: a kernel; default: Debian's, fetched once.")] = None,
    modules: Annotated[Path | None, typer.Option(help="With --kernel: the folder of its modules.")] = None,
    uboot: Annotated[
        int | None, typer.Option(min=1, max=16, help="This many units with a boot loader and no Linux instead.")
    ] = None,
    unaddressed: Annotated[
        bool, typer.Option("--unaddressed", help="The units come without an address, and get one from a pool.")
    ] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Each unit gets a label, from a simulated printer with a scanner.")
    ] = False,
    stages: Annotated[bool, typer.Option("--stages", help="The units go through three stations, in order.")] = False,
) -> None:
    """Start simulated units and leave them running until Ctrl-C, for `factory read`, `factory run` and people.

    Example:  factory rehearse bench --units 2 --fault kernel-messages

    Example:  factory rehearse bench --unaddressed

    Example:  factory rehearse bench --labels --stages

    Example:  factory rehearse bench --qemu 1

    Example:  factory rehearse bench --uboot 1
    """
    from factory.cli.rehearse_qemu import KernelChoice, qemu_bench
    from factory.cli.rehearse_uboot import uboot_bench
    from factory.rehearsal.faults import Fault
    from factory.rehearsal.plan import bench_plans

    if fault == ["list"]:
        for known in Fault:
            show().print(f"{known:<24}{known.help}", soft_wrap=True, markup=False)
        return
    faults = frozenset(_fault(name) for name in fault or ())
    extras = _Extras(unaddressed=unaddressed, labels=labels, stages=stages)
    if qemu is None and (kernel or modules):
        raise UsageError("--kernel and --modules are for QEMU units", hint="Add --qemu 1.")
    if qemu is not None and uboot is not None:
        raise UsageError("--qemu and --uboot are benches of their own", hint="Start two, with two folders --out.")
    if (faults or extras != _Extras()) and (qemu is not None or uboot is not None):
        hint = "Leave out --fault, --unaddressed, --labels, --stages, --qemu, --uboot."
        raise UsageError("only simulated Linux units have faults by name, no address, labels or stages", hint=hint)
    ended = _until_interrupted(out)
    if qemu is not None:
        qemu_bench(qemu, KernelChoice(kernel, modules), out, baud, ended)
        return
    if uboot is not None:
        uboot_bench(uboot, out, baud, ended)
        return
    _simulated_bench(out, bench_plans(units, faults), baud, ended, extras)
    talk().print("the units are gone")


@dataclass(frozen=True, slots=True)
class _Extras:
    """What simulated units go through beyond the flash."""

    unaddressed: bool = False
    labels: bool = False
    stages: bool = False


def _until_interrupted(out: Path) -> threading.Event:
    """Make the folder, and return what is set when the bench shall end. Raises UsageError."""
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", hint="Give another folder with --out, or delete this one.")
    out.mkdir(parents=True, exist_ok=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed window ends the units as well
        signal.signal(number, lambda *_: ended.set())
    return ended


def _simulated_bench(out: Path, plans: Sequence[UnitPlan], baud: int, ended: threading.Event, extras: _Extras) -> None:
    from factory.cli.rehearse_labels import labels_of_bench
    from factory.cli.rehearse_pools import add_pool
    from factory.cli.rehearse_stages import add_stages
    from factory.demo import write_rehearsal
    from factory.rehearsal.bench import SimulatedBench
    from factory.rehearsal.plan import unaddressed as without_address

    with SimulatedBench(out / "units", without_address(plans) if extras.unaddressed else plans, baud=baud) as simulated:
        product, bench_file = write_rehearsal(simulated, out)
        addresses = add_pool(product, out) if extras.unaddressed else None
        with labels_of_bench(product, bench_file, out) if extras.labels else contextlib.nullcontext("") as scans:
            beyond = add_stages(product, bench_file, simulated, labels=extras.labels) if extras.stages else ()
            _explain(simulated, product, bench_file, addresses, scans, beyond)
            ended.wait()


def _fault(name: str) -> Fault:
    import difflib

    from factory.rehearsal.faults import Fault

    if name in set(Fault):
        return Fault(name)
    near = difflib.get_close_matches(name, list(Fault), n=1)
    hint = f"Did you mean {near[0]}?" if near else "See: factory rehearse bench --fault list"
    raise UsageError(f"there is no fault {name!r}", hint=hint)


def _explain(
    simulated: SimulatedBench,
    product: Path,
    bench_file: Path,
    addresses: Path | None,
    scans: str,
    beyond: Sequence[Path],
) -> None:
    from factory.cli.rehearse_pools import commands
    from factory.cli.rehearse_stages import SIGNAL
    from factory.cli.rehearse_stages import commands as of_stages

    lines: Sequence[str] = [
        *(f"{unit.name}: {_routes(unit)}" for unit in simulated.units),
        f"login root, password in {simulated.password_file}",
        "in another terminal:",
        f"  factory read --product {product} ROUTE      (what stands after a unit's name above: one of its routes)",
        *(commands(product, bench_file, addresses) if addresses else ()),
        f"  factory run --product {product} --bench {bench_file} --lot PRACTICE{scans}",
        *(of_stages(product, beyond, scans, len(simulated.units)) if beyond else ()),
        *([f"  echo -90 > {simulated.units[0].root / SIGNAL}      (a signal that fails the test)"] if beyond else ()),
        "Ctrl-C here ends it.",
    ]
    for line in lines:
        show().print(line, soft_wrap=True, markup=False)


def _routes(unit: SimulatedUnit) -> str:
    routes = [f"--serial {unit.serial_port}"] if unit.serial_port else []
    if unit.ssh_address:
        host, port = unit.ssh_address
        routes.append(f"--ssh root@{host}:{port}")
    return "  ".join(routes)
