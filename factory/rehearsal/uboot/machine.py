"""What the simulated board consists of: RAM, a medium in a file, an environment that is saved or not."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from factory.files import write_text

RAM_START, RAM_SIZE, KEPT = 0x8000_0000, 64 * 1024 * 1024, 16 * 1024 * 1024
BLOCK = 512
WRITE_ONCE = ("ethaddr", "eth1addr", "serial#")
DEFAULTS = {"baudrate": "115200", "bootdelay": "1", "loadaddr": "82000000", "board_name": "rehearsal"}


class UbootFault(StrEnum):
    """What can be wrong with the board or its loader."""

    OVERWRITE = "overwrite"  # no fault: a loader built with CONFIG_ENV_OVERWRITE
    SAVEENV_FAILS = "saveenv-fails"
    FORGETS_ENV = "forgets-env"
    NO_WINDOW = "no-window"
    BARE_SHELL = "bare-shell"
    NO_LOADY = "no-loady"
    NO_MMC = "no-mmc"
    BIT_ROT = "bit-rot"  # what is written is not what is kept
    READS_NOTHING = "reads-nothing"  # mmc read says OK and leaves RAM as it was
    RAM_ROT = "ram-rot"  # what is loaded is not what lies in RAM
    WRITE_ERROR = "write-error"


class PowerCut(Exception):  # noqa: N818 - an event, not a fault
    """The supply went away in the middle of something."""


@dataclass(slots=True)
class Machine:
    """One board. `cut_after` blocks more are written, then the power is gone. Times are in seconds."""

    folder: Path
    blocks: int = 16384
    faults: set[UbootFault] = field(default_factory=set)
    cut_after: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    bootdelay: float = 1.0
    ram: bytearray = field(default_factory=lambda: bytearray(RAM_SIZE), repr=False)
    on_cut: Callable[[], None] = field(default=lambda: None, repr=False)
    written: list[tuple[int, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if not self.medium.exists():
            with self.medium.open("wb") as stream:
                for _ in range(self.blocks // 1024 or 1):
                    stream.write(b"\xff" * min(self.blocks, 1024) * BLOCK)

    @property
    def medium(self) -> Path:
        """The file that is the eMMC."""
        return self.folder / "emmc.img"

    @property
    def saved(self) -> Path:
        """The file that keeps the environment."""
        return self.folder / "environment.json"

    def start(self) -> None:
        """A cold start: RAM holds nothing that one may count on, the environment is the saved one."""
        self.ram[:] = b"\x5a" * len(self.ram)
        self.environment = dict(DEFAULTS)
        if self.saved.exists() and UbootFault.FORGETS_ENV not in self.faults:
            self.environment = dict(json.loads(self.saved.read_text()))

    def save(self) -> None:
        """Keep the environment."""
        write_text(self.saved, json.dumps(self.environment))

    def at(self, address: int, size: int) -> slice:
        """Where that RAM lies. Raises IndexError outside of it."""
        start = address - RAM_START
        if size < 0 or not 0 <= start <= start + size <= RAM_SIZE:
            raise IndexError(hex(address))
        return slice(start, start + size)

    def crc(self, address: int, size: int) -> int:
        """CRC-32 over RAM."""
        return zlib.crc32(self.ram[self.at(address, size)])

    def write_blocks(self, address: int, block: int, count: int) -> bool:
        """RAM to medium; False when it fails. Raises PowerCut."""
        data = bytearray(self.ram[self.at(address, count * BLOCK)])
        if block + count > self.blocks or UbootFault.WRITE_ERROR in self.faults:
            return False
        if UbootFault.BIT_ROT in self.faults and count > 8:
            data[len(data) // 2] ^= 0x10
        cut = self.cut_after is not None and count > self.cut_after
        done = self.cut_after if cut and self.cut_after is not None else count
        with self.medium.open("r+b") as stream:
            stream.seek(block * BLOCK)
            stream.write(data[: done * BLOCK])
            stream.flush()
            os.fsync(stream.fileno())
        self.written.append((block, done))
        if self.cut_after is not None:
            self.cut_after -= done
        if cut:
            self.cut_after = None
            self.on_cut()
            raise PowerCut
        return True

    def read_blocks(self, address: int, block: int, count: int) -> bool:
        """Medium to RAM; False when it fails."""
        place = self.at(address, count * BLOCK)
        if block + count > self.blocks:
            return False
        if UbootFault.READS_NOTHING not in self.faults or count == 1:
            with self.medium.open("rb") as stream:
                stream.seek(block * BLOCK)
                self.ram[place] = stream.read(count * BLOCK)
        return True
