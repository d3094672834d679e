#!/usr/bin/env python3
"""Draws docs/demo.svg, the picture of the demo in the README: `python tools/picture.py`."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factory.cli.screen import result_table
from factory.demo import run_demo

TARGET = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"


def main() -> None:
    """Run the demo and draw what it prints at its end."""
    console = Console(record=True, width=132, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        result = run_demo(Path(folder) / "demo", 6, started=lambda _: None, on_event=lambda _: None)
        console.print(result_table(result.summary.rows))
        if not result.surprises:
            console.print(f"all as expected, in {result.seconds:.1f} s", style="green")
    drawing = console.export_svg(title="factory demo")
    # A viewer's own fixed-width font will do; the picture fetches nothing.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawing, flags=re.DOTALL))


if __name__ == "__main__":
    main()
