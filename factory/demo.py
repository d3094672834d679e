"""The demo: a simulated bench, the line and the upload, as a new user sees them; and the check that what was
expected happened.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from factory.config import Bench, Product, load_bench, load_product
from factory.config.starter import write_product_folder
from factory.errors import Exit, NotStartedError, UsageError
from factory.files import make_folder, write_text
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import open_ledger
from factory.line import Line, Row, Summary, Timing, open_line
from factory.lots import Exported, export
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.plan import UnitPlan, demo_plans
from factory.values import Event

LOT = "DEMO"
SUMMARY = "summary.json"
# Made up for the rehearsal; a real one comes from the portal.
BULK_IDENTIFICATION_CODE = "0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
_TIMING = Timing(gone_after=2.0, probe_every=0.3, enter_after=1.0)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo left behind. `surprises` is empty when exactly what was expected happened."""

    out: Path
    summary: Summary
    exported: Exported
    surprises: tuple[str, ...]
    seconds: float


def run_demo(
    out: Path, units: int, *, started: Callable[[Line], None], on_event: Callable[[Event], None]
) -> DemoResult:
    """Work `units` simulated units through the whole line into the folder `out`, which must be new or empty.

    `started` is called once with the line before it runs, `on_event` with every event. Raises UsageError when the
    folder holds something already, NotStartedError when the demo was interrupted, FactoryError of the rooms.
    """
    began = time.monotonic()
    if out.exists() and any(out.iterdir()):
        raise UsageError(
            f"{out} is not empty: a demo never mixes with what is there",
            hint=f"Look at {out / SUMMARY}, then delete the folder or give another one with --out.",
            code="demo.not-empty",
        )
    make_folder(out)
    plans = demo_plans(units)
    with ExitStack() as stack:
        bench = stack.enter_context(SimulatedBench(out / "units", plans))
        product_file, bench_file = write_rehearsal(bench, out)
        product, station = load_product(product_file), load_bench(bench_file)
        summary, exported = _work(product, station, out, units, started, on_event)
    surprises = tuple(unexpected(slots_of(station, plans), summary.rows, exported.rows))
    result = DemoResult(out, summary, exported, surprises, time.monotonic() - began)
    write_text(out / SUMMARY, json.dumps(_document(result), indent=2) + "\n")
    return result


def write_rehearsal(bench: SimulatedBench, folder: Path) -> tuple[Path, Path]:
    """Write the product folder and the bench file that fit a simulated bench; return the paths of both files."""
    product = write_product_folder(
        folder / "product",
        bulk_identification_code=BULK_IDENTIFICATION_CODE,
        settings={
            "product.name": "rehearsal",
            "unit.simulated": True,
            "unit.connectd_dir": "etc/connectd",
            "unit.interfaces_dir": "sys/class/net",
            "unit.mounts_file": "proc/mounts",
            "unit.login.user": "root",
            "unit.login.password": f"file:{bench.password_file.resolve()}",
        },
    )
    (product.parent / "bench.toml").unlink()  # the sample; the one that fits these units lies beside the product
    path = folder / "bench.toml"
    bench.write_bench_toml(path)
    return product, path


def _work(
    product: Product,
    station: Bench,
    out: Path,
    units: int,
    started: Callable[[Line], None],
    on_event: Callable[[Event], None],
) -> tuple[Summary, Exported]:
    builder = open_builder(product.image, product.folder, product.product.name, product.registration)
    keys = KeySource.open(product.identity.key, product.folder)
    with open_ledger(
        station.station.ledger, station=station.station.name, operator="demo", folder=station.folder
    ) as ledger:
        line = open_line(
            product,
            station,
            LOT,
            ledger=ledger,
            builder=builder,
            keys=keys,
            operator="demo",
            images_out=out / "images",
            timing=_TIMING,
        )
        started(line)
        summary = line.run(units=units, on_event=on_event)
        if summary.interrupted:
            raise NotStartedError(
                f"the demo was interrupted; {out} holds what was done until then", exit_code=Exit.INTERRUPTED
            )
        return summary, export(ledger, product, LOT, out / "upload")


def slots_of(bench: Bench, plans: Sequence[UnitPlan]) -> dict[str, UnitPlan]:
    """Which planned unit lies in which slot: the bench file lists the slots in the order of the plans."""
    return dict(zip((slot.name for slot in bench.slot), plans, strict=True))


def unexpected(plans: Mapping[str, UnitPlan], rows: Sequence[Row], exported: int) -> list[str]:
    """Compare what happened with what the plans call for: one line per surprise.

    Of units that share their MACs exactly one passes and the others are refused; an all-zero MAC is refused;
    every other unit passes; the upload has one row per passed unit.
    """
    outcome = {row.slot: row.outcome for row in rows}
    surprises = [f"{slot}: no attempt was finished" for slot in plans if slot not in outcome]
    groups: dict[tuple[str, ...], list[str]] = {}
    for slot, plan in plans.items():
        groups.setdefault(tuple(sorted(plan.macs.values())), []).append(slot)
    for macs, names in groups.items():
        passed = [name for name in names if outcome.get(name) == "passed"]
        refused = [name for name in names if outcome.get(name) == "refused"]
        wanted = 0 if any(set(mac) <= set("0:") for mac in macs) else 1
        if len(passed) != wanted or len(refused) != len(names) - wanted:
            what = ", ".join(f"{name} {outcome.get(name, 'missing')}" for name in names)
            surprises.append(f"expected {wanted} passed and {len(names) - wanted} refused: {what}")
    total = sum(1 for row in rows if row.outcome == "passed")
    if exported != total:
        surprises.append(f"{total} units passed, but the upload has {exported} rows")
    return surprises


def _document(result: DemoResult) -> dict[str, object]:
    return {
        **result.summary.as_json(),
        "schema": "factory.demo/1",
        "expected": not result.surprises,
        "surprises": list(result.surprises),
        "upload": [path.name for path in result.exported.files],
        "workbook": result.exported.workbook.name,
        "seconds": round(result.seconds, 3),
    }
