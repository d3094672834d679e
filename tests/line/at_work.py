"""A line in a process of its own, as `factory run` is one: `python -m tests.line.at_work FOLDER`.

Prints every event as a JSON line and ends with the summary's exit code. The first SIGINT cancels, the second exits.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from factory.config import load_bench, load_product
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import open_ledger
from factory.line import open_line
from factory.values import Event
from tests.line.floor import FAST, LOT


def show(event: Event) -> None:
    print(json.dumps(event.as_json()), flush=True)


def main(folder: Path) -> int:
    product = load_product(folder / "product" / "product.toml")
    bench = load_bench(folder / "bench.toml")
    keys = KeySource.open(product.identity.key, product.folder)
    builder = open_builder(product.image, product.folder, product.product.name)
    with open_ledger("sqlite:///ledger.db", station="S1", folder=folder) as ledger:
        line = open_line(product, bench, LOT, ledger=ledger, builder=builder, keys=keys, timing=FAST, scans=True)
        calls: list[int] = []

        def interrupt(number: int, frame: object) -> None:
            calls.append(number)
            if len(calls) > 1:
                os._exit(130)
            line.cancel()

        signal.signal(signal.SIGINT, interrupt)
        summary = line.run(on_event=show)
        print(json.dumps(summary.as_json()), flush=True)
        return int(summary.exit_code)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
