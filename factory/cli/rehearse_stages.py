"""`factory rehearse bench --stages`: the same units at three stations, one after the other, on one ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from factory.files import write_text

if TYPE_CHECKING:
    from factory.rehearsal.bench import SimulatedBench

SIGNAL = "etc/signal"
"""What the rehearsed test measures: a file on the unit that a person can change."""

_STAGES = f"""
[[stage]]
name = "flash"
kind = "flash"

[[stage]]
name = "test"
kind = "check"
checks = [
    {{ name = "identity", command = "cat etc/connectd/hardware_id.txt", expect = "^{{hardware_id}}" }},
    {{ name = "signal", command = "cat {SIGNAL}", min = -70, max = -20 }},
]

[[stage]]
name = "pack"
kind = "check"
"""


def add_stages(product: Path, bench_file: Path, simulated: SimulatedBench, *, labels: bool) -> tuple[Path, ...]:
    """Give the product stages, the units a signal, and each stage beyond the flash a bench file; returns these."""
    text = _STAGES + ("scan = true\n" if labels else "")
    write_text(product, product.read_text(encoding="utf-8") + text)
    for unit in simulated.units:
        write_text(unit.root / SIGNAL, "-52\n")
    return tuple(_bench(bench_file, stage) for stage in ("test", "pack"))


def _bench(bench_file: Path, stage: str) -> Path:
    """The same slots as another station: its own name, stage, and folders."""
    lines = bench_file.read_text(encoding="utf-8").splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("name = "))
    own = {"name": f"rehearsal-{stage}", "stage": stage}
    own |= {folder: f"{folder}-{stage}" for folder in ("transcripts", "checkpoints")}
    lines[place : place + 1] = [f"{key} = {json.dumps(value)}" for key, value in own.items()]
    path = bench_file.with_name(f"bench-{stage}.toml")
    write_text(path, "\n".join(lines) + "\n")
    return path


def commands(product: Path, benches: Sequence[Path], scans: str, units: int) -> tuple[str, ...]:
    """What to type at the stations beyond the flash. `scans` is what the flash's command has for its labels."""
    option = scans.partition("      ")[0]
    scanning = {benches[-1]: option}
    file = option.split()[-1] if option else ""
    scan = f"  tail -n {units} {file} | tee -a {file}      (scans the labels again, while the slots say SCAN)"
    return (
        *(
            f"  factory run --product {product} --bench {bench} --lot PRACTICE{scanning.get(bench, '')}"
            for bench in benches
        ),
        *([scan] if option else []),
        f"  factory ledger show --bench {benches[0]}",
    )
