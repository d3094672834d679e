from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from factory.bootloader import autoboot
from factory.cli.app import run
from factory.cli.flash_uboot import flash_uboot
from factory.cli.session import Session
from factory.config import (
    Bench,
    BulkRegistration,
    FlashSection,
    Product,
    SerialSection,
    Slot,
    StationSection,
    load_product,
)
from factory.config.product import ProductSection
from factory.errors import FactoryError, UsageError
from factory.flashing.journal import NullJournal
from factory.identity import Identifier, KeySource
from factory.images import Image, open_builder, write_image
from factory.images.ext4.sparse import Sparse
from factory.rehearsal.uboot import UbootFault, UbootUnit
from factory.units import Transcript
from factory.units.console import Console
from factory.values import Facts, Mac, Manifest, Receipt, Work
from tests.bootloader.boards import SECTION, Power, board, stopped
from tests.programs import require

CODE = "00000000-0000-0000-0000-000000000001"
MAC = "b8:27:eb:12:34:56"
BODY = b"SECRETKEY" * 700


class Book(NullJournal):
    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def intent(
        self,
        manifest: Manifest | None,
        place: str,
        *,
        facts: Facts | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        assert facts is not None
        self.events.append(("intent", facts.interfaces["eth0"].colons))

    def flashed(self, manifest: Manifest | None, place: str, receipt: Receipt) -> None:
        self.events.append(("flashed", receipt.found))

    def failed(
        self,
        manifest: Manifest | None,
        place: str,
        error: FactoryError,
        data: Mapping[str, object] | None = None,
    ) -> None:
        assert data is not None
        self.events.append(("failed", data["holds"]))


@pytest.fixture()
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UbootUnit]:
    monkeypatch.setattr(autoboot, "OFF_SECONDS", 0.05)
    with board(tmp_path / "board") as made:
        made.machine.environment = {"ethaddr": MAC, "loadaddr": "82000000"}
        made.machine.save()
        yield made


def product() -> Product:
    return Product(
        product=ProductSection(name="p"),
        flash=FlashSection(method="uboot", uboot=SECTION),
        registration=BulkRegistration(bulk_identification_code=CODE),
    )


def image(kind: str = "squashfs") -> Image:
    identity = {"hardware_id": "b827eb123456", "macs": {"eth0": MAC}, "serial": None}
    return Image(Manifest("0" * 64, kind, "p", "t", identity, ()), {}, b"", body=BODY)


def flash(unit: UbootUnit, folder: Path, book: Book, monkeypatch: pytest.MonkeyPatch, *, json_: bool = True) -> None:
    monkeypatch.setattr("factory.cli.flash_uboot.power_of", lambda bench, slot: Power(unit))
    slot = Slot(name="A", serial=SerialSection(port=str(unit.port)))
    bench = Bench(station=StationSection(name="s"), slot=(slot,), folder=folder)
    session = Session()
    session.json("flash")
    flash_uboot(session, image(), slot, product(), bench, book, json=json_)


def test_a_flash_is_told_to_the_journal_before_and_after(
    unit: UbootUnit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book()
    flash(unit, tmp_path, book, monkeypatch)
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["method"]) == ("factory.flash/1", "uboot")
    assert document["before"]["interfaces"] == {"eth0": MAC}
    assert book.events == [("intent", MAC), ("flashed", document["receipt"]["found"])]
    (transcript,) = (tmp_path / "transcripts").iterdir()
    assert b"SECRETKEY" not in transcript.read_bytes()
    assert b"mmc write" in transcript.read_bytes()
    flash(unit, tmp_path, book, monkeypatch, json_=False)
    out = capsys.readouterr()
    assert "mmc 0 blocks 2048+13" in out.out
    assert "has not passed" in out.err


