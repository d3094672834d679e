"""`factory run`: the line at a station."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.offline import use_line_ledger
from factory.cli.options import LedgerOption, logged_in
from factory.cli.session import Session, print_line, show, talk

if TYPE_CHECKING:
    from factory.cli.screen import Screen
    from factory.cli.typed import Typed
    from factory.line import Line, OneFlash, Summary
    from factory.values import Event


def _reason(although: str) -> Any:
    return typer.Option(metavar="REASON", help=f"Go on with this lot although {although}.")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    context: typer.Context,
    product: Annotated[Path, typer.Option(help="The product file, product.toml.")],
    bench: Annotated[Path, typer.Option(help="The bench file, bench.toml.")],
    lot: Annotated[str, typer.Option(help="The production run that the units belong to.")],
    operator: Annotated[str, typer.Option(help="Who works at the station; default: who is logged in.")] = "",
    units: Annotated[int | None, typer.Option(min=1, help="Stop after this many finished attempts.")] = None,
    slot: Annotated[list[str] | None, typer.Option(help="Work on this slot only; may be repeated.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder for images; default: images beside the bench file.")
    ] = None,
    accept_changed_product: Annotated[str | None, _reason("product or templates changed")] = None,
    accept_first_article: Annotated[str | None, _reason("its first article failed")] = None,
    accept_failures: Annotated[str | None, _reason("equal failures stopped it")] = None,
    scans: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where labels are scanned: a file that grows, a pipe, a device, or - (stdin)."
        ),
    ] = None,
    ledger: LedgerOption = None,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Print every event as a line of JSON.")] = False,
) -> None:
    """Work on units: read, check, admit, build, flash, prove.

    Ctrl-C once stops after leaving every unit in a known state; twice stops at once.

    Example:  factory run --product acme/product.toml --bench acme/bench.toml --lot 2026-11-A
    """
    from factory.config import load_bench, load_product
    from factory.identity import KeySource
    from factory.images import open_builder
    from factory.line import open_line

    session: Session = context.obj
    if json_lines:
        session.json("run")
    kind, station = load_product(product), load_bench(bench)
    builder = open_builder(kind.image, kind.folder, kind.product.name, kind.registration)
    keys = KeySource.open(kind.identity.key, kind.folder)
    person = operator or logged_in()
    with use_line_ledger(ledger, station, operator=person, quiet=json_lines) as book:
        line = open_line(
            kind,
            station,
            lot,
            ledger=book,
            builder=builder,
            keys=keys,
            operator=person,
            accept_changed_product=accept_changed_product,
            accept_first_article=accept_first_article,
            accept_failures=accept_failures,
            slots=slot,
            images_out=images or station.folder / "images",
            interactive=sys.stdin.isatty() and not json_lines and scans != "-",
            scans=scans is not None or _has_keyboard(json_lines=json_lines),
            debug=session.debug,
        )
        summary = _drive(line, units, scans, json_lines=json_lines)
    if json_lines:
        print_line(summary.as_json())
    else:
        from factory.cli.screen import result_table

        show().print(result_table(summary.rows))
    raise typer.Exit(summary.exit_code)


@contextlib.contextmanager
def interruptible(line: Line | OneFlash, screen: Screen | None = None) -> Iterator[None]:
    """Let the first Ctrl-C call the line off and the second end the process at once."""
    seen = 0
    words = "stopping: units in work are brought into a known state (Ctrl-C again stops at once)"

    def on_signal(_number: int, _frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            os._exit(130)
        line.cancel()
        if screen is not None and screen.drawn:
            screen.notice = words
        else:
            os.write(2, f"\n{words}\n".encode())

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_keyboard(*, json_lines: bool) -> bool:
    return not json_lines and sys.stdin.isatty() and talk().is_terminal


def _drive(line: Line, units: int | None, scans: str | None, *, json_lines: bool) -> Summary:
    from factory.cli.screen import Screen, live
    from factory.cli.typed import Typed

    with contextlib.ExitStack() as stack:
        screen = Screen(line.slots)
        typed = Typed(line, screen)
        stack.enter_context(interruptible(line, screen))
        if scans is not None:
            stack.enter_context(_scanner(scans, line, typed, quiet=json_lines or talk().is_terminal))
        if json_lines:

            def tell(event: Event) -> None:
                screen.follow(event)
                print_line(event.as_json())

            return line.run(units=units, on_event=tell)
        if scans != "-" and _has_keyboard(json_lines=json_lines):
            from factory.cli.keys import Keyboard
            from factory.labels import complete_code

            keyboard = stack.enter_context(Keyboard(typed.take, complete_code))
            screen = screen.with_footer(keyboard.footer)
        follow = stack.enter_context(live(screen, talk()))
        return line.run(units=units, on_event=follow)


def _scanner(source: str, line: Line, typed: Typed, *, quiet: bool) -> contextlib.AbstractContextManager[None]:
    """Read scans from a file or a device; what comes of each is told unless the screen does."""
    from factory.cli.scanner import scans_from

    def take(text: str) -> None:
        answer = typed.take(text)
        if not quiet:
            talk().print(f"scan: {answer}", soft_wrap=True, markup=False)

    return scans_from(source, take, line.end_scans)
