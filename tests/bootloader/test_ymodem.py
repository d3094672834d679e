from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from factory.bootloader import BootloaderError, load, ymodem
from factory.config import SerialSection
from factory.flashing.uboot.line import ConsoleLine
from factory.rehearsal.uboot.port import Uart
from factory.rehearsal.uboot.receive import Receiver
from factory.units import Cancelled, Deadline, DeadlineExpired, NullTranscript
from factory.units.console import Console
from tests.bootloader.boards import Kept, board, stopped
from tests.programs import require


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Wire:
    """A line with a board's UART at its far end."""

    def __init__(self, folder: Path) -> None:
        self.uart = Uart(folder / "serial", None)
        self._console = Console.open(SerialSection(port=str(folder / "serial")))
        self.line = ConsoleLine(self._console, NullTranscript())
        self.folder = folder

    def with_rb(self, data: bytes) -> tuple[ymodem.Transfer, bytes, int]:
        """Send to lrzsz; what it has got."""
        tty = os.open(self.uart.path, os.O_RDWR | os.O_NOCTTY)
        argv = [require("rb"), "--quiet", "--overwrite", "--timeout", "20"]
        process = subprocess.Popen(argv, stdin=tty, stdout=tty, stderr=subprocess.DEVNULL, cwd=self.folder)
        os.close(tty)
        try:
            sent = ymodem.send(self.line, data, name="image.bin", limit=Deadline(100))
            status = process.wait(90)
        finally:
            process.kill()
            process.wait()
        return sent, (self.folder / "image.bin").read_bytes(), status

    def close(self) -> None:
        self._console.close()
        self.uart.close()


@pytest.fixture()
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("size", [1, 30_000])
def test_lrzsz_gets_every_size(wire: Wire, size: int) -> None:
    sent, got, status = wire.with_rb(content(size))
    assert (got, status, sent.size) == (content(size), 0, size)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 5000), st.integers(0, 255))
def test_lrzsz_gets_any_content(wire: Wire, size: int, byte: int) -> None:
    data = bytes([byte]) * size
    assert wire.with_rb(data)[1] == data


@pytest.mark.parametrize("at", [2600])
@pytest.mark.parametrize("how", ["drop", "change"])
def test_lrzsz_gets_it_whole_although_a_byte_is_damaged(wire: Wire, at: int, how: str) -> None:
    getattr(wire.uart.flaws, how)(0.0, at)
    sent, got, status = wire.with_rb(content(5000))
    assert (got, status) == (content(5000), 0)
    assert sent.retries >= 1


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(128, 150)
@example(1025, 1200)
@given(st.integers(1, 4000), st.integers(0, 4000))
def test_another_receiver_gets_it_although_a_byte_changes(wire: Wire, size: int, at: int) -> None:
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(Receiver(wire.uart).file()), daemon=True)
    wire.uart.flaws.change(0.0, at)
    thread.start()
    ymodem.send(wire.line, content(size), name="x", limit=Deadline(100))
    thread.join(30)
    wire.uart.flaws.mend()
    assert got == [content(size)]


def test_a_receiver_that_gives_up_ends_it(wire: Wire) -> None:
    wire.uart.write(b"C")
    answer = threading.Timer(0.3, lambda: wire.uart.write(b"\x18\x18\x18"))
    answer.start()
    with pytest.raises(BootloaderError, match="gave up"):
        ymodem.send(wire.line, b"x", name="x", limit=Deadline(30))
    answer.join()


def test_a_receiver_that_refuses_everything_ends_it(wire: Wire) -> None:
    ended = threading.Event()

    def refuse() -> None:
        wire.uart.write(b"C")
        while not ended.is_set():
            if wire.uart.read(0.1):
                wire.uart.write(b"\x15")

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(BootloaderError, match="10 times"):
        ymodem.send(wire.line, b"x", name="x", limit=Deadline(100))
    ended.set()
    thread.join()


def test_nothing_is_typed_at_the_prompt_of_a_receiver_that_left(wire: Wire) -> None:
    got = bytearray()
    ended = threading.Event()

    def leave() -> None:
        wire.uart.write(b"C")
        while not ended.is_set():
            data = wire.uart.read(0.1)
            got.extend(data)
            if b"image.bin" in data or data[:1] == b"\x01":
                wire.uart.write(b"\x06C")
            elif data and not ended.is_set():
                wire.uart.write(b"\r\nU-Boot 2024.01\r\n=> ")

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(BootloaderError, match="talks instead"):
        ymodem.send(wire.line, b"\rerase all\r" * 500, name="image.bin", limit=Deadline(100))
    ended.set()
    thread.join()
    assert got.count(b"\x02") == 1


def test_silence_and_cancel_end_it_and_the_receiver_is_told(wire: Wire) -> None:
    with pytest.raises(DeadlineExpired):
        ymodem.send(wire.line, b"x", name="x", limit=Deadline(0.5))
    off = Deadline(30)
    wire.uart.write(b"C")
    threading.Timer(0.3, off.cancel.set).start()
    with pytest.raises(Cancelled):
        ymodem.send(wire.line, b"x", name="x", limit=off)


@pytest.mark.parametrize("lrzsz", [False, True])
def test_loady_and_its_checksum_and_no_payload_in_the_transcript(tmp_path: Path, lrzsz: bool) -> None:
    if lrzsz:
        require("rb")
    kept, seen, data = Kept(), list[int](), b"KEY=SECRET;" * 900
    with board(tmp_path, lrzsz=lrzsz) as unit, stopped(unit, transcript=kept) as loader:
        sent = load(loader, data, 0x8200_0000, limit=Deadline(100), progress=seen.append)
        assert unit.machine.ram[0x200_0000 : 0x200_0000 + len(data)] == data
        assert loader.run("echo still here", limit=Deadline(10)).text == "still here\n"
    assert (sent.size, seen[-1]) == (len(data), len(data))
    assert b"SECRET" not in kept.content
    assert any("bytes by YMODEM" in note for note in kept.notes)
