"""How `factory flash` shows what it does and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from factory.cli.session import show, talk

if TYPE_CHECKING:
    from factory.line import Flashed, OneFlash
    from factory.values import Event

_PROGRESS = "attempt.progress"


@contextlib.contextmanager
def follow(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Yield what shows the events: the step, and the bytes of a flash as a bar where a terminal is."""
    console = talk()
    if quiet:
        yield lambda _event: None
        return
    if not console.is_terminal:
        yield lambda event: _line(event, lambda text: console.print(text, soft_wrap=True, markup=False))
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("connect", total=None)

        def on_event(event: Event) -> None:
            if event.kind == _PROGRESS:
                bars.update(task, completed=int(str(event.data["sent"])), total=int(str(event.data["total"])))
            elif event.kind == "attempt.step":
                bars.reset(task, description=str(event.data["step"]), total=None)
            else:
                _line(event, lambda text: bars.console.print(text, soft_wrap=True, markup=False))

        yield on_event


def _line(event: Event, say: Callable[[str], None]) -> None:
    if event.kind == "attempt.step":
        say(f"{event.data['step']} ...")
    elif event.kind in ("attempt.retry", "attempt.unknown", "restore.done", "restore.pending", "line.bug"):
        say(f"{event.kind}: {event.data.get('message', '')}".rstrip(": "))


def print_result(done: Flashed, *, off_ledger: bool) -> None:
    """Print the outcome and the receipt for people. Nobody passes off the ledger."""
    (row,) = done.summary.rows
    console = show()
    style = {"passed": "bold green", "refused": "bold yellow"}.get(row.outcome, "bold red")
    who = row.hardware_id or "the unit"
    said: str = row.outcome
    if off_ledger and said == "passed":
        said, style = "written and proved, off the ledger: it has not passed by this", "bold yellow"
    console.print(f"{who}: {said}", style=style, soft_wrap=True, markup=False)
    if row.cause:
        console.print(f"  {row.cause} [{row.code}]", soft_wrap=True, markup=False)
    if row.hint:
        console.print(f"  {row.hint}", soft_wrap=True, markup=False)
    for warning in row.warnings:
        console.print(f"  warning: {warning}", soft_wrap=True, markup=False, style="yellow")
    if done.receipt is not None:
        console.print(f"  receipt: {receipt_line(done.receipt.as_json())}", soft_wrap=True, markup=False)
    talk().print(f"transcript: {row.transcript}", style="dim", soft_wrap=True, markup=False)


def receipt_line(receipt: Mapping[str, Any]) -> str:
    """A receipt in one line: method, medium, bytes, rate, how it was read back, hashes."""
    told = [str(receipt.get("method", "?")), f"to {receipt.get('medium') or '?'}"]
    if "bytes_written" in receipt:
        told.append(f"{receipt['bytes_written']:,} bytes".replace(",", " "))
        seconds = int(receipt.get("milliseconds", 0)) / 1000
        told.append(f"in {seconds:.1f} s ({rate_text(int(receipt.get('rate', 0)))})")
        ranges = receipt.get("ranges") or ()
        if len(ranges) > 1:
            told.append(f"{len(ranges)} ranges")
    else:
        told.append(f"{receipt.get('bytes_sent', 0)} bytes sent, then it failed")
    told.append(f"read back: {receipt.get('read_back')}")
    if receipt.get("written"):
        same = "the same was found" if receipt.get("found") == receipt["written"] else f"found {receipt.get('found')}"
        told.append(f"written {str(receipt['written'])[:16]}, {same}")
    if receipt.get("retries"):
        told.append(f"{receipt['retries']} retries")
    if receipt.get("image"):
        told.append(f"image {str(receipt['image'])[:16]}")
    return ", ".join(told)


def document(done: Flashed, one: OneFlash, *, kept: bool) -> dict[str, object]:
    """The one document of `--json`. What was written and proved off the ledger is "proved" and not "passed"."""
    (row,) = done.summary.rows
    return {
        "method": one.method,
        "image_hash": one.image,
        "off_ledger": one.off_ledger,
        "recorded": kept,
        "interrupted": done.summary.interrupted,
        **row.as_json(),
        **({"outcome": "proved"} if one.off_ledger is not None and row.outcome == "passed" else {}),
        "notes": list(done.notes),
        "receipt": None if done.receipt is None else done.receipt.as_json(),
    }


def counted(number: int, thing: str) -> str:
    """How many there are, in words: "1 card", "2 cards"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def rate_text(rate: float) -> str:
    """Bytes per second for people."""
    return f"{rate / 1e6:.1f} MB/s" if rate >= 1_000_000 else f"{rate / 1e3:.1f} kB/s"