def test_a_flash_that_fails_says_what_the_unit_holds(
    unit: UbootUnit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book()
    unit.faults.add(UbootFault.BIT_ROT)
    monkeypatch.setattr(f"{__name__}.BODY", bytes(20_000))
    with pytest.raises(FactoryError, match="holds no file system"):
        flash(unit, tmp_path, book, monkeypatch)
    assert book.events == [("intent", MAC), ("failed", "nothing")]


def test_what_a_boot_loader_cannot_do_is_refused(tmp_path: Path) -> None:
    slot = Slot(name="A", serial=SerialSection(port="/nowhere"))
    bench = Bench(station=StationSection(name="s"), slot=(slot,), folder=tmp_path)
    with pytest.raises(UsageError) as caught:
        flash_uboot(Session(), image("tar.gz"), slot, product(), bench, Book(), json=False)
    assert caught.value.code == "flash.uboot.format"


def test_env_and_set(unit: UbootUnit, capsys: pytest.CaptureFixture[str]) -> None:
    with stopped(unit):
        pass
    at = ["--serial", str(unit.port), "--at-prompt"]
    assert run(["uboot", "env", *at, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["environment"]["ethaddr"]) == ("factory.uboot-env/1", MAC)
    assert run(["uboot", "set", "note=two words", *at]) == 0
    assert "note=two words  (was not set; read back after a restart)" in capsys.readouterr().out
    assert run(["uboot", "env", *at]) == 0
    assert "note=two words" in capsys.readouterr().out
    assert run(["uboot", "set", "ethaddr=b8:27:eb:00:00:01", *at, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "uboot.write-once"


@pytest.mark.parametrize(
    "arguments",
    [
        ["env"],
        ["set", "a=b"],
        ["set", "nonsense", "--serial", "x"],
        ["set", "a=1", "a=2", "--serial", "x"],
        ["env", "--serial", "x", "--slot", "A"],
    ],
)
def test_wrong_calls(arguments: list[str]) -> None:
    assert run(["uboot", *arguments]) == 2


def on_as_the_port_opens(unit: UbootUnit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's hand for a slot without power control: on once the station listens, however long its start took."""
    opened = Console.open

    def open_(section: SerialSection, transcript: Transcript) -> Console:
        console = opened(section, transcript)
        unit.on()
        return console

    monkeypatch.setattr(Console, "open", open_)


def test_the_whole_command_on_an_image_of_ours(
    unit: UbootUnit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require("mke2fs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    assert run(["init", "acme"]) == 0
    file = tmp_path / "acme" / "product.toml"
    text = re.sub(r"(?m)^(bulk_identification_code = ).*$", rf'\1"{CODE}"', file.read_text())
    text = re.sub(r"(?m)^(method|format) = .*$", "", text)
    for section, lines in (("image", 'format = "ext4"\nsize = 1048576'), ("flash", 'method = "uboot"')):
        there = re.search(rf"(?m)^\[{section}\]$", text)
        text = (
            text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n", 1) if there else f"{text}\n[{section}]\n{lines}\n"
        )
    text += '\n[flash.uboot]\nstart_block = 2048\nblocks = 8192\nenvironment = { ethaddr = "eth0" }\n'
    file.write_text(text)
    kind = load_product(file)
    identifier = Identifier(
        kind.identity, kind.registration, KeySource.open(kind.identity.key, kind.folder), kind.product.name
    )
    identity = identifier.identify(Facts(interfaces={"eth0": Mac.parse(MAC)}), Work(lot="L")).identity
    assert identity is not None
    built = open_builder(kind.image, kind.folder, kind.product.name, kind.registration).build(identity)
    path = write_image(built, tmp_path / "images")
    call = ["flash", str(path), "--serial", str(unit.port), "--product", str(file), "--off-ledger", "a try", "--json"]
    capsys.readouterr()
    on_as_the_port_opens(unit, monkeypatch)
    assert run(call) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["receipt"]["written"] == document["receipt"]["found"]
    assert isinstance(built.body, Sparse)
    assert unit.machine.medium.read_bytes()[2048 * 512 :].startswith(built.body.whole())

    unit.off()
    unit.machine.environment["ethaddr"] = "b8:27:eb:12:34:57"
    unit.machine.save()
    unit.machine.written.clear()
    assert run(call) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "flash.uboot.other-unit"
    assert unit.machine.written == []
