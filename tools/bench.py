#!/usr/bin/env python3
"""How fast it is, as ratios in one run: `python tools/bench.py [SECTION ...]`; without a section, all of them.

Nothing here is a test: machines are noisy. The last run that was looked at stands in docs/speed.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import (
    bench_card,
    bench_clouds,
    bench_flash,
    bench_images,
    bench_ledger,
    bench_line,
    bench_scale,
    bench_sheets,
    bench_start,
)
from tools.measure import Ratio

SECTIONS: dict[str, Callable[[], Iterator[Ratio]]] = {
    "start": bench_start.ratios,
    "ssh": bench_line.ssh_ratios,
    "serial": bench_line.serial_ratios,
    "slots": bench_line.slot_ratios,
    "sheets": bench_sheets.ratios,
    "images": bench_images.ratios,
    "flash": bench_flash.ratios,
    "card": bench_card.ratios,
    "ledger": bench_ledger.ratios,
    "scale": bench_scale.ratios,
    "scale-server": bench_scale.server_ratios,
    "firstboot": bench_clouds.ratios,
}


def main(names: list[str]) -> int:
    """Run the named sections, a line per ratio. Returns 2 for an unknown name, else 0: a miss is no failure."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"unknown section {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}; ours, the other, ours/other", flush=True)
    for name in names or SECTIONS:
        for ratio in SECTIONS[name]():
            print(ratio.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
