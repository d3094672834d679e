"""`factory flash --card`: the part of the command that writes cards in the station."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from factory.cli.flash_show import counted, rate_text
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from factory.config import Bench, CardReader, Product
    from factory.flashing.card import CardJob, CardResult, Stage
    from factory.flashing.journal import FlashJournal
    from factory.images import Image

_NOT_PASSED = "A card proves itself, not its unit: the unit has passed when it runs and says who it is."


def flash_cards(
    session: Session,
    images: Sequence[Path | Image],
    cards: Sequence[str],
    product: Product,
    bench: Bench,
    journal: FlashJournal,
    *,
    json: bool,
) -> None:
    """Write one image onto each of the named cards, in order, or [flash.card] os_image alone onto all of them.

    Each card fails alone. Ends with typer.Exit: 0 when every card was written and read back, 1 when one was not, 3
    when none could be started, 130 when called off. Raises UsageError and what opening the images raises: nothing
    was written then.
    """
    from factory.flashing.card import flash_cards as flash

    jobs = _jobs(images, cards, product, bench)
    cancel = threading.Event()
    results: dict[str, CardResult] = {}
    with _interruptible(cancel), _progress(jobs, quiet=json) as (told, ended):
        for result in flash(jobs, journal, cancel=cancel, progress=told):
            results[result.card.name] = result
            ended(result)
    ordered = [results[name] for name in cards]
    if json:
        session.print_json({"method": "card", "cards": [as_json(result) for result in ordered]})
    else:
        _print(ordered)
    raise typer.Exit(_exit_code(ordered))


def as_json(result: CardResult) -> dict[str, object]:
    """One card's result as JSON values."""
    error = result.error
    return {
        "card": result.card.name,
        "path": result.card.path,
        "outcome": str(result.outcome),
        "holds": str(result.holds),
        "milliseconds": round(result.seconds * 1000),
        "bytes_sent": result.sent,
        "note": result.note,
        "receipt": result.receipt.as_json() if result.receipt else None,
        "error": {"code": error.code, "message": error.message, "hint": error.hint} if error else None,
    }


def _jobs(images: Sequence[Path | Image], cards: Sequence[str], product: Product, bench: Bench) -> list[CardJob]:
    from factory.flashing.card import card_job, system_image

    if product.flash.method != "card":
        message = f'the product is flashed by method "{product.flash.method}", not onto cards'
        raise UsageError(message, hint='Set [flash] method = "card" and [flash.card].', code="card.usage")
    readers = _readers(cards, bench)
    if images and len(images) != len(cards):
        message = f"{counted(len(images), 'image')} for {counted(len(cards), 'card')}"
        raise UsageError(message, hint="Name one image for each --card, in the same order.", code="card.usage")
    section = product.flash.card
    system = system_image(section, product.folder)
    given: list[Path | Image | None] = list(images) or [None] * len(cards)
    jobs = [card_job(reader, image, section, system) for reader, image in zip(readers, given, strict=True)]
    _require_different(jobs)
    return jobs


def _readers(cards: Sequence[str], bench: Bench) -> list[CardReader]:
    known = {card.name: card for card in bench.card}
    for number, name in enumerate(cards):
        if name not in known:
            there = f"It has: {', '.join(known)}." if known else "It has no [[card]] at all."
            raise UsageError(f"the bench has no card {name}", hint=there, code="card.usage")
        if name in cards[:number]:
            raise UsageError(f"card {name} is named twice", hint="One --card for each card.", code="card.usage")
    return [known[name] for name in cards]


def _require_different(jobs: Sequence[CardJob]) -> None:
    """Two cards with one identity would be two units that cannot be told apart."""
    taken: dict[str, str] = {}
    for job in jobs:
        if job.unit is None:
            continue
        who = str(job.manifest.identity.get("hardware_id") if job.manifest else Path(job.unit.name).resolve())
        if who in taken:
            message = f"cards {taken[who]} and {job.card.name} would both become {job.unit.name}"
            raise UsageError(message, hint="Every unit has an image of its own.", code="card.usage")
        taken[who] = job.card.name


@contextlib.contextmanager
def _interruptible(cancel: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C call the cards off and the second end the process at once."""

    def on_signal(_number: int, _frame: object) -> None:
        if cancel.is_set():
            os._exit(int(Exit.INTERRUPTED))
        cancel.set()
        os.write(2, b"\nstopping: every card is left without a partition table (Ctrl-C again stops at once)\n")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(
    jobs: Sequence[CardJob], *, quiet: bool
) -> Iterator[tuple[Callable[[str, Stage], None], Callable[[CardResult], None]]]:
    """What is told how far each card is, from any thread, and what is told that one has ended."""
    console = talk()
    if quiet or not console.is_terminal:
        yield (lambda _name, _stage: None), (lambda result: None if quiet else console.print(_line(result), **_PLAIN))
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        tasks = {job.card.name: {"check": bar.add_task(f"{job.card.name}: check", total=None)} for job in jobs}

        def told(name: str, stage: Stage) -> None:
            _show(bar, tasks[name], name, stage)

        yield told, lambda result: bar.console.print(_line(result), **_PLAIN)


def _show(bar: Progress, tasks: dict[str, Any], name: str, stage: Stage) -> None:
    """Each phase has a task of its own, so that its rate is its own."""
    if stage.phase not in tasks:
        for task in tasks.values():
            bar.update(task, visible=False)
        words = {"write": "written", "read": "read back"}[stage.phase]
        tasks[stage.phase] = bar.add_task(f"{name}: {words}", total=stage.total)
    bar.update(tasks[stage.phase], completed=stage.done, total=stage.total)


_PLAIN: Mapping[str, Any] = {"soft_wrap": True, "markup": False}


def _line(result: CardResult) -> str:
    if result.error is None:
        receipt = result.receipt
        rate = f", {rate_text(receipt.rate)} written and read back" if receipt else ""
        return f"{result.card.name}: written{rate}" + (f" ({result.note})" if result.note else "")
    hint = f" - {result.error.hint}" if result.error.hint else ""
    return f"{result.card.name}: {result.outcome}: {result.error.message}{hint}"


def _print(results: Sequence[CardResult]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    for name in ("card", "outcome", "holds", "bytes", "seconds", "read back", "cause"):
        table.add_column(name, justify="right" if name in ("bytes", "seconds") else "left", overflow="fold")
    words = {"before": "what it held before", "nothing": "no identity", "new": "the image", "unknown": "not known"}
    for result in results:
        receipt, error = result.receipt, result.error
        table.add_row(
            result.card.name,
            Text(str(result.outcome), style="green" if error is None else "red"),
            words[str(result.holds)],
            f"{receipt.bytes_written if receipt else result.sent:,}",
            f"{result.seconds:.1f}",
            receipt.read_back if receipt else "-",
            Text(f"{error.message} [{error.code}]" if error else ""),
        )
    show().print(table)
    if any(result.error is None for result in results):
        talk().print(_NOT_PASSED, style="dim", soft_wrap=True, markup=False)


def _exit_code(results: Sequence[CardResult]) -> Exit:
    outcomes = {str(result.outcome) for result in results}
    if "cancelled" in outcomes:
        return Exit.INTERRUPTED
    if outcomes == {"written"}:
        return Exit.DONE
    return Exit.NOT_STARTED if outcomes == {"refused"} else Exit.FAILED
