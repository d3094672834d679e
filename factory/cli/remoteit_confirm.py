"""`factory remoteit confirm`: whether a whole lot is in the cloud as it passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.remoteit_options import (
    AccountOption,
    CaOption,
    CredentialsOption,
    ProfileOption,
    ServerOption,
    use_account,
)
from factory.cli.session import Session, print_line, show, talk
from factory.errors import Exit

if TYPE_CHECKING:
    from factory.lots.confirm import Confirmed

_SHOWN = 50


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("confirm")(confirm)


def confirm(
    context: typer.Context,
    lot: Annotated[str, typer.Option(help="The lot that was uploaded.")],
    product: Annotated[Path, typer.Option(help="The product file of the lot.")],
    online: Annotated[
        bool, typer.Option("--online", help="Every unit must be online, not only preregistered.")
    ] = False,
    wait: Annotated[
        float | None, typer.Option(metavar="MIN", min=0, help="Look again until all is well, at most so many minutes.")
    ] = None,
    every: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds from one look to the next.")] = 60.0,
    profile: ProfileOption = None,
    credentials: CredentialsOption = None,
    server: ServerOption = None,
    ca: CaOption = None,
    account: AccountOption = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Print every look as a line of JSON.")] = False,
) -> None:
    """Look at the account, take over what is there, and name every unit that is not as it passed.

    One request per thousand devices, however many units the lot has. Units that are seen become preregistered or
    online in the ledger; missing, cloned, misnamed ones and those without a declared service are named. It may be
    stopped and started again at any time. Exits 1 while a unit is named.

    Example:  factory remoteit confirm --lot 2026-11-A --product acme/product.toml --online --wait 30
    """
    from factory.config import load_bench, load_product
    from factory.lots.confirm import confirm as look

    session: Session = context.obj
    if json or json_lines:
        session.json("remoteit.confirm")
    kind = load_product(product)
    quiet = json or json_lines
    with (
        use_ledger(ledger, load_bench(bench) if bench else None, operator=logged_in(), quiet=quiet) as book,
        use_account(profile, credentials, server, ca, account=account, product=kind) as (cloud, _),
    ):
        found = _repeatedly(
            lambda: look(book, cloud, kind, lot, online=online),
            until=time.monotonic() + (wait or 0.0) * 60,
            every=every,
            tell=(lambda one: print_line({"schema": session.schema, **one.as_json()})) if json_lines else _progress,
        )
    if json:
        session.print_json(found.as_json())
    elif not json_lines:
        _print_named(found)
    raise typer.Exit(Exit.DONE if found.done else Exit.FAILED)


def _repeatedly(
    look: Callable[[], Confirmed], *, until: float, every: float, tell: Callable[[Confirmed], None]
) -> Confirmed:
    """Look until nothing is left to wait for, or the time is over. A cloud that cannot be asked is asked again at the
    next look.
    """
    from factory.clouds.errors import CloudError

    while True:
        began = time.monotonic()
        last: CloudError | None = None
        try:
            found = look()
        except CloudError as error:
            if not error.may_pass:
                raise
            last = error
        else:
            tell(found)
            if not found.may_pass or time.monotonic() >= until:
                return found
        rest = min(until, began + every) - time.monotonic()
        if last is not None:
            if time.monotonic() >= until:
                raise last
            talk().print(f"{last.message}; asking again", style="yellow", soft_wrap=True, markup=False)
        time.sleep(max(0.0, rest))  # between two looks at an account there is nothing to wait for


def _progress(found: Confirmed) -> None:
    rows = ", ".join(f"{count} {state}" for state, count in sorted(found.rows.items()))
    named = f"; {len(found.named)} findings" if found.named else ""
    talk().print(f"lot {found.lot}: {rows}{named}", markup=False, soft_wrap=True)
    if not found.whole:
        talk().print("the account changed while its pages were read", style="yellow", markup=False)


def _print_named(found: Confirmed) -> None:
    from factory.clouds.errors import said

    console = talk()
    for one in found.named[:_SHOWN]:
        line = f"{one.wrong:<9} {one.hardware_id}  {said(one.text)}"
        show().print(line, soft_wrap=True, markup=False, style="red")
    if len(found.named) > _SHOWN:
        console.print(f"and {len(found.named) - _SHOWN} more: --json lists all", markup=False, style="red")
    for wrong in dict.fromkeys(one.wrong for one in found.named):
        console.print(f"{wrong}: {wrong.advice}", soft_wrap=True, markup=False)
    if found.done:
        console.print(f"all {found.units} units of lot {found.lot} are there as they passed", markup=False)
