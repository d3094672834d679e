"""`factory rehearse clouds` for a Xyte product: its model, its key in a file, no secret said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path


def test_the_command_with_a_product_for_xyte(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    shutil.copytree(root / "samples" / "xyte", tmp_path / "acme")
    command = [sys.executable, "-m", "factory", "rehearse", "clouds", "--json", "--product", "acme/product.toml"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        xyte = document["xyte"]
        assert len(xyte["models"]) == 2
        keys = [Path(xyte[name]).read_text().strip() for name in ("hardware_key", "partner_key")]
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert all(len(key) >= 36 and key not in json.dumps(document) + out + err for key in keys)
