"""Batches of images: the same whoever works on them and wherever they were cut, refused whole or done whole."""

from __future__ import annotations

import errno
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from factory.config import Product, load_product
from factory.errors import UsageError
from factory.files import FileError
from factory.identity import KeySource
from factory.images import Image, open_builder, open_pack, read_image
from factory.images.shards import shard
from factory.lots import build as build_module
from factory.lots import build_sinks
from factory.lots.build import BuildFailed, Built, build
from factory.lots.build_rows import Rows, SheetRefused, sheet_rows, unit_rows
from factory.sheets import REMOTEIT_BULK
from factory.values import HardwareId
from tests.lots.made import LOT, ledger, make_pass, product
from tests.programs import require

KEY = "givenkey0123456789"


def cells(number: int, **changes: str) -> list[str]:
    row = {"REGISTRATION_KEY": "", "HARDWARE_ID": f"b827eb{number:06x}", "DEVICE_NAME": f"Unit {number}"}
    row |= {"CATEGORY_A": "red"} | changes
    return [row.get(name, "") for name in REMOTEIT_BULK.names]


def sheet(path: Path, rows: list[list[str]]) -> Path:
    path.write_text(REMOTEIT_BULK.header + "".join("\n" + ",".join(row) for row in rows))
    return path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    monkeypatch.setattr(build_module, "CHUNK", 3)
    return product(tmp_path / "p", product__name="router")


def template(tmp_path: Path, text: str, name: str = "hardware_id.txt.j2") -> None:
    (tmp_path / "p" / "templates" / "connectd" / name).write_text(text)


def run(made: Product, rows: Rows, out: Path, *, form: str = "tar.gz", **options: Any) -> Built:
    section = made.image.model_copy(update={"format": form})
    made = made.model_copy(update={"image": section})
    keys = KeySource.open(made.identity.key, made.folder)
    builder = open_builder(section, made.folder, made.product.name, made.registration)
    return build(rows, made, builder, keys, out, **options)


def tree_images(out: Path, count: int) -> list[Image]:
    ids = [f"b827eb{number:06x}" for number in range(count)]
    return [read_image(shard(out, one) / f"{one}.manifest.json") for one in ids]


def pack_images(path: Path) -> list[Image]:
    with open_pack(path) as pack:
        pack.verify()
        return [pack.read(one) for one in pack.ids()]


class Late(Future[Any]):
    """Work that is done when its result is asked for."""

    def __init__(self, function: Any, args: Any) -> None:
        super().__init__()
        self._work = (function, args)

    def result(self, timeout: float | None = None) -> Any:
        function, args = self._work
        return function(*args)


