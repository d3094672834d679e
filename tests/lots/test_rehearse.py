"""The first boot of a lot: what disagrees between an upload file and an image is named, unit by unit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.cli import main
from factory.config import Product, load_product
from factory.identity import Identifier, KeySource
from factory.images import Image, open_builder
from factory.images.store import write_image
from factory.ledger import Ledger
from factory.lots import export
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.values import AttemptState, Facts, Mac, Proof, Receipt, Work
from tests import programs
from tests.lots.made import LOT, admit, ledger, product
from tests.rehearsal.firstboot.conftest import PACKAGE

SERVICES = '\n[[registration.services]]\nname = "ssh"\ntype = "SSH"\nport = 22\n'
FIRST, SECOND, THIRD = "b827eb000002", "b827eb000004", "b827eb000006"
Rehearse = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedClouds]:
    with SimulatedClouds(tmp_path_factory.mktemp("clouds") / "state") as running:
        yield running


@pytest.fixture(autouse=True)
def _empty_portal(clouds: SimulatedClouds) -> Iterator[None]:
    yield
    for one in clouds.remoteit.registrations():
        clouds.remoteit.delete(one.id)
    clouds.faults.clear()


def built(made: Product, number: int) -> Image:
    """The image that the line would build for a unit of `admit`."""
    keys = KeySource.open(made.identity.key, made.folder)
    identifier = Identifier.open(made.identity, made.registration, keys, made.product.name)
    macs = {name: Mac.parse(f"b827eb{2 * number + at:06x}") for at, name in enumerate(("eth0", "wlan0"))}
    identity = identifier.identify(Facts(macs, {}, serial=f"S{number}"), Work(LOT)).identity
    return open_builder(made.image, made.folder, made.product.name, made.registration).build(identity)


class Lot:
    """A lot of three units that passed, the images that they passed with in `images`, and its upload file."""

    def __init__(self, folder: Path, book: Ledger) -> None:
        self.images = folder / "images"
        path = product(folder / "p", image__format="dir").folder / "product.toml"
        path.write_text(path.read_text() + SERVICES)
        self.product = load_product(path)
        for number in (1, 2, 3):
            image = built(self.product, number)
            write_image(image, self.images)
            _pass(book, admit(book, self.product, number), image.manifest.image)
        self.csv = export(book, self.product, LOT, folder / "out").files[0]

    def change(self, hardware_id: str, name: str, content: bytes) -> None:
        """Put another content into an image. It is then nobody's: without a manifest."""
        (self.images / f"{hardware_id}.manifest.json").unlink(missing_ok=True)
        (self.images / hardware_id / name).write_bytes(content)


def _pass(book: Ledger, attempt: int, image: str) -> None:
    receipt = Receipt(image, "files", "ssh:x", {}, 1, "sha256sum", 1.0)
    proof = Proof("soft", "a", "b", ("hardware_id.txt",), True, "ssh:x", 1.0)
    book.advance(attempt, AttemptState.FLASHING, image=image)
    book.advance(attempt, AttemptState.FLASHED, receipt.as_json())
    book.advance(attempt, AttemptState.PROVED, proof.as_json())
    book.passed(attempt, receipt, proof)


@pytest.fixture
def lot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lot:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACTORY_LEDGER", raising=False)
    with ledger(tmp_path) as book:
        return Lot(tmp_path, book)


@pytest.fixture
def rehearse(clouds: SimulatedClouds, capsys: pytest.CaptureFixture[str]) -> Rehearse:
    def run(*arguments: str, images: tuple[str, ...] = ("--images", "images"), own: bool = False) -> dict[str, Any]:
        where = () if own else ("--server", clouds.url, "--ca", str(clouds.ca))
        status = main(
            ["rehearse", "lot", "--lot", LOT, "--product", "p/product.toml", "--jobs", "1", "--json",
             *images, *where, *arguments]
        )  # fmt: skip
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        whole = document.get("named") == [] and document["foreign"] == []
        assert status == (0 if whole else 1), document
        return document

    return run


