"""`factory flash`: an image that is there already, onto one unit or onto cards."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, talk
from factory.errors import FactoryError, UsageError

if TYPE_CHECKING:
    from factory.config import Bench, Product, Slot
    from factory.identity import KeySource
    from factory.images import Image
    from factory.ledger import Ledger
    from factory.line import OneFlash


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("flash")(flash)


def flash(
    context: typer.Context,
    product: Annotated[Path, typer.Option(help="The product file; [flash] says how units of it are written.")],
    image: Annotated[
        list[Path] | None, typer.Argument(help="A folder, archive or file system with its manifest beside it.")
    ] = None,
    slot: Annotated[str | None, typer.Option(help="The slot of the bench that the unit is in.")] = None,
    bench: Annotated[Path | None, typer.Option(help="The bench file of --slot and --card.")] = None,
    serial: Annotated[str | None, typer.Option(metavar="PORT", help="Flash over this serial port.")] = None,
    baud: Annotated[int, typer.Option(min=300, max=4_000_000, help="Serial speed.")] = 115200,
    ssh: Annotated[str | None, typer.Option(metavar="[USER@]HOST[:PORT]", help="Flash over SSH.")] = None,
    interface: Annotated[str | None, typer.Option(help="Bind SSH to this network interface.")] = None,
    card: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A card reader of the bench; repeat.")] = None,
    pack: Annotated[Path | None, typer.Option(help="A container of images, instead of IMAGE; needs --id.")] = None,
    hardware_id: Annotated[str | None, typer.Option("--id", help="Whose image in the container.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why a unit that passed is written again, or whose unit this is.")
    ] = None,
    off_ledger: Annotated[
        str | None, typer.Option(metavar="REASON", help="Go without the unit's record; the reason is recorded.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who does it; default: who is logged in.")] = "",
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write an image to the unit that it is for, read it back, and let the unit prove it after a reboot.

    The ledger's record of the unit that the image names is held against the unit first; an image of another unit is
    refused before anything is written. Transcripts go where the bench file says, else to ./transcripts.

    For example:

      factory flash images/b827eb000001.tar.gz --slot A --bench bench.toml --product product.toml

      factory flash --pack lot.pack --id b827eb000001 --ssh root@192.168.1.1 --product product.toml
    """
    from factory.cli.flash_card import flash_cards
    from factory.cli.flash_images import card_images, one_image
    from factory.cli.flash_uboot import flash_uboot
    from factory.config import load_bench, load_product
    from factory.line.outside import LedgerJournal

    session: Session = context.obj
    if json:
        session.json("flash")
    reasons = {"--reason": reason, "--off-ledger": off_ledger}
    for option, text in reasons.items():
        if text is not None and not text.strip():
            raise UsageError(f"{option} wants a reason", hint="Say why, in a few words: it stays in the ledger.")
    kind = load_product(product)
    station = load_bench(bench) if bench else None
    for option, named in (("--slot", slot), ("--card", card)):
        if named:
            _bench_for(option, station)
    person = operator or logged_in()
    with _ledger(ledger, station, person, off_ledger, quiet=json) as book:
        journal = LedgerJournal(book, reason, off_ledger)
        if card:
            place = _bench_for("--card", station)
            given = card_images(image or (), pack, hardware_id, off_ledger=off_ledger)
            cards = _for_cards(kind, given, None if off_ledger else book, reason)
            flash_cards(session, cards, card, kind, place, journal, json=json)
            return
        found = one_image(image or (), pack, hardware_id)
        at, where, kind = _route(kind, station, slot, serial, baud, ssh, interface)
        if kind.flash.method == "uboot":
            own = _for_uboot(kind, found, None if off_ledger else book, reason)
            flash_uboot(session, own, where, kind, at, journal, json=json)
            return
        with _scratch(book, at) as record:
            one = _open(kind, at, where, found, record, reason, off_ledger, debug=session.debug)
            code = _drive(session, one, json=json, kept=book is not None)
    raise typer.Exit(code)


def _for_cards(
    kind: Product, images: list[Image | Path], book: Ledger | None, reason: str | None
) -> list[Image | Path]:
    """The images, those of ours held against their units' records."""
    from factory.images import Image
    from factory.line.outside import check_image

    keys = _keys(kind)
    for image in images:
        if isinstance(image, Image):
            check_image(book, image, kind, keys, reason)
    return images


def _for_uboot(kind: Product, image: Image, book: Ledger | None, reason: str | None) -> Image:
    from factory.line.outside import check_image

    check_image(book, image, kind, _keys(kind), reason)
    return image


