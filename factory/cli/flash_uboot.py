"""`factory flash --slot` for units with no Linux yet: through their boot loader."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from factory.cli.session import Session, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.config import Bench, Product, SerialSection, Slot
    from factory.flashing import PowerControl
    from factory.flashing.journal import FlashJournal
    from factory.flashing.uboot import UbootPlan
    from factory.images import Image
    from factory.line.transcript import AttemptTranscript
    from factory.units import Transcript
    from factory.values import Facts, Receipt

# Besides the transfer: booting, writing, reading back.
_MARGIN_SECONDS = 300.0


def flash_uboot(
    session: Session, image: Image, slot: Slot, product: Product, bench: Bench, journal: FlashJournal, *, json: bool
) -> None:
    """Stop the boot of the unit in the slot, load the image, write it, read it back, and say so. The unit has not
    passed by that: it proves itself when its system runs.

    Raises FactoryError; what had begun is told to the journal then, with what the unit holds.
    """
    from factory.flashing.uboot import payload_of_image

    payload = payload_of_image(image)
    port = serial_of(slot)
    with transcript_of(bench, slot) as kept, cancelled_by_signal() as cancel:
        before, plan, receipt = _flash(image, payload, slot, port, product, bench, journal, kept, cancel, quiet=json)
    if json:
        session.print_json(
            {
                "method": "uboot",
                "slot": slot.name,
                "medium": plan.medium,
                "before": facts_json(before),
                "receipt": receipt.as_json(),
            }
        )
    else:
        _print(slot, receipt)


def _flash(
    image: Image,
    payload: bytes,
    slot: Slot,
    port: SerialSection,
    product: Product,
    bench: Bench,
    journal: FlashJournal,
    kept: Transcript,
    cancel: threading.Event,
    *,
    quiet: bool,
) -> tuple[Facts, UbootPlan, Receipt]:
    from factory.bootloader import read_bootloader_facts
    from factory.flashing.uboot import (
        LoaderFlashError,
        bootloader_on,
        flash_from_bootloader,
        preflight_from_bootloader,
    )
    from factory.units import Deadline

    section, manifest = product.flash.uboot, image.manifest
    baud = section.baud or port.baud
    deadline = Deadline(product.unit.timeouts.boot, cancel=cancel)
    power = power_of(bench, slot)
    say(quiet and power is not None, _waiting(slot, powered=power is not None))
    with bootloader_on(port, section, deadline=deadline, power=power, transcript=kept) as loader:
        facts = read_bootloader_facts(loader, section.environment, limit=deadline)
        plan = preflight_from_bootloader(
            loader, payload, section, baud=baud, deadline=deadline, manifest=manifest, facts=facts
        )
        say(quiet, f"{len(payload)} bytes to {plan.medium}: about {plan.seconds / 60:.1f} minutes at {baud} baud")
        data = {"medium": plan.medium, "method": "uboot"}
        limit = Deadline(plan.seconds * 2 + _MARGIN_SECONDS, cancel=cancel)
        with _progress(len(payload), quiet=quiet) as progress:
            try:
                receipt = flash_from_bootloader(
                    loader,
                    payload,
                    plan,
                    image=manifest.image,
                    deadline=limit,
                    intent=lambda: journal.intent(manifest, slot.name, facts=facts, data=data),
                    progress=progress,
                )
            except LoaderFlashError as error:
                far = {**data, "holds": error.holds, "bytes_written": error.written}
                journal.failed(manifest, slot.name, error, far)
                raise
        journal.flashed(manifest, slot.name, receipt)
    return facts, plan, receipt


def _waiting(slot: Slot, *, powered: bool) -> str:
    if powered:
        return f"slot {slot.name}: power off and on, waiting for the boot loader"
    return f"slot {slot.name} has no power control: switch the unit off and on now"


def say(quiet: bool, text: str) -> None:
    """Tell a person what happens."""
    if not quiet:
        talk().print(text, style="dim", soft_wrap=True, markup=False)


def serial_of(slot: Slot) -> SerialSection:
    """The slot's serial port. Raises UsageError where it has none."""
    if slot.serial is None:
        raise UsageError(
            f"slot {slot.name} has no serial port, and a boot loader has no other route",
            hint="Give the slot serial = { port = ... } in the bench file.",
            code="flash.uboot.serial",
        )
    return slot.serial


def power_of(bench: Bench, slot: Slot) -> PowerControl | None:
    """The slot's power control, or None."""
    from factory.line.power import SlotPower

    return None if slot.power is None else SlotPower(slot.power, slot=slot.name, folder=bench.folder)


@contextlib.contextmanager
def transcript_of(bench: Bench, slot: Slot) -> Iterator[AttemptTranscript]:
    """A transcript beside those of the line, saved however the work ends; the image itself is never in it."""
    from factory.files import make_folder
    from factory.line.masking import Masks
    from factory.line.transcript import AttemptTranscript

    folder = make_folder(bench.folder / bench.station.transcripts)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{now}-{slot.name}-uboot.txt")
    transcript = AttemptTranscript(folder / name, masks=Masks(), header=(f"slot {slot.name}: boot loader",))
    try:
        yield transcript
    finally:
        transcript.save()


@contextlib.contextmanager
def cancelled_by_signal() -> Iterator[threading.Event]:
    """Ctrl-C and a closed window call the work off instead of leaving it anywhere."""
    event = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, lambda *_: event.set())
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(size: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=talk()) as bar:
        task = bar.add_task("loading", total=size)
        yield lambda sent: bar.update(task, completed=min(sent, size))


def facts_json(facts: Facts) -> dict[str, object]:
    """What the loader said of its unit."""
    macs = {name: mac.colons for name, mac in facts.interfaces.items()}
    return {"interfaces": macs, "serial": facts.serial, "model": facts.model}


def _print(slot: Slot, receipt: Receipt) -> None:
    from rich.table import Table

    table = Table(show_header=False, pad_edge=False, title=f"slot {slot.name}: written", title_justify="left")
    rows = {
        "medium": receipt.medium,
        "bytes": f"{receipt.bytes_written} in {receipt.seconds:.1f} s, {receipt.retries} blocks sent again",
        "image": receipt.image,
        "written": receipt.written or "",
        "found": receipt.found or "",
        "read back": receipt.read_back,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    show().print(table)
    talk().print("The unit has not passed by that: its own system proves it (factory run).", markup=False)
