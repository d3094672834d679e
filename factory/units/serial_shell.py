"""A shell over a serial console: the agent is brought up, commands go to it, answers come back checked."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from factory.units.agent import REPLY_LIMIT, agent_text
from factory.units.bootstrap import Bootstrap
from factory.units.console import Console
from factory.units.console_state import ConsoleState, classify
from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.framing import (
    CODECS,
    HASHES,
    NO_HASH,
    Codec,
    Damaged,
    Frame,
    FrameReader,
    Hash,
    masked,
    parse_reply,
    pieces,
)
from factory.units.login import marker
from factory.units.pacing import Pace
from factory.units.protocol import Transcript, UnitError, UnitGone
from factory.units.terminal import excerpt

_TRIES = 40
_LINE_WAIT = 4.0
_BAD_LUCK = 3  # requests or blocks lost in a row: more than that is a unit that does not keep up
ENDED = b"-\n"  # ends a line whose own end was lost; an empty one would make an agent without stty leave
_ECHO, _NO_ECHO = ENDED + b"V echo\n", ENDED + b"V -echo\n"
_GONE = frozenset({ConsoleState.LOGIN, ConsoleState.UBOOT, ConsoleState.AUTOBOOT, ConsoleState.EMERGENCY})


@dataclass(frozen=True, slots=True)
class Wire:
    """What station and agent have agreed on: the marker, the codec, the hash."""

    mark: str
    codec: Codec
    check: Hash


class SerialShell:
    """Runs commands on the unit behind a console that has a shell. Use `start` to get one."""

    def __init__(self, console: Console, transcript: Transcript, wire: Wire, pace: Pace) -> None:
        self.console = console
        self.pace = pace
        self.wire = wire
        self.transcript = transcript
        self.frames = self._reader()
        self.number = 0
        self.damaged = 0
        self._unlucky = 0

    @classmethod
    def start(cls, console: Console, transcript: Transcript, *, log_out: bool, deadline: Deadline) -> SerialShell:
        """Quiet the terminal, send the agent and wait until it answers.

        `log_out` makes it end the login when it is told to leave. Raises UnitError unit.damaged when the line is
        too bad for that, unit.tools when the unit has no printf; UnitGone, DeadlineExpired, Cancelled.
        """
        pace = Pace(console, transcript)
        starter = Bootstrap(console, pace, deadline)
        starter.send("unset HISTFILE")
        if not pace.paced:
            starter.send("stty -echo 2>/dev/null")
            if pace.paced:
                starter.send("stty echo 2>/dev/null")
        tools = starter.probe()
        codec = next((codec for codec in CODECS if codec.name in tools), None)
        if codec is None or "printf" not in tools:
            raise UnitError(
                f"{console.route}: the unit's shell has no printf",
                hint="Serial work needs a POSIX shell with read, printf and [; otherwise use SSH.",
                code="unit.tools",
            )
        check = next((check for check in HASHES if check.tool in tools), NO_HASH)
        shell = cls(console, transcript, Wire(marker(), codec, check), pace)
        console.raw_transcript = False
        echo = pace.paced
        text = agent_text(shell.wire.mark, codec, check, tools=tools, log_out=log_out, echo=echo)
        starter.load(text, check)
        console.clear()
        pace.write(b' eval "$q"\n', deadline)
        if shell.wait(deadline.within(4 * _LINE_WAIT), 0, "G") is None:
            raise starter.bad("the agent did not start")
        transcript.note(f"agent runs; {codec.name}, {check.tool}")
        if pace.paced and not echo:
            console.write(_ECHO, deadline)
        return shell

    def run(self, command: str, deadline: Deadline) -> tuple[int, bytes, bytes]:
        """Run one command once; return status, stdout, stderr. Raises UnitError, UnitGone, DeadlineExpired."""
        self.number += 1
        return self.finish("X", command, deadline)

    def finish(self, verb: str, command: str, deadline: Deadline, *, begun: bool = False) -> tuple[int, bytes, bytes]:
        """Have request `number` run (unless it has `begun`) and bring its reply, asking again as often as needed.

        When the deadline ends, or the work is called off, the command is interrupted: the error's hint says whether
        the unit is free again.
        """
        try:
            return self._finished(verb, command, deadline, begun=begun)
        except (DeadlineExpired, Cancelled) as error:
            error.hint = f"{self.interrupt()} {error.hint}".strip()
            raise

    def _finished(self, verb: str, command: str, deadline: Deadline, *, begun: bool) -> tuple[int, bytes, bytes]:
        encoded = self.wire.codec.encode(command.encode())
        wait = self._patience(len(encoded))
        bad, previous = 0, b""
        if not begun:
            self.request(verb, encoded, deadline)
        while bad < _TRIES:
            silent = time.monotonic() - self.console.heard
            deadline.check(f"waiting for a reply on {self.console.route}, which has been silent for {silent:.0f} s")
            try:
                frame = self.wait(deadline.within(wait), self.number, "RN")
            except Damaged:
                bad += 1
                self.ask(verb, encoded, deadline)
                continue
            if frame is None:  # still at work, or the order or its reply was lost: asking again does no harm
                wait = min(2 * wait, 15.0)
                self.ask(verb, encoded, deadline)
            elif frame.kind == "N":
                bad += 1
                self.lose(deadline)
                self.request(verb, encoded, deadline)
            elif frame.value == "too-large" or frame.body == b"too-large":
                raise self.too_large()
            elif not self.wire.check.checks and frame.body != previous:
                previous = frame.body  # no hash: believed when two in a row are the same
                bad += 1
                self.ask(verb, encoded, deadline)
            else:
                self.arrive(deadline)
                return self._parsed(frame)
        raise self.worn_out("replies")

    def request(self, verb: str, encoded: bytes, deadline: Deadline) -> None:
        """Send a whole request and the order to run it. Without a hash tool its echo is compared before that."""
        for _ in range(_TRIES):
            deadline.check(f"sending a command on {self.console.route}")
            self.pace.write(self._lines(encoded), deadline)
            if self.wire.check.checks or self._echoed(encoded, deadline):
                self.ask(verb, encoded, deadline)
                return
        raise self.worn_out("commands")

    def ask(self, verb: str, encoded: bytes, deadline: Deadline) -> None:
        """Order the request to be run, or, where it has run, its reply to be sent again."""
        check = self.wire.check.short(b"%d:" % self.number + encoded)
        self.pace.write(f"{verb} {self.number} {check}\n".encode(), deadline)

    def wait(self, deadline: Deadline, number: int, kinds: str) -> Frame | None:
        """The next frame of these kinds for request `number`, or None when it was silent until the deadline.

        A frame that is on its way extends the wait. Raises Damaged, UnitGone, Cancelled.
        """
        heard = self.console.total
        while True:
            frame = self._next_frame()
            if frame is not None and frame.number == str(number) and frame.kind in kinds:
                return frame
            if frame is not None:
                continue
            if not self.console.receive(deadline.slice(0.2), cancel=None):
                if deadline.cancel.is_set():
                    deadline.check("waiting for the unit")
                if deadline.expired:
                    self._still_there()
                    return None
                self._not_idle(deadline)
            elif deadline.expired and self.frames.inside is not None and self.console.total - heard < 4 * REPLY_LIMIT:
                deadline = Deadline(1.0, cancel=deadline.cancel)

    def answers(self, seconds: float, deadline: Deadline) -> bool:
        """True when the agent answers a fresh marker within `seconds`. Raises UnitGone, Cancelled."""
        token = marker()
        limit = deadline.within(seconds)
        for _ in range(_TRIES):
            self.pace.write(f"G {token}\n".encode(), limit)
            try:
                frame = self.wait(limit.within(max(1.0, seconds / 4)), 0, "G")
            except Damaged:
                frame = None
            if frame is not None and frame.value == token:
                return True
            if limit.expired:
                break
        return False

    def lose(self, deadline: Deadline) -> None:
        """A request or a block did not arrive whole; after some in a row typing is paced by the echo."""
        self._unlucky += 1
        if (self.pace.paced or self._unlucky >= _BAD_LUCK) and self.pace.lost():
            self.console.write(_ECHO, deadline)

    def arrive(self, deadline: Deadline) -> None:
        """A request or a block arrived whole."""
        self._unlucky = 0
        if self.pace.free():
            self.console.write(_NO_ECHO, deadline)

    def interrupt(self) -> str:
        """End the command that runs, by Ctrl-C; return what became of it. Never raises for a unit that is gone."""
        with contextlib.suppress(UnitError, DeadlineExpired):
            for _ in range(2):
                self.console.write(b"\x03" + ENDED, Deadline(1.0))
                if self.answers(1.5, Deadline(1.5)):
                    return "Ctrl-C was sent, and the unit answers again."
        return "Ctrl-C was sent, and the unit does not answer: the command may still run."

    def leave(self, deadline: Deadline) -> None:
        """End the agent: the shell's prompt is back, or the login is over. Raises UnitGone, DeadlineExpired."""
        self.console.write(b"A\nQ\n", deadline)

    def too_large(self) -> UnitError:
        """The error for an answer beyond the limit."""
        return UnitError(
            f"{self.console.route}: the answer is larger than {self.wire.codec.most} bytes",
            hint="Narrow the command down, or let it write to a file.",
            code="unit.too-large",
        )

    def worn_out(self, what: str) -> UnitError:
        """The error for a wire on which nothing arrives whole."""
        return UnitError(
            f"{self.console.route}: {what} stayed damaged after {_TRIES} tries; "
            f"last noise: {excerpt(self.console.without_secrets(bytes(self.frames.noise)))}",
            hint="Check the cable, GND and the baud rate; a lower rate may help.",
            code="unit.damaged",
        )

    def _parsed(self, frame: Frame) -> tuple[int, bytes, bytes]:
        try:
            status, out, err = parse_reply(frame.body, self.wire.codec)
        except Damaged as error:
            # The hash was right, so the unit itself made this: its output was cut at our limit, or its encoder broke.
            if len(frame.body) > self.wire.codec.most:
                raise self.too_large() from error
            raise UnitError(
                f"{self.console.route}: the unit's own answer is broken: {error}", code="unit.damaged"
            ) from error
        if len(out) > self.wire.codec.most:
            raise self.too_large()
        if self.frames.noise:
            self.transcript.received(bytes(self.frames.noise))
            self.frames.noise.clear()
        return status, out, err

    def _lines(self, encoded: bytes) -> bytes:
        lines = [b"B %d\n" % self.number]
        lines += [b"D " + piece + b"\n" for piece in pieces(encoded)]
        return b"".join(lines)

    def _echoed(self, encoded: bytes, deadline: Deadline) -> bool:
        self.pace.write(b"E %d\n" % self.number, deadline)
        try:
            frame = self.wait(deadline.within(self._patience(2 * len(encoded))), self.number, "E")
        except Damaged:
            return False
        return frame is not None and frame.body == encoded

    def _next_frame(self) -> Frame | None:
        while (line := self.console.line()) is not None:
            try:
                frame = self.frames.take(line)
            except Damaged as error:
                self.damaged += 1
                self.transcript.note(f"damaged: {error}")
                raise
            if frame is not None:
                return frame
        return None

    def _patience(self, size: int) -> float:
        """Seconds before a silent unit is asked again: what the wire needs for the request, and some thought."""
        return 1.5 + 12 * (size + 200) / self.console.baud

    def _not_idle(self, deadline: Deadline) -> None:
        silent = time.monotonic() - self.console.heard
        if deadline.idle is not None and silent > deadline.idle:
            raise UnitGone(f"{self.console.route} was silent for {deadline.idle:g} s", hint="Is the cable in?")

    def _still_there(self) -> None:
        """Raise UnitGone where the line shows that the session is over: the unit rebooted or logged us out."""
        seen = bytes(self.frames.noise) + bytes(self.console.pending)
        if classify(seen) in _GONE:
            last = excerpt(masked(self.console.without_secrets(seen)))
            raise UnitGone(
                f"{self.console.route}: the session ended; last seen: {last}",
                hint="The unit rebooted or logged us out in the middle of the work.",
            )

    def _reader(self) -> FrameReader:
        return FrameReader(self.wire.mark, self.wire.codec, self.wire.check, limit=6 * REPLY_LIMIT)
