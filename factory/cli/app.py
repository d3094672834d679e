"""The command tree, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from factory import __version__
from factory.cli import (
    demo,
    doctor,
    flash,
    hooks,
    image,
    init,
    label,
    ledger,
    pool,
    read,
    rehearse,
    remoteit,
    report,
    run_line,
    sheet,
    transcripts,
    uboot,
    unit,
    xyte,
)
from factory.cli.session import Session, print_line
from factory.errors import Exit, FactoryError

_HELP = """Take Linux units from the bench to a proved, registrable device.

Try it without hardware:  factory demo
"""
_UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
_EPILOG = "Exit codes: 0 done, 1 a unit or row failed, 2 usage or configuration, 3 nothing started, 4 bug, 130 stopped."


def build() -> typer.Typer:
    """Assemble the command tree; the rooms are imported only when a command runs."""
    app = typer.Typer(
        name="factory", help=_HELP, epilog=_EPILOG, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )
    app.callback()(_settle)
    groups = (
        demo, init, read, run_line, flash, hooks, sheet, image, label, uboot, unit, remoteit, xyte, rehearse, ledger,
        pool, transcripts, report, doctor,
    )  # fmt: skip
    for module in groups:
        module.add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"factory {__version__}")
        raise typer.Exit


def _settle(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    context.obj.debug = debug


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one call and return its exit code. Nothing but SystemExit of Typer's own usage errors is hidden."""
    session = Session()
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        session.json("error")  # until the command has said its own schema
    try:
        return _call(session, arguments)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED
    except OSError as error:
        return _unwritable(session, error)


def _call(session: Session, arguments: Sequence[str] | None) -> int:
    """One call and the report of its failure. Raises OSError where what is printed cannot be written."""
    try:
        code = build()(args=list(arguments) if arguments is not None else None, standalone_mode=False, obj=session)
    except typer.Abort:
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        return _usage(session, error)
    except FactoryError as error:
        return _failed(session, error)
    except OSError as error:
        if error.errno in _UNWRITABLE:
            raise
        return _bug(session, error)
    except Exception as error:  # noqa: BLE001 - the last resort: say whose fault it is and where to report it
        return _bug(session, error)
    return int(code or 0)


def _usage(session: Session, error: typer.TyperException) -> int:
    if session.schema:
        _print_error(session.schema, "usage", error.format_message(), "Run the command with --help.", Exit.USAGE)
        return Exit.USAGE
    show = getattr(error, "show", None)
    if show is not None:
        show()  # Typer's own usage errors print the usage line and the nearest known option
    else:
        sys.stderr.write(f"error: {error.format_message()}\n")
    return Exit.USAGE


def _failed(session: Session, error: FactoryError) -> int:
    if session.schema:
        _print_error(session.schema, error.code, error.message, error.hint, error.exit_code)
    else:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"       {error.hint}\n")
    if session.debug:
        traceback.print_exception(error)
    return error.exit_code


def _unwritable(session: Session, error: OSError) -> int:
    """What is printed cannot be written: our own files raise FileError."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: the output cannot be written: {error.strerror}\n")
    if session.debug:
        traceback.print_exception(error)
    # What is still buffered would fail once more at the interpreter's end, with a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.NOT_STARTED


def _bug(session: Session, error: Exception) -> int:
    hint = "This is a bug in factory. Run again with --debug and report what it prints: docs/reporting.md."
    if session.schema:
        _print_error(session.schema, "bug", f"{type(error).__name__}: {error}", hint, Exit.BUG)
    else:
        sys.stderr.write(f"bug: {type(error).__name__}: {error}\n     {hint}\n")
    if session.debug:
        traceback.print_exception(error)
    return Exit.BUG


def _print_error(schema: str, code: str, message: str, hint: str, exit_code: int) -> None:
    print_line({"schema": schema, "error": {"code": code, "message": message, "hint": hint, "exit": int(exit_code)}})
