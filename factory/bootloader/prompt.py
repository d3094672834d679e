"""One command at the boot loader's prompt: typed, checked by its echo, run once, answered between markers."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from factory.bootloader.line import BootloaderError, Limit, Line, excerpt

INTERRUPT = b"\x03"  # never a bare Enter: at this prompt it repeats the last command
_LETTERS = "ABCEGHJKLMNOPQSTUVWXYZ"  # without R, I, D no marker spells a word that somebody looks for
_PIECE = 16  # what the smallest UART FIFOs hold
_LONGEST = 230  # bytes; the smallest usual CONFIG_SYS_CBSIZE is 256
_ECHO_SECONDS = 2.0
_TRIES = 4
_LIMIT = 512 * 1024
_COMPLAINTS = re.compile(r"(?mi)^(?:Unknown command|Usage:|## Error|Error|\*\* .*\*\*)|\bfailed\b|\bERROR\b")
_RESTARTED = re.compile(rb"(?mi)^(?:hit any key to stop|starting kernel|U-Boot SPL \d|resetting \.\.\.)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed. `status` is 0 when it was done, None from a shell that does not tell it."""

    command: str
    text: str
    status: int | None

    @property
    def ok(self) -> bool:
        """True when the loader says so; without a status, when it does not complain."""
        return self.status == 0 if self.status is not None else not _COMPLAINTS.search(self.text)

    def require(self, doing: str) -> Answer:
        """Return self when it was done. Raises BootloaderError with what came back."""
        if self.ok:
            return self
        status = "" if self.status is None else f" (status {self.status})"
        raise BootloaderError(
            f"{doing}: the boot loader refused {self.command!r}{status}: {excerpt(self.text.encode())}",
            hint="Is the command in this U-Boot? Type help at its prompt.",
            code="uboot.refused",
        )


class Bootloader:
    """A boot loader that stands at its prompt. One Bootloader belongs to one thread."""

    def __init__(self, line: Line, prompt: str) -> None:
        self.line = line
        self.prompt = prompt
        self._prompt = prompt.strip().encode()
        self._heard = bytearray()

    @property
    def route(self) -> str:
        """The line's."""
        return self.line.route

    def run(self, command: str, *, limit: Limit) -> Answer:
        """Run one command once. Raises BootloaderError when it cannot be typed without damage or no answer comes, and
        what the line and the limit raise.
        """
        return self.finish(self.start(command, limit=limit), limit=limit)

    def start(self, command: str, *, limit: Limit) -> tuple[str, str]:
        """Type a command and press Enter; `finish` takes its answer."""
        marker = "".join(secrets.choice(_LETTERS) for _ in range(8))
        # A variable that nobody has set is nothing in both of U-Boot's shells: the echo cannot match the marker.
        half = f"echo {marker[:4]}${{{secrets.token_hex(3)}_}}{marker[4:]} $?"
        self._type(f"{command}; {half}", limit)
        self.line.write(b"\r", limit)
        return command, marker

    def finish(self, started: tuple[str, str], *, limit: Limit) -> Answer:
        """Wait for what a started command prints and for its status."""
        command, marker = started
        end = re.compile(rb"(?:^|\r*\n)" + marker.encode() + rb" (\$\?|\d+)\r*\n[\r\n]*" + re.escape(self._prompt))
        while (found := end.search(bytes(self._heard))) is None:
            if len(self._heard) > _LIMIT:
                raise BootloaderError(
                    f"{self.route}: the answer to {command!r} does not end after {_LIMIT} bytes", code="uboot.answer"
                )
            if _RESTARTED.search(self._heard):
                raise BootloaderError(
                    f"{self.route}: the unit restarted while it ran {command!r}",
                    hint="Did it lose its power? Look at its supply and start again.",
                    code="uboot.restarted",
                )
            self._listen(limit, f"waiting for the answer to {command!r} on {self.route}")
        said = bytes(self._heard[: found.start()])
        self._heard.clear()
        text = re.sub(r"\r*\n", "\n", said.decode("latin-1")).removeprefix("\r").lstrip("\n")
        status = None if found[1] == b"$?" else int(found[1])
        return Answer(command, text if not text or text.endswith("\n") else text + "\n", status)

    def take(self, seconds: float) -> bytes:
        """What came in addition to a started command, for protocols; waits at most so long when nothing is there."""
        data = bytes(self._heard) or self.line.receive(seconds)
        self._heard.clear()
        return data

    def give_back(self, data: bytes) -> None:
        """Put bytes that belong to the answer back in front of it."""
        self._heard[:0] = data

    def at_prompt(self, limit: Limit) -> bool:
        """Interrupt what is typed there; True when the prompt answers within the limit."""
        self._heard.clear()
        self.line.write(INTERRUPT, limit)
        while not limit.expired and not self._stands():
            self._heard += self.line.receive(min(0.2, limit.left))
            if limit.cancel.is_set():
                limit.check("looking for the boot loader's prompt")
        stands = self._stands()
        self._heard.clear()
        return stands

    def _stands(self) -> bool:
        return bytes(self._heard).rstrip(b" ").endswith(self._prompt)

    def _type(self, text: str, limit: Limit) -> None:
        data = text.encode("ascii")
        if len(data) > _LONGEST or not text.isprintable():
            raise BootloaderError(f"{text[:60]!r}... is too long for the boot loader's line", code="uboot.long-command")
        for _ in range(_TRIES):
            self._heard.clear()
            if all(self._echoed(data[at : at + _PIECE], limit) for at in range(0, len(data), _PIECE)):
                self._heard.clear()
                return
            # Damaged on the way, there or back: nothing was run, for Enter was not pressed.
            self._settle(limit)
            if not self.at_prompt(limit.within(_ECHO_SECONDS)):
                break
        raise BootloaderError(
            f"{self.route}: a command comes back damaged; last seen: {excerpt(bytes(self._heard))}",
            hint="Check the baud rate, the cable and GND. Nothing was run.",
            code="uboot.echo",
        )

    def _echoed(self, piece: bytes, limit: Limit) -> bool:
        self.line.write(piece, limit)
        end = time.monotonic() + min(_ECHO_SECONDS, limit.left)
        while len(self._came(piece)) < len(piece) and time.monotonic() < end:
            limit.check(f"typing on {self.route}")
            self._heard += self.line.receive(0.2)
        right = self._came(piece) == piece
        if right:
            self._heard.clear()
        return right

    def _came(self, piece: bytes) -> bytes:
        # The blank behind the prompt may come late.
        return bytes(self._heard) if piece.startswith(b" ") else bytes(self._heard).lstrip(b" ")

    def _settle(self, limit: Limit) -> None:
        while self.line.receive(min(0.3, limit.left)):
            limit.check(f"waiting for silence on {self.route}")
        self._heard.clear()

    def _listen(self, limit: Limit, doing: str) -> None:
        limit.check(doing)
        self._heard += self.line.receive(min(0.2, limit.left))
