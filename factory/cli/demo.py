"""`factory demo`: the whole line without hardware."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session, show, talk
from factory.errors import Exit

if TYPE_CHECKING:
    from factory.line import Line
    from factory.values import Event


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    units: Annotated[int, typer.Option(min=3, max=96, help="How many simulated units.")] = 6,
    out: Annotated[Path, typer.Option(help="The folder for everything; new or empty.")] = Path("factory-demo"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Work simulated units, no hardware needed.

    Two of them are clones of each other and one has no MAC of its own.

    Nothing but the folder is touched. Exits 0 when exactly what was expected happened: one of the clones and the
    unit without a MAC refused, all others passed, every passed unit in the upload.

    Example:  factory demo --units 24 --out /tmp/demo
    """
    from factory.cli.screen import Screen, live, result_table
    from factory.demo import run_demo

    session: Session = context.obj
    if json:
        session.json("demo")
    console = talk()
    with contextlib.ExitStack() as stack:
        follow = []

        def started(line: Line) -> None:
            from factory.cli.run_line import interruptible

            screen = Screen(line.slots)
            stack.enter_context(interruptible(line, screen))
            follow.append(stack.enter_context(live(screen, console)))

        def on_event(event: Event) -> None:
            follow[0](event)

        if not json:
            console.print(f"{units} simulated units, each with a login, MAC addresses and a real reboot")
        result = run_demo(out, units, started=started, on_event=on_event)
    if json:
        session.print_json({"folder": str(out), "expected": not result.surprises, **result.summary.as_json()})
    else:
        show().print(result_table(result.summary.rows))
        _print_folder(out, result.exported.files[0] if result.exported.files else out, result.exported.workbook)
        for surprise in result.surprises:
            console.print(f"not as expected: {surprise}", style="red", markup=False)
        if not result.surprises:
            console.print(f"all as expected, in {result.seconds:.1f} s", style="green")
    raise typer.Exit(Exit.FAILED if result.surprises else Exit.DONE)


def _print_folder(out: Path, upload: Path, workbook: Path) -> None:
    lines = {
        "upload for the portal": upload,
        "the same for people": workbook,
        "an image per passed unit": out / "images",
        "a transcript per attempt": out / "transcripts",
        "what happened": f"factory ledger show --bench {out / 'bench.toml'}",
        "all of it as data": out / "summary.json",
    }
    for what, where in lines.items():
        show().print(f"{what:<26}{where}", soft_wrap=True, markup=False)