class Deferred(Executor):
    """An executor that does everything at the last moment, as a busy cluster may."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Late(function, args)


def workbook(path: Path, rows: list[list[str]]) -> Path:
    book = Workbook()
    assert book.active is not None
    for row in (list(REMOTEIT_BULK.names), *rows):
        book.active.append(row)
    book.save(path)
    return path


def test_a_sheet_becomes_a_container(tmp_path: Path, made: Product) -> None:
    rows = [cells(n) for n in range(10)]
    rows[4] = cells(4, REGISTRATION_KEY=KEY, CATEGORY_A="")
    built = run(made, sheet_rows(sheet(tmp_path / "order 7.csv", rows), made), tmp_path / "out", pack=True)
    assert built.place == tmp_path / "out" / "order-7.pack" and (built.images, built.before, built.unusual) == (
        10,
        0,
        0,
    )
    images = pack_images(built.place)
    keys = KeySource.open(made.identity.key, made.folder)
    for number, image in enumerate(images):
        hardware_id = f"b827eb{number:06x}"
        key = KEY if number == 4 else keys.derive("router", HardwareId(hardware_id)).text
        assert image.contents["hardware_id.txt"] == f"{hardware_id}\n".encode()
        assert image.contents["registration_key.txt"] == f"{key}\n".encode()
        assert image.manifest.identity["device_name"] == f"Unit {number}"
        assert image.manifest.identity["categories"] == ({} if number == 4 else {"A": "red"})
        assert image.manifest.identity["key_version"] == (0 if number == 4 else 1)


@pytest.mark.parametrize("form", ["dir", "tar", "tar.gz", "tar.zst", "cpio", "ext4"])
def test_a_sheet_becomes_a_tree(tmp_path: Path, made: Product, form: str) -> None:
    if form == "ext4":
        require("mke2fs")
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(7)]), made)
    built = run(made, rows, tmp_path / "out", form=form)
    images = tree_images(tmp_path / "out", 7)
    assert built.images == 7 and {image.manifest.format for image in images} == {form}
    assert all(len(entry.name) == 3 or entry.name == "batch.json" for entry in (tmp_path / "out").iterdir())
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_any_executor_makes_the_same_bytes(tmp_path: Path, made: Product) -> None:
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(20)]), made)
    expected = run(made, rows, tmp_path / "here", pack=True).place.read_bytes()
    with (
        ThreadPoolExecutor(2) as threads,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes,
    ):
        for name, executor in (("threads", threads), ("processes", processes), ("late", Deferred())):
            built = run(made, rows, tmp_path / name, pack=True, executor=executor, jobs=2)
            assert built.place.read_bytes() == expected


def test_on_a_dask_cluster(tmp_path: Path, made: Product) -> None:
    distributed = importlib.import_module("distributed")  # heavy: only here
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(20)]), made)
    expected = run(made, rows, tmp_path / "here", pack=True).place.read_bytes()
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        built = run(made, rows, tmp_path / "out", pack=True, executor=client.get_executor(), jobs=2)
    assert built.place.read_bytes() == expected


def test_a_workbook(tmp_path: Path, made: Product) -> None:
    book = workbook(tmp_path / "s.xlsx", [cells(n) for n in range(5)])
    assert run(made, sheet_rows(book, made), tmp_path / "out").images == 5
    tree_images(tmp_path / "out", 5)


def test_the_spelling_of_a_work_sheet_is_settled_as_an_import_does(tmp_path: Path, made: Product) -> None:
    book = workbook(tmp_path / "s.xlsx", [cells(0, HARDWARE_ID="B8:27:EB:00:00:00")])
    run(made, sheet_rows(book, made), tmp_path / "out")
    assert tree_images(tmp_path / "out", 1)[0].contents["hardware_id.txt"] == b"b827eb000000\n"


def test_the_images_of_a_lot_are_those_the_line_made(tmp_path: Path, made: Product) -> None:
    keys = KeySource.open(made.identity.key, made.folder)
    with ledger(tmp_path) as book:
        for number in range(4):
            make_pass(book, made, number)
        rows = unit_rows(book, made, LOT, keys)
    with ledger(tmp_path, "empty") as book, pytest.raises(UsageError, match="no passed unit"):
        unit_rows(book, made, "empty", keys)
    images = pack_images(run(made, rows, tmp_path / "out", pack=True).place)
    assert [image.manifest.identity["serial"] for image in images] == ["S0", "S1", "S2", "S3"]
    assert images[1].manifest.identity["macs"] == {
        "eth0": "b8:27:eb:00:00:02",
        "wlan0": "b8:27:eb:00:00:03",
    }


def test_a_sheet_with_findings_is_refused_whole(tmp_path: Path, made: Product) -> None:
    bad = sheet(tmp_path / "s.csv", [cells(1), cells(2, HARDWARE_ID="b827eb00000g"), cells(1)])
    with pytest.raises(SheetRefused) as caught:
        sheet_rows(bad, made)
    assert "row 3" in caught.value.message and caught.value.report is not None and caught.value.report.errors >= 2
    assert caught.value.exit_code == 1 and caught.value.code == "image.sheet"


def test_a_sheet_that_changes_while_it_is_read(tmp_path: Path, made: Product) -> None:
    path = sheet(tmp_path / "s.csv", [cells(n) for n in range(4)])
    rows = sheet_rows(path, made)
    sheet(path, [cells(n) for n in range(5)])
    with pytest.raises(SheetRefused, match="changed while"):
        run(made, rows, tmp_path / "out", pack=True)
    assert not (tmp_path / "out" / "s.pack").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{{ hardware_id }}\n{% if categories.B %}{% endif %}",
            "hardware_id.txt.j2:2: 'dict object' has no attribute 'B'",
        ),
        ("{{ hardware_id | uper }}\n", "hardware_id.txt.j2:1"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}\n", "does a loop never end"),
    ],
)
def test_a_template_that_fails_names_the_row_and_the_line(tmp_path: Path, made: Product, text: str, said: str) -> None:
    template(tmp_path, text)
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(5)]), made)
    with pytest.raises((BuildFailed, UsageError)) as caught:
        run(made, rows, tmp_path / "out", pack=True)
    assert said in caught.value.message and "templates/connectd" in caught.value.message
    if isinstance(caught.value, BuildFailed):
        assert "s.csv: row 2, b827eb000000" in caught.value.message


def test_what_was_made_before_a_bad_row_is_whole_and_mending_it_is_another_batch(tmp_path: Path, made: Product) -> None:
    template(tmp_path, "{% if hardware_id.endswith('7') %}{{ nothing }}{% endif %}{{ hardware_id }}\n")
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(10)]), made)
    with pytest.raises(BuildFailed, match="row 9, b827eb000007") as caught:
        run(made, rows, tmp_path / "out")
    assert "7 images are whole" in caught.value.hint
    assert len(tree_images(tmp_path / "out", 7)) == 7
    template(tmp_path, "{{ hardware_id }}\n")
    with pytest.raises(UsageError) as refused:
        run(made, rows, tmp_path / "out")
    assert refused.value.code == "image.other-batch"


@pytest.mark.parametrize("pack", [True, False])
def test_the_same_batch_again_does_nothing_and_another_is_refused(tmp_path: Path, made: Product, pack: bool) -> None:
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(5)]), made)
    first = run(made, rows, tmp_path / "out", pack=pack)
    again = run(made, rows, tmp_path / "out", pack=pack)
    assert (again.images, again.before, again.place) == (5, 5, first.place)
    other = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(6)]), made)
    with pytest.raises(UsageError, match="another batch"):
        run(made, other, tmp_path / "out", pack=pack)
    (tmp_path / "p" / "master.secret").write_text("f" * 64)
    with pytest.raises(UsageError, match="another batch"):
        run(made, rows, tmp_path / "out", pack=pack)


def test_a_folder_that_holds_something_else(tmp_path: Path, made: Product) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("x")
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(1)]), made)
    with pytest.raises(UsageError, match="not empty"):
        run(made, rows, tmp_path / "out")


@pytest.mark.parametrize("pack", [True, False])
def test_a_full_disk_leaves_whole_images_and_the_batch_goes_on(
    tmp_path: Path, made: Product, monkeypatch: pytest.MonkeyPatch, pack: bool
) -> None:
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(12)]), made)
    expected = tree_or_pack(made, rows, tmp_path / "expected", pack)
    monkeypatch.setattr(build_sinks, "_SYNC_EVERY", 3)
    with monkeypatch.context() as patch:
        fill(patch, pack)
        with pytest.raises((FileError, BuildFailed), match="No space left"):
            run(made, rows, tmp_path / "out", pack=pack)
    built = run(made, rows, tmp_path / "out", pack=pack)
    assert 0 < built.before < 12 and built.images == 12
    assert (pack_images(built.place) if pack else tree_images(tmp_path / "out", 12)) == expected


def tree_or_pack(made: Product, rows: Rows, out: Path, pack: bool) -> list[Image]:
    built = run(made, rows, out, pack=pack)
    return pack_images(built.place) if pack else tree_images(out, rows.count)


def fill(patch: pytest.MonkeyPatch, pack: bool) -> None:
    """The disk is full from the third write of a container on, or from the twentieth file of a tree on."""
    calls: list[object] = []
    real = os.pwrite if pack else os.open

    def full(*arguments: Any, **options: Any) -> int:
        if pack or (len(arguments) > 1 and arguments[1] & os.O_CREAT):
            calls.append(arguments[0])
        if len(calls) > (3 if pack else 20):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)

    patch.setattr(os, "pwrite" if pack else "open", full)


def test_a_worker_that_dies(tmp_path: Path, made: Product) -> None:
    class Dying(ThreadPoolExecutor):
        count = 0

        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.count += 1
            if self.count == 3:
                raise BrokenExecutor("a process in the process pool was terminated abruptly")
            return super().submit(function, *args, **kwargs)

    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(20)]), made)
    with Dying(1) as pool, pytest.raises(BuildFailed) as caught:
        run(made, rows, tmp_path / "out", pack=True, executor=pool, jobs=1)
    assert caught.value.code == "image.worker"
    assert run(made, rows, tmp_path / "out", pack=True).images == 20


def test_a_unit_that_does_not_fit_the_base_is_named(tmp_path: Path, made: Product) -> None:
    require("mke2fs")
    settings = {"image__files": ["oem_settings"]}
    other = product(tmp_path / "q", product__name="router", **settings)
    text = "{% if device_name == 'Unit 2' %}{% for n in range(900) %}line {% endfor %}{% endif %}x\n"
    (tmp_path / "q" / "templates" / "connectd" / "oem_settings.j2").write_text(text)
    rows = sheet_rows(sheet(tmp_path / "s.csv", [cells(n) for n in range(5)]), other)
    built = run(other, rows, tmp_path / "out", form="ext4")
    assert built.unusual == 1 and "row 4, b827eb000002: does not fit the base" in built.notes[0]
    tree_images(tmp_path / "out", 5)


@pytest.fixture
def big(tmp_path: Path) -> Iterator[tuple[list[str], Path]]:
    """A call that runs for some seconds."""
    product(tmp_path / "p", product__name="router")
    path = sheet(tmp_path / "s.csv", [cells(n) for n in range(20_000)])
    argv = [sys.executable, "-m", "factory", "image", "build", "--sheet", str(path), "--json"]
    yield [*argv, "--product", str(tmp_path / "p" / "product.toml"), "--out", str(tmp_path / "out")], tmp_path / "out"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_and_run_again(big: tuple[list[str], Path], tmp_path: Path, how: signal.Signals) -> None:
    argv, out = big
    part = out / "s.pack.part"
    child = subprocess.Popen([*argv, "--pack", "--jobs", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 1_000_000) and time.monotonic() < deadline:
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(0.02)
    child.send_signal(how)
    child.communicate()
    assert part.exists() and not (out / "s.pack").exists()
    done = subprocess.run([*argv, "--pack", "--jobs", "2"], capture_output=True, check=True, text=True)
    document = json.loads(done.stdout)
    assert document["images"] == 20_000 and 0 < document["before"] < 20_000
    kind = load_product(tmp_path / "p" / "product.toml")
    with open_pack(out / "s.pack") as pack:
        assert len(pack) == 20_000
        for number in (0, 1, document["before"] - 1, document["before"], 19_999):
            image = pack.read(f"b827eb{number:06x}")
            assert image.contents["hardware_id.txt"] == f"b827eb{number:06x}\n".encode()
    assert kind.product.name == "router"
