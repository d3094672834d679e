"""A payload over the serial wire: text blocks under a hash, two on their way at a time, resent where damaged."""

from __future__ import annotations

import gzip
import hashlib

from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.framing import BASE64, Codec, Damaged, Frame, pieces
from factory.units.protocol import Progress, UnitError
from factory.units.serial_shell import ENDED, SerialShell

_WINDOW = 2  # blocks on their way: the wire never waits for an acknowledgement, the unit's buffers stay small
_TRIES = 60  # in a row without one good block
_LEAST = 192  # payload bytes


class SerialPut:
    """One payload on its way into one command. `retries` counts blocks that had to be sent again, `on_wire` bytes.

    Blocks shrink where the wire damages them, and grow again where it does not: a block must be short enough to have a
    chance to arrive whole.
    """

    def __init__(self, shell: SerialShell, payload: bytes, *, compress: bool) -> None:
        packed = gzip.compress(payload, 9, mtime=0) if compress else payload
        self._zipped = len(packed) < 0.98 * len(payload)
        self._data = packed if self._zipped else payload
        self._payload = len(payload)
        self._shell = shell
        self._most = self._size = _block_size(shell.console.baud, shell.wire.codec)
        self._flying: list[int] = []  # where each block on its way ends
        self._taken = 0  # bytes that the unit has verified and passed on
        self._attempt = 1
        self.described = f"<{len(payload)} bytes, sha256 {hashlib.sha256(payload).hexdigest()}>"
        self.retries = 0
        self.on_wire = 0

    def send(self, command: str, deadline: Deadline, progress: Progress | None) -> tuple[int, bytes, bytes]:
        """Run the command with the payload on its stdin; return status, stdout, stderr.

        The command sees verified blocks only, in order, and no end of its stdin before the last of them. Raises
        UnitError unit.damaged, unit.put (the command ended well before it had read everything); UnitGone,
        DeadlineExpired, Cancelled.
        """
        shell = self._shell
        shell.number += 1
        command = f"gunzip -c | {{ {command}\n}}" if self._zipped else command
        encoded = shell.wire.codec.encode(command.encode())
        shell.request("Z", encoded, deadline)
        self._begin(encoded, deadline)
        try:
            whole = self._blocks(deadline, progress)
        except BaseException as error:
            shell.console.write(ENDED + b"A\n", Deadline(2.0))
            if isinstance(error, DeadlineExpired | Cancelled):
                error.hint = f"{shell.interrupt()} {error.hint}".strip()
            raise
        if shell.pace.losses:
            shell.transcript.note(f"{shell.pace.losses} bursts lost, {self.retries} blocks sent again")
        status, out, err = shell.finish("Z", command, deadline, begun=True)
        if not whole and status == 0:
            raise UnitError(
                f"{shell.console.route}: the command ended after {self._taken} of {len(self._data)} bytes of its input",
                code="unit.put",
            )
        return status, out, err

    def _begin(self, encoded: bytes, deadline: Deadline) -> None:
        """Wait until the unit stands ready for blocks; an order that was lost is given again."""
        shell = self._shell
        for _ in range(_TRIES):
            deadline.check(f"starting a transfer on {shell.console.route}")
            self._say(b"P 0\n", deadline)
            try:
                frame = shell.wait(deadline.within(1.5), shell.number, "KNFR")
            except Damaged:
                continue
            if frame is None:
                shell.ask("Z", encoded, deadline)
            elif frame.kind == "N":
                shell.request("Z", encoded, deadline)
            else:
                return
        raise shell.worn_out("orders to receive")

    def _blocks(self, deadline: Deadline, progress: Progress | None) -> bool:
        """Send every block and the end; True when the unit has confirmed all of them."""
        bad = 0
        while bad < _TRIES:
            while self._next < len(self._data) and len(self._flying) < self._window:
                if not self._block(deadline):
                    self._go_back(deadline)
                    bad += 1
            if self._taken == len(self._data):
                self._say(b"T %d %d\n" % (self._taken, self._attempt), deadline)
            answer = self._answer(deadline)
            if answer in ("done", "over"):
                return answer == "done"
            if answer == "good":
                bad = 0
                self._shell.arrive(deadline)
                self._size = min(self._most, self._size + self._size // 2 // 3 * 3)
                if progress is not None:
                    progress(self._payload * self._taken // max(1, len(self._data)))
                continue
            bad += 1
            self._go_back(deadline)
        raise self._shell.worn_out("blocks of the payload")

    @property
    def _next(self) -> int:
        """Where the next block starts."""
        return self._flying[-1] if self._flying else self._taken

    @property
    def _window(self) -> int:
        return _WINDOW if self._shell.wire.check.checks and not self._shell.pace.paced else 1

    def _go_back(self, deadline: Deadline) -> None:
        """Forget the blocks that the unit has not taken: they are cut anew, and smaller."""
        self.retries += len(self._flying)
        self._flying.clear()
        self._attempt += 1
        self._size = max(_LEAST, self._size // 2 // 3 * 3)
        self._shell.lose(deadline)

    def _block(self, deadline: Deadline) -> bool:
        """Send the next block; False where it is known already that it did not arrive whole."""
        wire = self._shell.wire
        start, end = self._next, min(self._next + self._size, len(self._data))
        encoded = wire.codec.encode(self._data[start:end])
        check = wire.check.short(b"%d:%d:" % (start, end) + encoded)
        lines = [b"D " + piece + b"\n" for piece in pieces(encoded)]
        lines.append(b"K %d %d %d %s\n" % (start, end, self._attempt, check.encode()))
        self._flying.append(end)
        self._say(b"".join(lines), deadline)
        return wire.check.checks or self._confirm(b"%d/%d/" % (start, end) + encoded, deadline)

    def _confirm(self, expected: bytes, deadline: Deadline) -> bool:
        """Without a hash tool the unit shows the block as it came, and takes it when we say that it is right."""
        shell = self._shell
        try:
            frame = shell.wait(deadline.within(self._patience), shell.number, "E")
        except Damaged:
            return False
        if frame is None or frame.body != expected:
            return False
        self._say(b"Y\n", deadline)
        return True

    def _say(self, data: bytes, deadline: Deadline) -> None:
        self.on_wire += len(data)
        self._shell.pace.write(data, deadline)

    def _answer(self, deadline: Deadline) -> str:
        """What the unit says about the blocks: good (some were taken), bad (go back), done, over (command ended)."""
        shell = self._shell
        while True:
            try:
                frame = shell.wait(deadline.within(self._patience), shell.number, "KFR")
            except Damaged:
                frame = None
            if frame is None:
                deadline.check(f"sending a payload on {shell.console.route}")
                self._attempt += 1
                self._say(ENDED + b"P %d\n" % self._attempt, deadline)
                frame = self._asked(deadline)
                if frame is None:
                    return "bad"
            verdict = self._judge(frame, deadline)
            if verdict:
                return verdict

    @property
    def _patience(self) -> float:
        """Seconds after which an answer to the blocks on their way is overdue."""
        size = len(self._shell.wire.codec.encode(self._data[self._taken : self._next]))
        return 1.0 + 1.5 * 10 * size / self._shell.console.baud

    def _asked(self, deadline: Deadline) -> Frame | None:
        try:
            return self._shell.wait(deadline.within(3.0), self._shell.number, "KFR")
        except Damaged:
            return None

    def _judge(self, frame: Frame, deadline: Deadline) -> str:
        if frame.kind == "R":
            # The reply follows the end of the input; the word that the end was taken must have been lost.
            return "done" if self._taken == len(self._data) else "over"
        if frame.kind == "F":
            self._say(b"A\n", deadline)
            return "over"
        taken, _, rest = frame.value.partition(".")
        end, _, attempt = rest.partition(".")
        if taken == "T":
            return "done"
        if not taken.isdigit() or not self._taken <= int(taken) <= len(self._data):
            return ""
        gained = int(taken) > self._taken
        self._taken = int(taken)
        self._flying = [each for each in self._flying if each > self._taken]
        if end.isdigit() and int(end) <= self._taken:
            return "good" if gained else ""
        return "bad" if attempt == str(self._attempt) else ""


def _block_size(baud: int, codec: Codec) -> int:
    """Payload bytes per block: about 0.7 s of the wire, a multiple of 3 so that base64 needs no padding."""
    return max(768, min(24576, baud // (14 if codec is BASE64 else 36) // 768 * 768))
