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

from factory.cli.options import LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, print_line, show, talk

if TYPE_CHECKING:
    from factory.cli.keys import Keyboard
    from factory.cli.screen import Screen
    from factory.line import Line, OneFlash, Summary


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
    with use_ledger(ledger, station, operator=person, create=True, quiet=json_lines) as book:
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
            interactive=sys.stdin.isatty() and not json_lines,
            debug=session.debug,
        )
        summary = _drive(line, units, json_lines=json_lines)
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


def _drive(line: Line, units: int | None, *, json_lines: bool) -> Summary:
    from factory.cli.screen import Screen, live

    with contextlib.ExitStack() as stack:
        screen = Screen(line.slots)
        stack.enter_context(interruptible(line, screen))
        if json_lines:
            return line.run(units=units, on_event=lambda event: print_line(event.as_json()))
        console = talk()
        if sys.stdin.isatty() and console.is_terminal:
            keyboard = stack.enter_context(_keyboard(line, screen))
            screen = screen.with_footer(keyboard.footer)
        follow = stack.enter_context(live(screen, console))
        return line.run(units=units, on_event=follow)


def _keyboard(line: Line, screen: Screen) -> Keyboard:
    from factory.cli.keys import Keyboard
    from factory.line import Key

    def on_line(text: str) -> None:
        slot, key = text, Key.HERE
        if text in ("y", "n"):
            asked = [name for name, view in screen.views.items() if view.question]
            if not asked:
                keyboard.answer = "nothing was asked"
                return
            slot, key = asked[0], Key.YES if text == "y" else Key.NO
        elif text not in screen.views:
            keyboard.answer = f"no slot {text}"
            return
        elif screen.views[text].state in ("pass", "fail"):
            key = Key.REMOVED
        keyboard.answer = f"{slot}: {key}"
        line.press(slot, key)

    keyboard = Keyboard(on_line)
    return keyboard