def causes(document: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in document["named"]:
        found.setdefault(one["hardware_id"], set()).add(one["cause"])
    return found


def said(document: dict[str, Any]) -> str:
    return " | ".join(one["text"] for one in document["named"])


def test_a_sound_lot_comes_online(lot: Lot, rehearse: Rehearse, clouds: SimulatedClouds) -> None:
    document = rehearse()
    assert document["named"] == []
    assert (document["schema"], document["units"], document["online"]) == ("factory.rehearse.lot/1", 3, 3)
    assert document["uploads"] == [{"name": lot.csv.name, "rows": 3, "origin": "as exported"}]
    (uploaded,) = clouds.query("SELECT count(*) AS n FROM remoteit_units WHERE online = 1 AND cloned = 0")
    assert uploaded["n"] == 3


def test_images_built_again_in_clouds_of_its_own(lot: Lot, rehearse: Rehearse) -> None:
    assert rehearse(images=(), own=True)["online"] == 3
    assert lot.csv.exists()


def test_one_key_in_the_file_is_another(lot: Lot, rehearse: Rehearse) -> None:
    lines = lot.csv.read_text().split("\n")
    key, _, rest = lines[2].partition(",")
    lines[2] = f"{key[:-1]}{'x' if key[-1] != 'x' else 'y'},{rest}"
    lot.csv.write_text("\n".join(lines))
    document = rehearse("--csv", str(lot.csv))
    assert causes(document) == {SECOND: {"stopped", "differs"}}
    assert "wrong registration key" in said(document)
    assert key not in json.dumps(document)


def test_one_key_in_an_image_is_another(lot: Lot, rehearse: Rehearse) -> None:
    lot.change(FIRST, "registration_key.txt", b"otherkey0123456789\n")
    document = rehearse()
    assert causes(document) == {FIRST: {"identity", "stopped", "differs"}}
    assert "otherkey" not in json.dumps(document)


def test_an_image_of_another_lot(lot: Lot, rehearse: Rehearse, tmp_path: Path) -> None:
    """The same unit once more, under another secret: sound in itself, and not what it passed with."""
    other = product(tmp_path / "q", image__format="dir")
    write_image(built(other, 3), lot.images)
    document = rehearse()
    assert causes(document) == {THIRD: {"other-image", "identity", "stopped", "differs"}}


def test_no_image_and_a_damaged_one(lot: Lot, rehearse: Rehearse) -> None:
    shutil.rmtree(lot.images / FIRST)
    (lot.images / f"{FIRST}.manifest.json").unlink()
    (lot.images / SECOND / "hardware_id.txt").write_bytes(b"b827eb000006\n")
    assert causes(rehearse()) == {FIRST: {"no-image"}, SECOND: {"image"}}


def test_a_clone(lot: Lot, rehearse: Rehearse, clouds: SimulatedClouds) -> None:
    """The first unit's files in the third unit's image."""
    for name in ("hardware_id.txt", "registration_key.txt"):
        lot.change(THIRD, name, (lot.images / FIRST / name).read_bytes())
    document = rehearse()
    found = causes(document)
    assert "clone" in found[FIRST]
    assert {"identity", "stopped"} <= found[THIRD]
    assert SECOND not in found
    assert "registered already" in said(document)
    assert clouds.remoteit.unit(FIRST)["cloned"]


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("hardware_id.txt", b"default.\n", "default."),
        ("hardware_id.txt", FIRST.encode() + b"\r\n", "\\r"),
        ("hardware_id.txt", b" " + FIRST.encode() + b"\n", "' b827"),
        ("hardware_id.txt", b"Issue hardware ID is not set properly.\n", "Issue"),
        ("bulk_identification_code.txt", b"missing. Add your code to bulk_identification_code.txt.\n", "missing."),
    ],
)
def test_what_a_unit_takes_byte_by_byte(lot: Lot, rehearse: Rehearse, name: str, content: bytes, shown: str) -> None:
    lot.change(FIRST, name, content)
    document = rehearse()
    assert set(causes(document)) == {FIRST}
    assert {"identity", "stopped"} <= causes(document)[FIRST]
    assert shown in said(document)


def test_a_carriage_return_after_the_key(lot: Lot, rehearse: Rehearse) -> None:
    key = (lot.images / FIRST / "registration_key.txt").read_bytes().rstrip(b"\n")
    lot.change(FIRST, "registration_key.txt", key + b"\r\n")
    document = rehearse()
    assert {"identity", "stopped"} <= causes(document)[FIRST]
    assert key.decode() not in json.dumps(document)


