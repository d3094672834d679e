"""`factory rehearse lot`: the first boot of every unit of a lot, before one is shipped."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.cli.workers import workers
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from factory.config import Product
    from factory.lots.rehearse import Cloud, Rehearsed
    from factory.lots.rehearse_images import Images, Place
    from factory.lots.rehearse_unit import Booting, Boots

_SHOWN = 50
_ALONE = 40
"""Up to so many units no process is worth its start."""


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("lot")(rehearse_lot)


def rehearse_lot(
    context: typer.Context,
    lot: Annotated[str, typer.Option(help="The lot whose passed units boot.")],
    product: Annotated[Path, typer.Option(help="The product file of the lot.")],
    images: Annotated[
        Path | None, typer.Option(help="A folder of images; without it and --pack they are built again.")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="A container of images.")] = None,
    csv: Annotated[
        list[Path] | None,
        typer.Option(help="An upload file from disk, may be repeated; otherwise the lot's own, as exported."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="ID", help="Boot this unit alone; may be repeated.")] = None,
    connectd: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The unpacked connectd package, run instead of our walk-through.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Simulated clouds that run already, with --ca; else their own.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="The CA of --server.")] = None,
    published: Annotated[bool, typer.Option("--published", help="The lot is published on --server already.")] = False,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the units' private roots here; they hold keys.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that work; default: one per core.")] = os.cpu_count() or 1,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Publish the lot's upload files in a simulated cloud, let every unit boot from its image, and compare.

    What a unit does at its first boot is done from the files in its image, byte by byte, until it is online. Then
    what the unit holds is held against what the cloud holds. Each unit that would not come online as itself is named.
    Nothing leaves this machine, and the ledger is only read. Exits 1 when a unit is named.

    Example:  factory rehearse lot --lot 2026-11-A --product acme/product.toml --pack images/order.pack
    """
    from factory.config import load_bench, load_product
    from factory.lots.rehearse import rehearse
    from factory.lots.rehearse_uploads import uploads_from

    session: Session = context.obj
    if json:
        session.json("rehearse.lot")
    if images and pack:
        raise UsageError("give either --images or --pack", hint="Both say where the images are.")
    if (server is None) != (ca is None) or (published and server is None):
        raise UsageError(
            "--server, --ca and --published belong together", hint="Give --server and --ca; --published if it is."
        )
    if server is not None:
        _require_loopback(server)
    kind = load_product(product)
    source = _images(images, pack, kind)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder(keep))
        book = stack.enter_context(use_ledger(ledger, load_bench(bench) if bench else None, quiet=json))
        cloud = stack.enter_context(_cloud(server, ca, folder, published=published))
        booting = _booting(connectd, cloud)
        units = len(only or ()) or len(book.passed_units(lot))
        executor = stack.enter_context(workers(jobs, wanted=units > (1 if connectd else _ALONE)))
        found = rehearse(
            book, kind, lot, cloud, _boots(source, booting, folder / "units", keep=keep is not None),
            uploads=uploads_from(csv) if csv else None, only=only or (), executor=executor,
            progress=stack.enter_context(_progress(lot, quiet=json)),
        )  # fmt: skip
    if json:
        session.print_json(found.as_json())
    else:
        _print(found)
    raise typer.Exit(Exit.DONE if found.done else Exit.FAILED)


def _require_loopback(server: str) -> None:
    """Upload files hold registration keys: a rehearsal sends them to no other machine."""
    from urllib.parse import urlsplit

    if urlsplit(server).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"{server} is not on this machine, and a rehearsal sends registration keys to no other",
            hint="Simulated clouds are started with `factory rehearse clouds`.",
            code="rehearse.server",
        )


def _images(images: Path | None, pack: Path | None, kind: Product) -> Images:
    from factory.identity import KeySource
    from factory.images import open_builder
    from factory.lots.build_work import Task
    from factory.lots.rehearse_images import BuiltImages, FolderImages, PackImages

    if images is not None:
        if not images.is_dir():
            raise UsageError(f"{images} is no folder of images", hint="--pack names a container.", code="image.folder")
        return FolderImages(images)
    if pack is not None:
        from factory.images import open_pack

        with open_pack(pack):  # one that is damaged is told once, not once per unit
            return PackImages(pack)
    keys = KeySource.open(kind.identity.key, kind.folder)
    builder = open_builder(kind.image, kind.folder, kind.product.name, kind.registration)
    return BuiltImages(Task.of(kind, builder, keys, None))


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the private roots are made: one that goes at the end, or the one that was named, which must be empty."""
    if keep is None:
        with _ended_like_ctrl_c(), tempfile.TemporaryDirectory(prefix="factory-rehearsal-") as name:
            Path(name, "units").mkdir(mode=0o700)
            yield Path(name)
        return
    from factory.files import make_folder

    if keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty", hint="Name a folder that is new or empty.")
    make_folder(keep, mode=0o700)
    make_folder(keep / "units", mode=0o700)
    yield keep.absolute()


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A kill or a closed window ends the block as Ctrl-C does, so that no keys are left behind."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _cloud(server: str | None, ca: Path | None, folder: Path, *, published: bool) -> Iterator[Cloud]:
    from factory.lots.rehearse import Cloud

    if server is not None and ca is not None:
        yield Cloud(server, ca.absolute(), published)
        return
    from factory.rehearsal.clouds.server import SimulatedClouds

    with SimulatedClouds(folder / "clouds") as simulated:
        yield Cloud(simulated.url, simulated.ca)


def _booting(connectd: Path | None, cloud: Cloud) -> Booting:
    if connectd is None:
        from factory.rehearsal.firstboot.walk import FirstBoot

        return FirstBoot(cloud.server, cloud.ca)
    from factory.rehearsal.firstboot.package import open_package

    package = open_package(connectd, cloud.server, cloud.ca)
    talk().print(package.explained, style="dim", soft_wrap=True, markup=False)
    return package


def _boots(images: Images, booting: Booting, folder: Path, *, keep: bool) -> Callable[[Place], Boots]:
    from factory.lots.rehearse_unit import Boots

    return lambda place: Boots(images, booting, place, folder, keep)


@contextlib.contextmanager
def _progress(lot: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    console = talk()
    if quiet or not console.is_terminal:
        yield lambda _done, _all: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"first boots of {lot}", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _print(found: Rehearsed) -> None:
    console = talk()
    for one in found.uploads:
        console.print(f"upload {one.name}: {one.rows} units, {one.origin}", soft_wrap=True, markup=False)
    for wrong in found.named[:_SHOWN]:
        show().print(f"{wrong.cause:<13}{wrong.hardware_id}  {wrong.text}", soft_wrap=True, markup=False, style="red")
    if len(found.named) > _SHOWN:
        console.print(f"and {len(found.named) - _SHOWN} more: --json lists all", markup=False, style="red")
    for hardware_id in found.foreign[:_SHOWN]:
        show().print(f"{'foreign':<13}{hardware_id}  is in an upload file and no passed unit of the lot",
                     soft_wrap=True, markup=False, style="red")  # fmt: skip
    style = "green" if found.done else "red"
    console.print(f"{found.online} of {found.units} units of lot {found.lot} came online as themselves", style=style)
