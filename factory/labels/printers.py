"""Where labels are printed: a printer that takes ZPL over TCP (port 9100), or a folder of files."""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
import struct
import time
from pathlib import Path
from typing import Protocol

from factory.config import Bench, Slot
from factory.errors import UsageError
from factory.files import make_folder, write_bytes
from factory.labels.errors import PrinterError
from factory.labels.template import Label

WITHIN = 15.0
_TCP = re.compile(r"tcp://(?:\[(.+)\]|(.+)):([0-9]+)(\?keeps-open)?")
_LOOK_EVERY = 0.05  # seconds between two looks at what the printer has acknowledged
_LOOK = "Is it switched on, has it labels, and is it at that address? Try: factory label preview --printer"


class Printer(Protocol):
    """One printer; any thread may call it."""

    @property
    def place(self) -> str:
        """Where it is, as in bench.toml."""

    def print(self, label: Label, name: str) -> None:
        """Print one label; `name` is for a file. Raises PrinterError, FileError, LabelError."""


class TcpPrinter:
    """A printer that takes ZPL as it is (raw TCP, as most label printers do on port 9100)."""

    def __init__(self, host: str, port: int, *, keeps_open: bool = False, within: float = WITHIN) -> None:
        self._host, self._port, self._keeps_open, self._within = host, port, keeps_open, within

    @property
    def place(self) -> str:
        """As in bench.toml."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"tcp://{host}:{self._port}{'?keeps-open' if self._keeps_open else ''}"

    def reach(self) -> socket.socket:
        """A connection to it. Raises PrinterError (`label.printer-away`)."""
        try:
            return socket.create_connection((self._host, self._port), timeout=self._within)
        except OSError as error:
            what = f"cannot reach the printer at {self._host} port {self._port}: {_words(error)}; nothing was sent"
            raise PrinterError(what, hint=_LOOK, code="label.printer-away") from error

    def print(self, label: Label, name: str) -> None:  # noqa: ARG002 - a printer has no files
        """Send the label and wait until the printer has closed, which says that it took all of it. From one that keeps
        connections open no more can be had than that its network part has every byte.
        """
        until = time.monotonic() + self._within
        where = f"the printer at {self._host} port {self._port}"
        with self.reach() as wire:
            sent = 0
            try:
                while sent < len(label.zpl):
                    _wait(wire, until)
                    sent += wire.send(label.zpl[sent : sent + 4096])
                if self._keeps_open:
                    _wait_acknowledged(wire, until)
                    return
                wire.shutdown(socket.SHUT_WR)
                while True:
                    _wait(wire, until)
                    if not wire.recv(4096):
                        return
            except TimeoutError as error:
                what = f"took {sent} of {len(label.zpl)} bytes" if sent < len(label.zpl) else "took the label"
                raise PrinterError(
                    f"{where} {what} and did not answer within {self._within:.0f} s: nobody knows whether it printed",
                    hint=f"If a label came out, throw it away. {_LOOK}",
                    code="label.printer-silent",
                    sent=True,
                ) from error
            except OSError as error:
                raise PrinterError(
                    f"{where} closed before it had the whole label: {_words(error)}",
                    hint=f"If a label came out, throw it away. {_LOOK}",
                    code="label.printer-closed",
                    sent=True,
                ) from error


class FolderPrinter:
    """Three files per label instead of paper: the ZPL for a printer that something else feeds, and its pictures."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder = folder
        self._place = place

    @property
    def place(self) -> str:
        """As in bench.toml."""
        return self._place

    def print(self, label: Label, name: str) -> None:
        """Write NAME.svg, NAME.png and at last NAME.zpl, for whoever waits for it."""
        make_folder(self.folder)
        for suffix, content in (("svg", label.svg()), ("png", label.png()), ("zpl", label.zpl)):
            write_bytes(self.folder / f"{name}.{suffix}", content)


def open_printer(address: str, folder: Path, *, within: float = WITHIN) -> Printer:
    """The printer of a bench.toml, in which paths start at `folder`; nothing is touched yet."""
    tcp = _TCP.fullmatch(address)
    if tcp:
        return TcpPrinter(tcp[1] or tcp[2], int(tcp[3]), keeps_open=tcp[4] is not None, within=within)
    return FolderPrinter(folder / address.removeprefix("file:"), address)


def printer_of(bench: Bench, slot: Slot | None) -> Printer:
    """The printer of a slot, or the station's. Raises UsageError (`label.no-printer`)."""
    address = (slot.printer if slot is not None else None) or bench.station.printer
    if address is None:
        whose = f"slot {slot.name} has none" if slot is not None else "the station has none"
        raise UsageError(
            f"this product has labels, and no printer is named: {whose}",
            hint='Put printer = "tcp://HOST:9100" or "file:FOLDER" into [station] or the [[slot]] of the bench file.',
            code="label.no-printer",
        )
    return open_printer(address, bench.folder)


def file_name(hardware_id: str, nonce: str) -> str:
    """What the files of a label are called; a hardware id has no character that a file name must not have."""
    return f"{hardware_id}-{nonce[:8]}"


def _wait(wire: socket.socket, until: float) -> None:
    """Let the next call have what is left of the time. Raises TimeoutError when there is nothing left."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    wire.settimeout(left)


def _wait_acknowledged(wire: socket.socket, until: float) -> None:
    """Until nothing of what was sent is left to acknowledge. Raises TimeoutError, and OSError when the peer reset."""
    import fcntl
    import termios

    while struct.unpack("i", fcntl.ioctl(wire, termios.TIOCOUTQ, b"\0" * 4))[0]:
        _wait(wire, until)
        ready, _, _ = select.select([wire], [], [], _LOOK_EVERY)
        if ready and not wire.recv(4096):
            raise ConnectionResetError(errno.ECONNRESET, "it closed")
    wire.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        wire.recv(4096)  # a reset that has come meanwhile is told here


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
