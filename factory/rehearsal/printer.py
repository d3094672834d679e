"""A label printer without paper, and a scanner that scans each label as soon as it is out.

It knows ZPL only as far as it has to find the code in it, and has nothing in common with what made the label.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from factory import files
from factory.errors import NotStartedError

_QR = re.compile(rb"\^BQ[^^]*(?:\^FH_?[^^]*)?\^F[DV][HQML]A,([^^~]*)\^FS")
_HEX = re.compile(rb"_([0-9A-Fa-f]{2})")
_LARGEST = 16 * 1024 * 1024
_TICK = 0.2
_HAND_SECONDS = 1.0  # from one scan of a careless hand to the next


class PrinterFault(StrEnum):
    """What the printer does wrong once, with the first label that allows it."""

    HANG = "hang"
    CLOSES = "closes"
    MIX_UP = "mix-up"

    @property
    def help(self) -> str:
        """What it does, for a list of them."""
        return _HELP[self]


_HELP = {
    PrinterFault.HANG: "takes the first label and never answers",
    PrinterFault.CLOSES: "closes in the middle of the first label",
    PrinterFault.MIX_UP: "the second label is printed, and the first one is scanned before it",
}


class SimulatedPrinter:
    """A context manager. Each label goes into a file of `folder`; its code is told to `printed` and, where there is a
    file of `scans`, appended to it as a scanner would type it. Listens on this machine alone.

    Raises NotStartedError when the port is taken.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        scans: Path | None = None,
        fault: PrinterFault | None = None,
        printed: Callable[[Path, str], object] = lambda _path, _code: None,
    ) -> None:
        self._folder = files.make_folder(folder)
        self._scans = scans
        self._fault = fault
        self._printed = printed
        self._codes: list[str] = []
        self._ended = threading.Event()
        try:
            self._server = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise NotStartedError(
                f"cannot listen on port {port}: {error.strerror}", hint="Leave out --port for a free one."
            ) from error
        self._server.settimeout(_TICK)
        self._thread = threading.Thread(target=self._serve, name="printer")

    @property
    def address(self) -> str:
        """As bench.toml names it."""
        return f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        if self._scans is not None:
            self._scans.touch()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                wire, _ = self._server.accept()
            except TimeoutError:
                continue
            with wire:
                wire.settimeout(_TICK)
                label = self._receive(wire)
            if label:
                self._out(label)

    def _receive(self, wire: socket.socket) -> bytes:
        """A whole label, or b"" for one that was cut short."""
        got = bytearray()
        while not self._ended.is_set() and len(got) < _LARGEST:
            try:
                data = wire.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return b""
            if data and self._fault is PrinterFault.CLOSES:
                self._fault = None
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return b""
            if not data:
                break
            got += data
        if got and self._fault is PrinterFault.HANG:
            self._fault = None
            self._ended.wait(60.0)
        return bytes(got)

    def _out(self, label: bytes) -> None:
        match = _QR.search(label)
        code = "" if match is None else _HEX.sub(lambda one: bytes.fromhex(one[1].decode()), match[1]).decode("utf-8")
        path = self._folder / f"label-{len(self._codes) + 1:04d}.zpl"
        files.write_bytes(path, label)
        self._codes.append(code)
        self._printed(path, code)
        if self._scans is None or not code:
            return
        if self._fault is PrinterFault.MIX_UP and len(self._codes) == 2:
            self._fault = None
            self._scan(self._codes[0])
            time.sleep(_HAND_SECONDS)
        self._scan(code)

    def _scan(self, code: str) -> None:
        assert self._scans is not None
        with self._scans.open("a", encoding="utf-8") as stream:
            stream.write(f"{code}\n")
