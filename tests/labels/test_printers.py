"""Printers: a real socket that takes the label, refuses, hangs or closes half way; a folder that cannot be written."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from factory.config import load_bench
from factory.files import FileError
from factory.labels import Label, PrinterError, open_printer
from factory.labels.bench_check import printer_findings

SMALL = Label(b"^XA^FO1,1^FDa^FS^XZ")
LARGE = Label(b"^XA^FX" + b"x" * 20_000_000 + b"^XZ")
Handler = Callable[[socket.socket], None]


@contextmanager
def printer(handle: Handler) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            wire, _ = server.accept()
            with wire:
                handle(wire)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


def send(port: int, label: Label = SMALL, *, within: float = 20.0) -> None:
    open_printer(f"tcp://127.0.0.1:{port}", Path(), within=within).print(label, "name")


def fault(port: int, label: Label = SMALL, *, within: float = 20.0) -> PrinterError:
    with pytest.raises(PrinterError) as caught:
        send(port, label, within=within)
    assert "127.0.0.1 port" in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_printer_gets_every_byte() -> None:
    got = bytearray()

    def take(wire: socket.socket) -> None:
        while data := wire.recv(65536):
            got.extend(data)

    for label in (SMALL, Label(LARGE.zpl[:300_000])):
        got.clear()
        with printer(take) as port:
            send(port, label)
        assert bytes(got) == label.zpl


def test_nobody_is_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = fault(taken.getsockname()[1])
    assert (error.code, error.sent) == ("label.printer-away", False)
    assert "refused" in error.message
    with pytest.raises(PrinterError, match="nothing was sent"):
        open_printer("tcp://no-such-host.invalid:9100", Path()).print(SMALL, "name")


def test_a_printer_that_takes_it_and_says_nothing() -> None:
    done = threading.Event()
    with printer(lambda wire: (wire.recv(65536), done.wait(20), None)[-1]) as port:
        error = fault(port, within=0.5)
        done.set()
    assert (error.code, error.sent) == ("label.printer-silent", True)
    assert "nobody knows whether it printed" in error.message


def test_a_printer_that_stops_taking() -> None:
    done = threading.Event()
    with printer(lambda wire: (done.wait(20), None)[-1]) as port:
        error = fault(port, LARGE, within=0.7)
        done.set()
    assert error.code == "label.printer-silent"
    assert f"of {len(LARGE.zpl)} bytes" in error.message


def test_a_printer_that_keeps_connections_open() -> None:
    """Then what its network part has acknowledged is all that can be known."""
    done = threading.Event()
    got = bytearray()

    def keep(wire: socket.socket) -> None:
        while len(got) < len(SMALL.zpl):
            got.extend(wire.recv(65536))
        done.wait(20)

    with printer(keep) as port:
        address = f"tcp://127.0.0.1:{port}?keeps-open"
        place = open_printer(address, Path(), within=20)
        assert place.place == address
        place.print(SMALL, "name")
        done.set()
    assert bytes(got) == SMALL.zpl
    stuck = threading.Event()
    with printer(lambda wire: (stuck.wait(20), None)[-1]) as port:
        with pytest.raises(PrinterError, match="did not answer") as caught:
            open_printer(f"tcp://127.0.0.1:{port}?keeps-open", Path(), within=0.7).print(LARGE, "name")
        stuck.set()
    assert caught.value.code == "label.printer-silent"
    with printer(reset) as port, pytest.raises(PrinterError) as caught:
        open_printer(f"tcp://127.0.0.1:{port}?keeps-open", Path(), within=20).print(LARGE, "name")
    assert caught.value.code == "label.printer-closed"


def reset(wire: socket.socket) -> None:
    wire.recv(1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("label", [SMALL, LARGE])
def test_a_printer_that_closes_half_way(label: Label) -> None:
    with printer(reset) as port:
        error = fault(port, label)
    assert (error.code, error.sent) == ("label.printer-closed", True)


def test_a_folder_gets_three_files(tmp_path: Path) -> None:
    place = open_printer("file:labels", tmp_path)
    place.print(SMALL, "b827-BCDF")
    assert place.place == "file:labels"
    assert sorted(path.name for path in (tmp_path / "labels").iterdir()) == [
        "b827-BCDF.png", "b827-BCDF.svg", "b827-BCDF.zpl",
    ]  # fmt: skip
    assert (tmp_path / "labels" / "b827-BCDF.zpl").read_bytes() == SMALL.zpl


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("in the way")
    with pytest.raises(FileError):
        open_printer("file:labels", tmp_path).print(SMALL, "x")


def test_addresses() -> None:
    assert open_printer("tcp://[fe80::1%enp3s0]:9100", Path()).place == "tcp://[fe80::1%enp3s0]:9100"
    assert open_printer("tcp://printer.local:9100", Path()).place == "tcp://printer.local:9100"


def test_doctor_looks_for_the_printers_and_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "bench.toml"
    slots = {"a": "tcp://127.0.0.1:1", "b": "tcp://127.0.0.1:1", "c": "file:file/labels", "d": "file:new/labels"}
    text = "".join(
        f'[[slot]]\nname = "{name}"\nssh = {{ host = "h{name}" }}\nprinter = "{printer}"\n'
        for name, printer in slots.items()
    )
    got: list[bytes] = []
    with printer(lambda wire: got.append(wire.recv(10))) as port:
        path.write_text(f'[station]\nname = "S"\nprinter = "tcp://127.0.0.1:{port}"\n{text}')
        findings = printer_findings(load_bench(path))
    assert [finding.place for finding in findings] == ["slot a", "slot c"]
    assert "refused" in findings[0].message and "cannot be written" in findings[1].message
    assert got == [b""]
    assert not (tmp_path / "new").exists()
