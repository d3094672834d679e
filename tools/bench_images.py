"""How fast images are made: from a sheet into a container, ext4 by patching, and rendering.

`images`: goals of the speed reference, 'Rendering' and 'Packing'. `python -m tools.bench_images` also prints what one
process and two make per second, and what a longer batch needs of memory.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from factory.config import Product, load_product
from factory.config.starter import write_product_folder
from factory.identity import KeySource
from factory.identity.sandbox import sandbox
from factory.images import Builder, Image, open_builder
from factory.images.ext4 import Base, make_base
from factory.images.store import write_packed
from factory.lots.build import build
from factory.lots.build_rows import sheet_rows
from factory.lots.build_work import Task
from factory.sheets import REMOTEIT_BULK
from factory.values import Identity
from tools.measure import Ratio, compare

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
SIX = {
    "bulk_identification_code.txt": "{{ bulk_identification_code }}\n",
    "hardware_id.txt": "{{ hardware_id }}\n",
    "registration_key.txt": "{{ registration_key }}\n",
    "oem_settings": "#!/bin/sh\nNAME='{{ device_name }}'\nPRODUCT={{ product }}\n",
    "schannel.conf": "Task_Notify_Script /usr/bin/connectd_task_notify\n# {{ device_name }}\n",
    "label.txt": "{{ device_name }} {{ categories.A }} {% if categories.B %}{{ categories.B }}{% endif %}\n",
}


def product(folder: Path, form: str = "tar.gz") -> Product:
    """A product with six templates."""
    path = write_product_folder(folder, bulk_identification_code=CODE, settings={"image.format": form})
    home = folder / "templates" / "connectd"
    text = (home / "template.toml").read_text().replace("optional = true\n", "")
    (home / "template.toml").write_text(text + '\n[[file]]\npath = "label.txt"\nmode = "0644"\n')
    for name, source in SIX.items():
        (home / f"{name}.j2").write_text(source)
    return load_product(path)


def write_sheet(path: Path, rows: int) -> Path:
    """A sheet without keys."""
    with path.open("w", encoding="ascii", newline="") as stream:
        stream.write(REMOTEIT_BULK.header)
        for n in range(rows):
            stream.write(f"\n,001b77{n:06x},Device {n:06d},red,blue,,,,,,,,")
    return path


def opened(kind: Product) -> Builder:
    """Its builder."""
    return open_builder(kind.image, kind.folder, kind.product.name, kind.registration)


def task_and_identities(folder: Path, kind: Product, count: int) -> tuple[Task, list[Identity]]:
    """A worker's task and the identities of the first rows of a sheet."""
    keys = KeySource.open(kind.identity.key, kind.folder)
    rows = sheet_rows(write_sheet(folder / "s.csv", count), kind)
    task = Task.of(kind, opened(kind), keys, None)
    return task, [task.identity(row) for row in rows]


def ratios() -> Iterator[Ratio]:
    """At most 1.0 means at least as many times faster as the counts differ."""
    with tempfile.TemporaryDirectory(dir=_fast()) as name:
        folder = Path(name)
        kind = product(folder / "p")
        task, identities = task_and_identities(folder, kind, 2000)
        rows = list(sheet_rows(folder / "s.csv", kind))
        image = task.builder.build(identities[0])
        yield compare(
            "2000 rows to records of tar.gz : 50 trees and `tar`",
            lambda: task.make(rows),
            lambda: _tars(folder, image, 50),
            at_most=1.0,
        )
        builder = opened(product(folder / "e", "ext4"))
        usual = builder.build(identities[0])
        yield compare(
            "400 ext4 images of 4 MiB to files : 20 trees and `mke2fs -d`",
            lambda: _patched(folder, builder, identities[:400]),
            lambda: _made(folder, usual, 20),
            at_most=1.0,
        )
        base = make_base("router", 4 * 1024 * 1024, usual.manifest.files, (1,) * len(usual.contents))
        contents = [builder.render(one) for one in identities[:400]]
        yield compare(
            "400 ext4: contents patched, hashed, to files : 20 as before",
            lambda: _written(folder, base, contents),
            lambda: _made(folder, usual, 20),
            at_most=1.0,
        )
        yield compare(
            "render six templates : one joined template",
            lambda: [task.builder.render(one) for one in identities],
            _joined(identities),
            at_most=3.0,
        )


