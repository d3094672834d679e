"""A factory floor that outlives the station's process: a product, a bench, units in folders, and what the line left."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.config import Slot, load_bench, load_product
from factory.config.starter import BULK, write_product_folder
from factory.config.toml_text import Setting
from factory.files import PRIVATE, write_text
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import Ledger, open_ledger
from factory.ledger.pool_records import PlacedRun, PoolFile
from factory.line import Line, Summary, Timing, open_line
from factory.rehearsal.plan import ZERO, UnitPlan
from factory.values.label import LETTERS
from factory.values.pools import Numbered, PoolKind, Run
from tests.kills.folder_unit import Route, Step, Unit

LOT = "L1"
CODE = "0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
FAST = Timing(gone_after=0.8, probe_every=0.3, answer_within=0.3, tick=0.01, retry_pause=0.05, enter_after=0.5)


POOL = """
[[pool]]
name = "lan"
count = 2
align = 2
interfaces = { eth0 = 0, wlan0 = 1 }
low_water = 0
lease = 2

[pool.write]
command = "fw_setenv ethaddr {{ mac.eth0 }} && fw_setenv eth1addr {{ mac.wlan0 }}"
"""
FIRST = 0xB827EB100000
CELLS = 64
_PRINTED = re.compile(rf"\^FDMA,([{LETTERS}]{{24}})\^FS")


def plan(number: int, *, bare: bool = False) -> UnitPlan:
    """The floor's unit of a number: two MACs and a serial of its own; a `bare` one has no MAC yet."""
    high, low = divmod(number, 256)
    if bare:
        return UnitPlan(f"u{number}", {"eth0": ZERO, "wlan0": ZERO}, f"SN{number:06d}", environment=True)
    return UnitPlan(
        name=f"u{number}",
        macs={"eth0": f"b8:27:eb:{high:02x}:{low:02x}:00", "wlan0": f"b8:27:eb:{high:02x}:{low:02x}:01"},
        serial=f"SN{number:06d}",
        routes=frozenset({"ssh"}),
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """Everything below `folder`; a slot for each of `units`, which are numbers. On a `full` one units come without
    addresses, which a pool gives them, and get a label that is scanned back; the first unit is worked alone.
    """

    folder: Path
    units: tuple[int, ...]
    ledger_url: str = "sqlite:///ledger.db"
    full: bool = False

    @property
    def product_file(self) -> Path:
        return self.folder / "product" / "product.toml"

    @property
    def bench_file(self) -> Path:
        return self.folder / "bench.toml"

    @property
    def out(self) -> Path:
        return self.folder / "upload"

    def build(self) -> Floor:
        """Write everything and build the units."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "password", "none\n", mode=PRIVATE)
        labels: dict[str, Setting] = {}
        if self.full:
            labels = {"label.template": "templates/label/unit.zpl", "label.scan": True}
        product = write_product_folder(
            self.folder / "product",
            BULK,
            bulk_identification_code=CODE,
            settings={
                "unit.simulated": True,
                "unit.connectd_dir": "etc/connectd",
                "unit.interfaces_dir": "sys/class/net",
                "unit.mounts_file": "proc/mounts",
                "unit.login.user": "root",
                "unit.login.password": f"file:{self.folder / 'password'}",
                "prove.first_article": self.full,
                **labels,
            },
        )
        if self.full:
            product.write_text(product.read_text() + POOL)
        lines = ["[station]", 'name = "S1"', f'ledger = "{self.ledger_url}"', 'printer = "file:labels"']
        for number in range(1, len(self.units) + 1):
            lines += ["[[slot]]", f'name = "slot-{number}"', f'ssh = {{ host = "127.0.0.1", port = {number} }}']
            lines += ['host_key = "per-unit"']
        self.bench_file.write_text("\n".join(lines) + "\n")
        for unit in self.units:
            self.deliver(unit)
        return self

    def place(self, unit: int) -> Path:
        """A unit's own folder."""
        return self.folder / "units" / str(unit)

    def deliver(self, unit: int) -> Unit:
        """A new unit comes to the floor."""
        return Unit.build(self.place(unit), plan(unit, bare=self.full))

    def unit(self, number: int) -> Unit:
        """A unit of the floor, as it is now."""
        return Unit(self.place(number), plan(number, bare=self.full))

    def open(self, station: str = "S1") -> Ledger:
        """The ledger, opened anew."""
        return open_ledger(self.ledger_url, station=station, operator="Kim", folder=self.folder)

    def new_ledger(self) -> None:
        """Make the ledger; on a full floor the pool's addresses are in it."""
        with self.open() as ledger:
            if self.full:
                product = load_product(self.product_file)
                run = Run.counted(Numbered(PoolKind.MAC, "", 12, FIRST), 2 * CELLS)
                spec = product.pool[0].spec(product.product.name)
                ledger.import_pool(spec, PoolFile("reel.csv", "e" * 64), [PlacedRun(run, "line 1")])

    def run(self, step: Step, **changes: Any) -> Summary:
        """One run of the line: an attempt at each unit that lies in a slot."""
        product, bench = load_product(self.product_file), load_bench(self.bench_file)
        keys = KeySource.open(product.identity.key, product.folder)
        builder = open_builder(product.image, product.folder, product.product.name, product.registration)

        def routes(slot: Slot) -> tuple[Route, ...]:
            number = self.units[[one.name for one in bench.slot].index(slot.name)]
            return (Route(f"folder:{number}", self.unit(number), step),)

        given: dict[str, Any] = {"timing": FAST, "images_out": self.folder / "images", "operator": "Kim", **changes}
        with self.open() as ledger:
            line = open_line(
                product,
                bench,
                LOT,
                ledger=ledger,
                builder=builder,
                keys=keys,
                routes_of=routes,
                scans=self.full,
                **given,
            )
            with self._scanner(line):
                return line.run(units=len(self.units), on_event=lambda event: None)

    @contextmanager
    def _scanner(self, line: Line) -> Iterator[None]:
        """Somebody who sticks every label onto its unit and scans it, as soon as it comes out."""
        folder, ended = self.folder / "labels", threading.Event()
        old = set(folder.glob("*.zpl"))

        def scan() -> None:
            while not ended.wait(0.01):
                for path in set(folder.glob("*.zpl")) - old:
                    old.add(path)
                    found = _PRINTED.search(path.read_text())
                    assert found is not None, path
                    line.scan(found[1])

        thread = threading.Thread(target=scan)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
