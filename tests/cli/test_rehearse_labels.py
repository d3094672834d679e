"""The labels of a rehearsal, as a user tries them: two commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from factory.rehearsal.printer import PrinterFault, SimulatedPrinter
from tests.cli.test_station import FACTORY, factory
from tests.line.floor import eventually

LABEL = b"^XA^FO1,1^BQN,2,5^FH^FDMA,%s^FS^XZ"


def send(printer: SimulatedPrinter, label: bytes) -> bool:
    """True when the printer took all of it."""
    host, _, port = printer.address.removeprefix("tcp://").partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(label)
            wire.shutdown(socket.SHUT_WR)
            return wire.recv(1) == b""
    except OSError:
        return False


def test_a_printer_keeps_and_scans(tmp_path: Path) -> None:
    scans, told = tmp_path / "scans", []
    with SimulatedPrinter(
        tmp_path / "labels", scans=scans, printed=lambda path, code: told.append((path.name, code))
    ) as one:
        assert send(one, LABEL % b"A_5EB") and send(one, b"^XA^FDno code^FS^XZ")
        eventually(lambda: len(told) == 2)
    assert told == [("label-0001.zpl", "A^B"), ("label-0002.zpl", "")]
    assert scans.read_text() == "A^B\n"
    assert (tmp_path / "labels/label-0001.zpl").read_bytes() == LABEL % b"A_5EB"


def test_its_faults(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path / "a", fault=PrinterFault.CLOSES) as one:
        assert not send(one, LABEL % b"A")
        assert send(one, LABEL % b"A")
    scans = tmp_path / "scans"
    with SimulatedPrinter(tmp_path / "b", scans=scans, fault=PrinterFault.MIX_UP) as one:
        assert send(one, LABEL % b"A") and send(one, LABEL % b"B")
        eventually(lambda: scans.read_text().count("\n") == 3, 20.0)
    assert scans.read_text() == "A\nA\nB\n"


def test_a_bench_with_labels_by_its_commands_alone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*FACTORY, "rehearse", "bench", "--units", "1", "--labels", "--out", "practice"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, f"it ended: {said}"
            said.append(line)
        assert "--scans practice/scans.txt" in said[-1]
        paths = ("--product", "practice/product/product.toml", "--bench", "practice/bench.toml")
        refused = factory("run", *paths, "--lot", "P1", folder=tmp_path)
        assert refused.returncode == 2 and "--scans FILE" in refused.stderr
        ran = factory(
            *("run", *paths, "--lot", "P1", "--units", "1", "--scans", "practice/scans.txt", "--json-lines"),
            folder=tmp_path,
        )
        assert ran.returncode == 0, ran.stderr
        kinds = [json.loads(text).get("kind", "") for text in ran.stdout.splitlines()]
        assert [kind for kind in kinds if kind.startswith("label.")] == [
            "label.intent", "label.printed", "label.verified",
        ]  # fmt: skip
        assert process.stdout.readline().startswith("printed practice/labels/label-0001.zpl: ")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