def _fast() -> str | None:
    """A folder in memory, where there is one: the disk is not what is measured."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _tree(folder: Path, image: Image) -> None:
    folder.mkdir()
    for entry in image.manifest.files:
        if entry.is_folder:
            (folder / entry.path).mkdir(mode=entry.mode)
        else:
            (folder / entry.path).write_bytes(image.contents[entry.path])
            (folder / entry.path).chmod(entry.mode)


def _tars(folder: Path, image: Image, count: int) -> None:
    for number in range(count):
        tree = folder / f"tree{number}"
        _tree(tree, image)
        subprocess.run(["tar", "czf", folder / "one.tar.gz", "-C", tree, "."], check=True)
        shutil.rmtree(tree)


def _made(folder: Path, image: Image, count: int) -> None:
    tree, target = folder / "tree", folder / "one.ext4"
    argv = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-O", "^has_journal", "-d", str(tree)]
    for _ in range(count):
        target.unlink(missing_ok=True)
        _tree(tree, image)
        subprocess.run([*argv, str(target), "4M"], check=True, capture_output=True)
        shutil.rmtree(tree)


def _patched(folder: Path, builder: Builder, identities: list[Identity]) -> None:
    for number, identity in enumerate(identities):
        write_packed(builder.build(identity), folder / f"{number % 50}.ext4", durable=False)


def _written(folder: Path, base: Base, contents: list[dict[str, bytes]]) -> None:
    for number, one in enumerate(contents):
        sparse = base.patched(one)
        assert sparse.payload
        with (folder / f"{number % 50}.ext4").open("wb", buffering=0) as stream:
            sparse.write(stream)


def _joined(identities: list[Identity]) -> Callable[[], object]:
    template = sandbox().from_string("\0".join(SIX.values()))
    names = [
        {
            "hardware_id": one.hardware_id.text,
            "registration_key": "" if one.registration_key is None else one.registration_key.text,
            "bulk_identification_code": CODE,
            "device_name": one.device_name.text,
            "categories": {letter: value.text for letter, value in one.categories.items()},
            "product": "router",
        }
        for one in identities
    ]
    return lambda: [template.render(one).split("\0") for one in names]


def batch(rows: int, jobs: int) -> str:
    """One whole batch into a container: images per second, and the memory of this process at its peak."""
    with tempfile.TemporaryDirectory(dir=_fast()) as name:
        folder = Path(name)
        kind = product(folder / "p")
        keys = KeySource.open(kind.identity.key, kind.folder)
        began = time.perf_counter()
        units = sheet_rows(write_sheet(folder / "s.csv", rows), kind)
        checked = time.perf_counter()
        before = _fresh_peak()
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(abs, range(jobs)))
            started = time.perf_counter()
            built = build(units, kind, opened(kind), keys, folder / "o", pack=True, executor=pool, jobs=jobs)
        took = time.perf_counter() - started
        grown = (_peak() - before) / 1e6
        return (
            f"{built.images} images, {jobs} processes: {built.images / took:.0f}/s; the sheet written and checked in "
            f"{checked - began:.1f} s; this process grew by {grown:.0f} MB while building"
        )


def _fresh_peak() -> int:
    """Forget this process's peak of memory, and return what it uses now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    text = Path("/proc/self/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


if __name__ == "__main__":
    for each in ratios():
        print(each.line(), flush=True)
    for wanted, processes in ((20_000, 1), (20_000, 2), (100_000, 2), *((int(one), 2) for one in sys.argv[1:])):
        print(batch(wanted, processes), flush=True)
