"""Which state a console is in: found by listening first, and by Enter only when it has long been silent."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import Enum

from factory.units.console import Console
from factory.units.deadline import Deadline
from factory.units.protocol import UnitError
from factory.units.terminal import excerpt, is_garbage, last_line, plain

# Ctrl-U first: what somebody left half typed at a prompt is rubbed out and never run.
ENTER = b"\x15\r"
# The first one may only end a line that a station left half typed when it was killed, and get no answer by that.
ENTERS = 2
SETTLE = 0.25  # seconds without a byte after which the cursor's line is looked at


class ConsoleState(Enum):
    """What a console can be found in: a stable name, what it means, what to do."""

    SILENT = ("silent", "nothing came, and no answer to Enter", "Is the unit powered, and are RX, TX and GND right?")
    BOOTING = ("booting", "the boot log still runs", "Wait, or raise [unit.timeouts] boot.")
    LOGIN = ("login", "a login prompt", "")
    PASSWORD = ("password", "a password prompt that somebody else's user name led to", "")
    SHELL = ("shell", "a shell prompt", "")
    LOGGED_IN = ("logged-in", "a shell that somebody left logged in", "")
    ACTIVATE = ("activate", "'Press Enter to activate this console'", "")
    INCORRECT = ("login-incorrect", "user or password was refused", "Check [unit.login] user and password.")
    PASSWORD_CHANGE = (
        "password-change",
        "the unit demands a new password",
        "Set one by hand, or ship an image whose password has not expired.",
    )
    UBOOT = (
        "u-boot",
        "the boot loader's prompt; the system was not started",
        "Type boot, or power it off and on.",
    )
    AUTOBOOT = ("autoboot", "the boot loader's countdown", "Leave it alone: any key would stop it.")
    EMERGENCY = (
        "emergency",
        "an emergency or initramfs shell; the root file system did not start",
        "Read the console above it. Writing now would go to the wrong file system.",
    )
    HALF_TYPED = ("half-typed", "a line that somebody typed and did not send; it was rubbed out, not run", "")
    LEFT_OPEN = ("left-open", "a session that a station left behind", "")
    GARBAGE = (
        "garbage",
        "no readable text",
        "The baud rate is probably wrong: try 115200, 57600, 9600, 1500000. Check GND too.",
    )
    UNKNOWN = ("unknown", "text, but no prompt that is known", "")

    def __init__(self, label: str, meaning: str, hint: str) -> None:
        self.label = label
        self.meaning = meaning
        self.hint = hint

    def error(self, route: str, seen: bytes) -> UnitError:
        """The error for a console that stayed in this state."""
        message = f"{route}: {self.meaning}; last seen: {excerpt(seen)}"
        return UnitError(message, hint=self.hint, code=f"unit.console.{self.label}")


_LOGIN = re.compile(rb"(?i)\blogin:\s*$")
_PASSWORD = re.compile(rb"(?i)\bpass(?:word|phrase)(?: for [^:]{1,64})?:\s*$")
_CHANGE = re.compile(rb"(?i)(?:current|old|new|retype|re-?enter|change)[a-z ()]* password:\s*$")
_DEMAND = re.compile(rb"(?i)required to change your password|password (?:has )?expired|must change your password")
_ACTIVATE = re.compile(rb"(?i)press enter to activate this console")
_INCORRECT = re.compile(rb"(?i)login incorrect|authentication failure|permission denied, please try again|login failed")
_AUTOBOOT = re.compile(rb"(?i)(?:hit any key|press .{0,40}) to (?:stop|abort) (?:autoboot|boot)|autoboot in \d+ sec")
_KERNEL = re.compile(rb"(?i)starting kernel|booting linux|uncompressing linux|linux version \d")
_UBOOT = re.compile(rb"(?:=>|U-Boot\S*[>#]|[\w.-]*u-?boot[>#]|grub(?: rescue)?>|barebox\S*[>#/]|CFE>)\s*$")
_EMERGENCY = re.compile(
    rb"(?i)\(initramfs\)\s*$|give root password for maintenance|you are in emergency mode|entering emergency mode"
    rb"|(?:dracut|initramfs|emergency|rescue):[^\n]{0,40}[#$]\s*$|press enter for maintenance"
)
# Not "####" nor "50%": boot loaders print such while they load, and a key pressed there may stop them.
_SHELL = re.compile(rb"(?:^|[^=>#%])#\s*$|(?:^|[^=>$])[$>]\s*$|(?:^|[^\d%])%\s*$")
_TYPED = re.compile(rb"(?i)^(?:\[?[\w.@~:/ -]{1,60}\]?[#$] ?\S|[\w.-]{1,64} login: *\S)")
_FRAME = re.compile(rb"(?m)^[A-Z]{10}[()] ")


def classify(data: bytes) -> ConsoleState:
    """Judge what came since we listen, once the line is quiet. A pure function of the bytes; a prompt that it
    names is a guess until a marker has come back through it.
    """
    if not data.strip(b"\0"):
        return ConsoleState.SILENT
    recent = plain(data[-2048:])
    cursor = last_line(data[-1024:])
    if _FRAME.search(plain(data[-200:])):
        return ConsoleState.LEFT_OPEN
    countdown = [match.end() for match in _AUTOBOOT.finditer(recent)]
    if countdown and not _past_the_loader(recent[countdown[-1] :], cursor):
        return ConsoleState.AUTOBOOT
    for pattern, state in _PROMPTS:
        if pattern.search(cursor):
            return state
    tail = recent[-300:]
    if _EMERGENCY.search(tail):
        return ConsoleState.EMERGENCY
    if _ACTIVATE.search(tail):
        return ConsoleState.ACTIVATE
    if _DEMAND.search(tail):
        return ConsoleState.PASSWORD_CHANGE
    if is_garbage(data[-256:]):
        return ConsoleState.GARBAGE
    if _SHELL.search(cursor) and len(cursor) < 200:
        return ConsoleState.SHELL
    return ConsoleState.HALF_TYPED if _TYPED.search(cursor) else ConsoleState.UNKNOWN


def _past_the_loader(since: bytes, cursor: bytes) -> bool:
    """True when a countdown is over: the kernel spoke, or (after a boot without a word) a prompt stands there."""
    return any(pattern.search(since) for pattern in (_KERNEL, _ACTIVATE)) or any(
        pattern.search(cursor) for pattern in (_UBOOT, _LOGIN)
    )


_PROMPTS = (
    (_EMERGENCY, ConsoleState.EMERGENCY),
    (_CHANGE, ConsoleState.PASSWORD_CHANGE),
    (_LOGIN, ConsoleState.LOGIN),
    (_PASSWORD, ConsoleState.PASSWORD),
    (_UBOOT, ConsoleState.UBOOT),
)
_USABLE = frozenset(
    {
        ConsoleState.LOGIN,
        ConsoleState.PASSWORD,
        ConsoleState.SHELL,
        ConsoleState.ACTIVATE,
        ConsoleState.PASSWORD_CHANGE,
        ConsoleState.UBOOT,
        ConsoleState.EMERGENCY,
        ConsoleState.HALF_TYPED,
        ConsoleState.LEFT_OPEN,
    }
)


def was_refused(data: bytes) -> bool:
    """True when the unit says that user or password were wrong."""
    return bool(_INCORRECT.search(plain(data[-1024:])))


@dataclass(slots=True)
class StateFinder:
    """Listens to one console until its state is plain.

    Enter is sent after `enter_after` seconds without a byte (None: never), once more after another such silence where
    nothing answered, and not while a boot loader counts down, because any key would stop it there.
    """

    console: Console
    enter_after: float | None = 5.0
    entered: int = 0  # how often Enter was sent
    entered_at: float = 0.0  # monotonic time of the last one
    seen: bytes = b""

    def find(self, deadline: Deadline) -> ConsoleState:
        """Return the first state that somebody can act on; a boot log is waited for until the deadline, and so is
        a silent line. Raises UnitError `unit.console.STATE` at the deadline, UnitGone, Cancelled.
        """
        while True:
            state = self.settled(deadline)
            if state in _USABLE and (self.quiet >= self._patience(state) or deadline.expired):
                return state
            if deadline.expired:
                raise self._at_the_end(state).error(self.console.route, self.console.without_secrets(self.seen))
            self._maybe_enter(state, deadline)

    def settled(self, deadline: Deadline, settle: float = SETTLE) -> ConsoleState:
        """Judge the line once it is quiet for `settle` seconds, or at the deadline."""
        while True:
            data = self.console.receive(deadline.slice(settle), cancel=None)
            if deadline.cancel.is_set():
                deadline.check(f"listening to {self.console.route}")
            if data:
                self.seen = (self.seen + data)[-8192:]
            elif self.quiet >= settle or deadline.expired:
                return classify(self.seen)
            if deadline.expired:
                return ConsoleState.BOOTING

    @property
    def quiet(self) -> float:
        """Seconds since the last byte."""
        return time.monotonic() - self.console.heard

    def _patience(self, state: ConsoleState) -> float:
        """How long a line must be quiet before this state is believed: what looks like a shell or like a typed
        line may be a boot log that pauses, and what is sent into that may stop the boot.
        """
        enter_after = 5.0 if self.enter_after is None else self.enter_after
        if state is ConsoleState.HALF_TYPED:
            return enter_after
        return min(1.0, enter_after) if state is ConsoleState.SHELL and not self.entered else 0.0

    def _maybe_enter(self, state: ConsoleState, deadline: Deadline) -> None:
        if self.entered >= ENTERS or self.enter_after is None or state is ConsoleState.AUTOBOOT:
            return
        if self.entered and self.seen:
            return  # the first one was answered
        now = time.monotonic()
        if min(self.quiet, now - self.entered_at) >= self.enter_after:
            self.entered += 1
            self.entered_at = now
            self.seen = b"" if state is ConsoleState.UNKNOWN else self.seen
            self.console.write(ENTER, deadline)

    def _at_the_end(self, state: ConsoleState) -> ConsoleState:
        if state in (ConsoleState.GARBAGE, ConsoleState.AUTOBOOT):
            return state
        if not self.seen:
            return ConsoleState.SILENT
        return ConsoleState.BOOTING if self.quiet < 2 * SETTLE else state
