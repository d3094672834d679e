"""`factory image`: images for many units, and what lies in one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli import image_show
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, talk
from factory.cli.workers import workers

if TYPE_CHECKING:
    from factory.config import Bench, Product
    from factory.identity import KeySource
    from factory.lots.build import Built
    from factory.lots.build_rows import Rows


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Images of units: build many, look into one.", no_args_is_help=True)
    group.callback()(_group)
    group.command("build")(build)
    image_show.add_to(group)
    app.add_typer(group, name="image")


def _group() -> None:
    """Images of units: build many, look into one."""


def build(
    context: typer.Context,
    product: Annotated[Path, typer.Option(help="The product file; its secret derives the keys.")],
    out: Annotated[Path, typer.Option(help="Folder for the images; new, empty, or the same batch's.")],
    sheet: Annotated[Path | None, typer.Option(help="A CSV or workbook with a row per unit.")] = None,
    lot: Annotated[str | None, typer.Option(help="The lot whose passed units get their images again.")] = None,
    pack: Annotated[bool, typer.Option("--pack", help="One indexed container instead of a folder tree.")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="dir, tar, tar.gz, tar.zst, cpio, squashfs or ext4."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that work; default: one per core.")] = os.cpu_count() or 1,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Build the images of a whole sheet or lot.

    A sheet with errors is refused whole. Whatever stops the work, what is there is whole, and the same command goes
    on where it was. The images hold registration keys and are readable by you alone.

    Example:  factory image build --sheet order.csv --product acme/product.toml --out images --pack
    """
    from factory.errors import UsageError
    from factory.identity import KeySource
    from factory.images import open_builder
    from factory.lots.build import CHUNK
    from factory.lots.build import build as build_batch

    session: Session = context.obj
    if json:
        session.json("image.build")
    if (sheet is None) == (lot is None):
        raise UsageError("give either --sheet or --lot", hint="A sheet of units, or a lot whose units have passed.")
    kind = _product(product, form)
    if pack and kind.image.format == "dir":
        raise UsageError("a container holds files, and the format is dir", hint="Add --format tar.gz.")
    keys = KeySource.open(kind.identity.key, kind.folder)
    rows = _rows(sheet, lot, kind, keys, ledger=ledger, bench=bench, quiet=json)
    builder = open_builder(kind.image, kind.folder, kind.product.name, kind.registration)
    with workers(jobs, wanted=rows.count > CHUNK) as executor, _progress(rows.name, quiet=json) as progress:
        built = build_batch(rows, kind, builder, keys, out, pack=pack, executor=executor, jobs=jobs, progress=progress)
    if json:
        session.print_json(_document(built))
    else:
        _print(built)


def _product(path: Path, form: str | None) -> Product:
    from factory.config import load_product
    from factory.errors import UsageError
    from factory.images.formats import FORMATS

    kind = load_product(path)
    if form is None:
        return kind
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", hint=f"There are: {', '.join(FORMATS)}.")
    return kind.model_copy(update={"image": kind.image.model_copy(update={"format": form})})


def _rows(
    sheet: Path | None, lot: str | None, kind: Product, keys: KeySource, *, ledger: str | None, bench: Path | None,
    quiet: bool
) -> Rows:  # fmt: skip
    from factory.config import load_bench
    from factory.lots.build_cloud import rows_of_sheet
    from factory.lots.build_rows import unit_rows

    if sheet is not None:
        return rows_of_sheet(sheet, kind, keys)
    station: Bench | None = load_bench(bench) if bench else None
    with use_ledger(ledger, station, quiet=quiet) as book:
        return unit_rows(book, kind, lot or "", keys)


@contextlib.contextmanager
def _progress(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    console = talk()
    if quiet or not console.is_terminal:
        yield lambda _done, _all: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"images of {name}", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=max(done, whole))


def _document(built: Built) -> dict[str, object]:
    return {
        "out": str(built.place),
        "images": built.images,
        "before": built.before,
        "unusual": built.unusual,
        "notes": list(built.notes),
    }


def _print(built: Built) -> None:
    console = talk()
    earlier = f", {built.before} of them made before" if built.before else ""
    console.print(f"{built.images} images{earlier}: {built.place}", soft_wrap=True, markup=False)
    for note in built.notes[:10]:
        console.print(f"  {note}", soft_wrap=True, markup=False)
    if built.unusual > 10:
        console.print(f"  and {built.unusual - 10} more that were unusual in this way", markup=False)