def test_a_unit_that_no_file_has_and_a_row_that_no_unit_has(lot: Lot, rehearse: Rehearse) -> None:
    text = lot.csv.read_text()
    lot.csv.write_text(text.replace(THIRD, "b827eb0000f0"))
    document = rehearse("--csv", str(lot.csv))
    assert {"not-uploaded", "stopped"} <= causes(document)[THIRD]
    assert document["foreign"] == ["b827eb0000f0"]


def test_a_file_that_a_spreadsheet_has_saved(lot: Lot, capsys: pytest.CaptureFixture[str]) -> None:
    lot.csv.write_bytes(lot.csv.read_bytes().replace(b"\n", b"\r\n"))
    asked = ["rehearse", "lot", "--lot", LOT, "--product", "p/product.toml", "--csv", str(lot.csv)]
    assert main(asked) == 1
    assert "line ends must be LF alone" in capsys.readouterr().err


def test_one_unit_alone_and_one_that_is_none(lot: Lot, rehearse: Rehearse, capsys: pytest.CaptureFixture[str]) -> None:
    document = rehearse("--only", SECOND)
    assert (document["units"], document["online"], document["uploads"][0]["rows"]) == (1, 1, 3)
    assert main(["rehearse", "lot", "--lot", LOT, "--product", "p/product.toml", "--only", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_roots_that_are_kept(lot: Lot, rehearse: Rehearse, tmp_path: Path) -> None:
    assert rehearse("--keep", str(tmp_path / "kept"))["online"] == 3
    homes = [path / "etc" / "connectd" for path in (tmp_path / "kept" / "units").iterdir()]
    assert sorted((home / "hardware_id.txt").read_text().strip() for home in homes) == [FIRST, SECOND, THIRD]
    assert all(len(list((home / "available").iterdir())) == 2 for home in homes)
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


def test_images_in_a_container(lot: Lot, rehearse: Rehearse) -> None:
    build = ["image", "build", "--lot", LOT, "--product", "p/product.toml", "--out", "o", "--pack", "--jobs", "1"]
    assert main([*build, "--format", "tar.gz"]) == 0
    (pack,) = Path("o").glob("*.pack")
    assert rehearse(images=("--pack", str(pack)))["online"] == 3


def test_by_a_package_of_connectd(lot: Lot, rehearse: Rehearse, clouds: SimulatedClouds) -> None:
    for program in ("curl", "unshare"):
        programs.require(program)
    lot.change(FIRST, "registration_key.txt", b"otherkey0123456789\n")
    (lot.images / SECOND / "hardware_id.txt").unlink()
    lot.change(SECOND, "registration_key.txt", b"default.\n")
    document = rehearse("--connectd", str(PACKAGE))
    assert causes(document) == {
        FIRST: {"identity", "stopped", "differs"}, SECOND: {"identity", "stopped", "differs"},
    }  # fmt: skip
    assert "wrong registration key" in said(document) and "placeholder" in said(document)
    assert "otherkey" not in json.dumps(document)
    assert clouds.remoteit.unit(THIRD)["online"]


def test_an_export_that_cannot_be_made_again(lot: Lot, capsys: pytest.CaptureFixture[str]) -> None:
    """Another hash in the ledger than the file comes out with: the rehearsal would be of another file."""
    import sqlite3

    with sqlite3.connect("ledger.db") as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE uploads SET sha256 = ?", ("0" * 64,))
    assert main(["rehearse", "lot", "--lot", LOT, "--product", "p/product.toml"]) == 1
    assert "does not come out as it was exported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--images", "images", "--pack", "x"), "either --images or --pack"),
        (("--images", "nowhere"), "no folder of images"),
        (("--server", "https://127.0.0.1:1"), "belong together"),
        (("--server", "https://api.remote.it", "--ca", "ca.pem"), "not on this machine"),
        (("--connectd", "p"), "no unpacked connectd package"),
        (("--keep", "images"), "not empty"),
    ],
)
def test_wrong_calls(lot: Lot, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str) -> None:
    assert main(["rehearse", "lot", "--lot", LOT, "--product", "p/product.toml", *arguments]) == 2
    assert text in capsys.readouterr().err
