"""U-Boot's prompt as far as a station needs it: commands, `;`, variables, `$?`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from factory.rehearsal.uboot.machine import (
    KEPT,
    RAM_SIZE,
    RAM_START,
    WRITE_ONCE,
    Machine,
    UbootFault,
)  # fmt: skip
from factory.rehearsal.uboot.port import Uart
from factory.rehearsal.uboot.receive import ReceiveError, Receiver, by_rb

VERSION = "U-Boot 2024.01 (rehearsal)"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WORD = re.compile(r"'([^']*)'|(\S+)")


class ResetError(Exception):
    """Somebody typed reset."""


class Shell:
    """Runs one line at a time; `status` is that of the last command."""

    def __init__(self, machine: Machine, uart: Uart, *, lrzsz: bool = True) -> None:
        self.machine = machine
        self.uart = uart
        self.status = 0
        self._rb = (shutil.which("rb") or shutil.which("lrb")) if lrzsz else None
        self._commands: dict[str, Callable[[list[str]], int]] = {
            "echo": self._echo, "version": self._version, "printenv": self._printenv, "setenv": self._setenv,
            "saveenv": self._saveenv, "reset": self._reset, "bdinfo": self._bdinfo, "mw.l": self._mw,
            "crc32": self._crc32, "loady": self._loady, "mmc": self._mmc, "true": lambda _: 0, "false": lambda _: 1,
        }  # fmt: skip

    def run(self, line: str) -> None:
        """Run a whole line."""
        for part in re.split(r";(?=(?:[^']*'[^']*')*[^']*$)", line):
            text = _VARIABLE.sub(lambda match: self.machine.environment.get(match[1], ""), part)
            if UbootFault.BARE_SHELL not in self.machine.faults:
                text = text.replace("$?", str(self.status))
            words = [quoted or plain for quoted, plain in _WORD.findall(text)]
            if words:
                self.status = self._one(words)

    def _one(self, words: list[str]) -> int:
        missing = {UbootFault.NO_LOADY: "loady", UbootFault.NO_MMC: "mmc"}
        gone = {name for fault, name in missing.items() if fault in self.machine.faults}
        command = None if words[0] in gone else self._commands.get(words[0])
        if command is None:
            self.uart.say(f"Unknown command '{words[0]}' - try 'help'\n")
            return 1
        try:
            return command(words[1:])
        except (IndexError, ValueError):
            self.uart.say(f"{words[0]} - \n\nUsage:\n{words[0]}\n")
            return 1

    def _echo(self, words: list[str]) -> int:
        self.uart.say(" ".join(words) + "\n")
        return 0

    def _version(self, _: list[str]) -> int:
        self.uart.say(f"{VERSION}\n\nnone-gcc (rehearsal) 1\n")
        return 0

    def _printenv(self, words: list[str]) -> int:
        values = self.machine.environment
        if words:
            if words[0] not in values:
                self.uart.say(f'## Error: "{words[0]}" not defined\n')
                return 1
            self.uart.say(f"{words[0]}={values[words[0]]}\n")
            return 0
        text = "".join(
            f"{name}={value}\n"
            for name, value in (
                (name, values[name].replace("\\", "\\\\").replace("\n", "\\\n")) for name in sorted(values)
            )
        )
        self.uart.say(f"{text}\nEnvironment size: {len(text) + 1}/16380 bytes\n")
        return 0

    def _setenv(self, words: list[str]) -> int:
        name, value = words[0], " ".join(words[1:])
        kept = self.machine.environment.get(name)
        if name in WRITE_ONCE and kept and UbootFault.OVERWRITE not in self.machine.faults:
            self.uart.say(f'## Error: Can\'t overwrite "{name}"\n## Error inserting "{name}" variable, errno=1\n')
            return 1
        if value:
            self.machine.environment[name] = value
        else:
            self.machine.environment.pop(name, None)
        return 0

    def _saveenv(self, _: list[str]) -> int:
        self.uart.say("Saving Environment to MMC... ")
        if UbootFault.SAVEENV_FAILS in self.machine.faults:
            self.uart.say("Writing to MMC(0)... failed\nFailed (1)\n")
            return 1
        self.machine.save()
        self.uart.say("Writing to MMC(0)... OK\n")
        return 0

    def _reset(self, _: list[str]) -> int:
        self.uart.say("resetting ...\n")
        raise ResetError

    def _bdinfo(self, _: list[str]) -> int:
        kept = RAM_START + RAM_SIZE - KEPT
        self.uart.say(
            f"boot_params = 0x00000000\nDRAM bank   = 0x00000000\n-> start    = 0x{RAM_START:08x}\n"
            f"-> size     = 0x{RAM_SIZE:08x}\nbaudrate    = 115200 bps\nrelocaddr   = 0x{kept + 0x800000:08x}\n"
            f"lmb_dump_all:\n reserved.cnt  = 0x1\n"
            f" reserved[0]\t[0x{kept:08x}-0x{RAM_START + RAM_SIZE - 1:08x}], 0x{KEPT:08x} bytes flags: 0\n"
        )
        return 0

    def _mw(self, words: list[str]) -> int:
        address, value, count = (int(word, 16) for word in words)
        self.machine.ram[self.machine.at(address, count * 4)] = value.to_bytes(4, "little") * count
        return 0

    def _crc32(self, words: list[str]) -> int:
        address, size = (int(word, 16) for word in words)
        found = self.machine.crc(address, size)
        self.uart.say(f"crc32 for {address:08x} ... {address + size - 1:08x} ==> {found:08x}\n")
        return 0

    def _loady(self, words: list[str]) -> int:
        address = int(words[0], 16)
        self.uart.say(f"## Ready for binary (ymodem) download to 0x{address:08X} at 115200 bps...\n")
        try:
            data = by_rb(self.uart, self._rb) if self._rb else Receiver(self.uart).file()
        except ReceiveError as error:
            self.uart.say(f"{error}\n## Binary (ymodem) download aborted\n")
            return 1
        place = self.machine.at(address, len(data))
        self.machine.ram[place] = data
        if UbootFault.RAM_ROT in self.machine.faults:
            self.machine.ram[place.start] ^= 1
        self.machine.environment["filesize"] = f"{len(data):x}"
        self.uart.say(f"## Total Size      = 0x{len(data):08x} = {len(data)} Bytes\n")
        self.uart.say(f"## Start Addr      = 0x{address:08x}\n")
        return 0

    def _mmc(self, words: list[str]) -> int:
        if words[0] == "dev":
            if words[1] != "0":
                self.uart.say(f"no mmc device at slot {words[1]}\n")
                return 1
            self.uart.say("switch to partitions #0, OK\nmmc0 is current device\n")
            return 0
        address, block, count = (int(word, 16) for word in words[1:])
        self.uart.say(f"\nMMC {words[0]}: dev # 0, block # {block}, count {count} ... ")
        work = {"write": self.machine.write_blocks, "read": self.machine.read_blocks}[words[0]]
        done = work(address, block, count)
        verb = {"write": "written", "read": "read"}[words[0]]
        self.uart.say(f"{count if done else 0} blocks {verb}: {'OK' if done else 'ERROR'}\n")
        return 0 if done else 1