def _open(
    kind: Product, bench: Bench, slot: Slot, image: Image, book: Ledger, reason: str | None, off_ledger: str | None, *,
    debug: bool
) -> OneFlash:  # fmt: skip
    from factory.images import open_builder
    from factory.line import open_flash

    builder = open_builder(kind.image, kind.folder, kind.product.name, kind.registration)
    return open_flash(
        kind, bench, slot, image, ledger=book, builder=builder, keys=_keys(kind), reason=reason, off_ledger=off_ledger,
        debug=debug,
    )  # fmt: skip


def _drive(session: Session, one: OneFlash, *, json: bool, kept: bool) -> int:
    from factory.cli.flash_show import document, follow, print_result
    from factory.cli.run_line import interruptible

    if not json:
        for note in one.notes:
            talk().print(f"note: {note}", style="yellow", soft_wrap=True, markup=False)
    with interruptible(one), follow(quiet=json) as on_event:
        done = one.run(on_event=on_event)
    if json:
        session.print_json(document(done, one, kept=kept))
    else:
        print_result(done, off_ledger=one.off_ledger is not None)
    return int(done.summary.exit_code)


def _keys(kind: Product) -> KeySource:
    from factory.identity import KeySource

    return KeySource.open(kind.identity.key, kind.folder)


@contextlib.contextmanager
def _ledger(
    given: str | None, bench: Bench | None, operator: str, off_ledger: str | None, *, quiet: bool
) -> Iterator[Ledger | None]:
    """The ledger; None only where there is none and the user goes without."""
    with contextlib.ExitStack() as stack:
        try:
            book: Ledger | None = stack.enter_context(use_ledger(given, bench, operator=operator, quiet=quiet))
        except FactoryError as error:
            if off_ledger is None and error.code == "ledger.missing":
                hint = f"{error.hint} Without one: --off-ledger REASON."
                raise UsageError(error.message, hint=hint, code=error.code) from error
            if off_ledger is None or not error.code.startswith("ledger."):
                raise
            book = None
            talk().print(f"recorded nowhere: {error.message}", style="yellow", soft_wrap=True, markup=False)
        yield book


@contextlib.contextmanager
def _scratch(book: Ledger | None, bench: Bench) -> Iterator[Ledger]:
    """The ledger, or one for this call alone: the same steps and checks, kept by nobody."""
    if book is not None:
        yield book
        return
    from factory.ledger import open_ledger

    with (
        tempfile.TemporaryDirectory(prefix="factory-flash-") as folder,
        open_ledger("sqlite:///ledger.db", station=bench.station.name, folder=Path(folder)) as scratch,
    ):
        yield scratch


def _bench_for(option: str, bench: Bench | None) -> Bench:
    if bench is None:
        raise UsageError(f"{option} names a place of a bench", hint="Name its file with --bench.")
    return bench


def _slot(bench: Bench, name: str | None) -> Slot:
    if name is None:
        raise UsageError("which slot is the unit in?", hint=f"--slot: {', '.join(slot.name for slot in bench.slot)}.")
    found = next((slot for slot in bench.slot if slot.name == name), None)
    if found is None:
        there = ", ".join(slot.name for slot in bench.slot)
        raise UsageError(f"the bench has no slot {name}", hint=f"There are: {there}.", code="line.slot")
    return found


def _route(
    kind: Product,
    station: Bench | None,
    slot: str | None,
    serial: str | None,
    baud: int,
    ssh: str | None,
    interface: str | None,
) -> tuple[Bench, Slot, Product]:
    """Where the unit is: a slot of the bench, or a bench of one slot made of the route that was given."""
    from factory.cli.read import split_port
    from factory.config import Bench, SerialSection, Slot, SshSection, StationSection

    if [slot, serial, ssh].count(None) != 2:
        raise UsageError(
            "give one place: --slot NAME with --bench, --serial PORT, --ssh HOST, or --card NAME with --bench",
            hint="See: factory flash --help",
        )
    if slot is not None:
        bench = _bench_for("--slot", station)
        return bench, _slot(bench, slot), kind
    user, _, target = (ssh or "").rpartition("@")
    if user:
        login = kind.unit.login.model_copy(update={"user": user})
        kind = kind.model_copy(update={"unit": kind.unit.model_copy(update={"login": login})})
    if serial is not None:
        place = Slot(name=Path(serial).name, serial=SerialSection(port=serial, baud=baud))
    else:
        host, port = split_port(target)
        place = Slot(name=target, ssh=SshSection(host=host, port=port, interface=interface))
    own = station.station if station is not None else StationSection(name="office")
    folder = station.folder if station is not None else Path()
    return Bench(station=own, slot=(place,), folder=folder), place, kind
