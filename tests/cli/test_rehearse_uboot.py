"""Units at their boot loader by commands alone: a bench in one process, everything else against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.cli.test_station import FACTORY, factory
from tests.programs import require


def test_a_bench_of_boot_loaders_is_read_and_flashed_by_the_commands_it_prints(tmp_path: Path) -> None:
    require("mksquashfs")
    out = tmp_path / "practice"
    process = subprocess.Popen(
        [*FACTORY, "rehearse", "bench", "--uboot", "2", "--out", str(out), "--baud", "921600"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said: list[str] = []
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, f"it ended: {said}"
            said.append(line.strip())
        env = next(line for line in said if line.startswith("factory uboot env")).split()[1:]
        found = factory(*env, "--json", folder=tmp_path)
        assert found.returncode == 0, found.stderr
        variables = json.loads(found.stdout)["environment"]
        image, call = next((line.split()[2], line.split()[1:]) for line in said if "slot-01 --off-ledger" in line)
        assert variables["ethaddr"].replace(":", "") in Path(image).name and variables["serial#"]

        done = factory(*call, "--json", folder=tmp_path)
        assert done.returncode == 0, done.stderr + done.stdout
        receipt = json.loads(done.stdout)["receipt"]
        assert receipt["written"] == receipt["found"]
        other = next(line.split()[1:] for line in said if "slot-02 --off-ledger" in line)
        wrong = factory(*call[:-4], "--slot", "slot-02", *other[-2:], "--json", folder=tmp_path)
        assert wrong.returncode == 1 and json.loads(wrong.stdout)["error"]["code"] == "flash.uboot.other-unit"

        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert not (out / "units").exists()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
