"""A factory floor that outlives the station's process: a product, a bench, units in folders, and what the line left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.config import Slot, load_bench, load_product
from factory.config.starter import BULK, write_product_folder
from factory.files import PRIVATE, write_text
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import Ledger, open_ledger
from factory.line import Summary, Timing, open_line
from factory.rehearsal.plan import UnitPlan
from tests.kills.folder_unit import Route, Step, Unit

LOT = "L1"
CODE = "0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
FAST = Timing(gone_after=0.8, probe_every=0.3, answer_within=0.3, tick=0.01, retry_pause=0.05, enter_after=0.5)


def plan(number: int) -> UnitPlan:
    """The floor's unit of a number: two MACs and a serial of its own."""
    high, low = divmod(number, 256)
    return UnitPlan(
        name=f"u{number}",
        macs={"eth0": f"b8:27:eb:{high:02x}:{low:02x}:00", "wlan0": f"b8:27:eb:{high:02x}:{low:02x}:01"},
        serial=f"SN{number:06d}",
        routes=frozenset({"ssh"}),
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """Everything below `folder`; `slots` of them, each with the unit whose number stands in `units`."""

    folder: Path
    units: tuple[int, ...]
    ledger_url: str = "sqlite:///ledger.db"

    @property
    def product_file(self) -> Path:
        return self.folder / "product" / "product.toml"

    @property
    def bench_file(self) -> Path:
        return self.folder / "bench.toml"

    @property
    def out(self) -> Path:
        return self.folder / "upload"

    def build(self, settings: dict[str, Any] | None = None) -> Floor:
        """Write everything and build the units."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "password", "none\n", mode=PRIVATE)
        write_product_folder(
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
                "prove.first_article": False,
                **(settings or {}),
            },
        )
        lines = ["[station]", 'name = "S1"', f'ledger = "{self.ledger_url}"']
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
        return Unit.build(self.place(unit), plan(unit))

    def unit(self, number: int) -> Unit:
        """A unit of the floor, as it is now."""
        return Unit(self.place(number), plan(number))

    def open(self, station: str = "S1") -> Ledger:
        """The ledger, opened anew."""
        return open_ledger(self.ledger_url, station=station, operator="Kim", folder=self.folder)

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
            line = open_line(product, bench, LOT, ledger=ledger, builder=builder, keys=keys, routes_of=routes, **given)
            return line.run(units=len(self.units), on_event=lambda event: None)


Work = Callable[[Floor, Step], object]
Units = Sequence[int]
