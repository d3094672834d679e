"""Getting a shell on a console: one login, one try, and a shell that has proved itself by a marker."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from factory.secrets import Secret
from factory.units.console import Console
from factory.units.console_state import ENTER, ConsoleState, StateFinder, was_refused
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.protocol import Transcript, UnitError
from factory.units.terminal import excerpt

# Without R, I and D no marker can spell ERROR, FAIL, WARN, INFO or DEBUG (factory floor reference, section 8).
_LETTERS = "ABCEFGHJKLMNOPQSTUVWXYZ"
_MARKER_WAIT = 5.0
_ODD_PROMPT = 2.0


@dataclass(frozen=True, slots=True)
class Login:
    """How to get in: a user with a password or (SSH) a private key; `become` says how that user becomes root."""

    user: str
    password: Secret | None = None
    key: Path | None = None
    become: Literal["none", "sudo"] = "none"


def marker() -> str:
    """Ten random letters that no program prints by chance."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def split(mark: str) -> str:
    """A marker as a shell word whose echo does not contain the marker."""
    return f'{mark[:5]}""{mark[5:]}'


@dataclass(slots=True)
class ConsoleLogin:
    """One login over one console. `found` is what the console was in, `by_us` whether we logged in."""

    console: Console
    login: Login
    transcript: Transcript
    found: ConsoleState = ConsoleState.UNKNOWN
    by_us: bool = False
    tried: bool = False

    def reach_shell(self, finder: StateFinder, boot: Deadline, seconds: float) -> None:
        """Bring the console to a shell that answers a marker, within `seconds` of the first prompt.

        Raises UnitError: unit.console.STATE, unit.login-incorrect (never to be tried again), unit.password-needed,
        unit.console.password-change; UnitGone; Cancelled; DeadlineExpired.
        """
        state = finder.find(boot)
        self.found = ConsoleState.LOGGED_IN if state is ConsoleState.SHELL else state
        self.transcript.note(f"console: {self.found.meaning}")
        deadline = boot.within(seconds)
        for _ in range(12):
            if state is ConsoleState.SHELL and self._answers(deadline):
                return
            if was_refused(finder.seen) and self.tried:
                raise self._refused(finder.seen)
            self._act(state, finder, deadline)
            finder.seen = b""
            self.console.clear()
            state = self._next(finder, deadline)
        raise self._lost(ConsoleState.UNKNOWN, finder.seen)

    def _next(self, finder: StateFinder, deadline: Deadline) -> ConsoleState:
        """The next state after something was sent: programs think a while before they print their prompt."""
        while True:
            state = finder.settled(deadline)
            if state not in (ConsoleState.SILENT, ConsoleState.UNKNOWN, ConsoleState.BOOTING):
                return state
            if was_refused(finder.seen) and self.tried:
                raise self._refused(finder.seen)
            if deadline.expired:
                raise self._lost(state, finder.seen)
            if state is ConsoleState.UNKNOWN and self.by_us and finder.quiet > _ODD_PROMPT:
                return ConsoleState.SHELL  # a prompt of the maker's own: the marker will tell

    def _act(self, state: ConsoleState, finder: StateFinder, deadline: Deadline) -> None:
        if state is ConsoleState.LOGIN:
            if self.tried:
                raise self._refused(finder.seen)
            self.by_us = True
            self.console.write(self.login.user.encode() + b"\r", deadline)
        elif state is ConsoleState.PASSWORD:
            self._answer_password(deadline)
        elif state in (ConsoleState.ACTIVATE, ConsoleState.HALF_TYPED, ConsoleState.LEFT_OPEN, ConsoleState.SHELL):
            self.console.write(ENTER, deadline)
        else:
            raise state.error(self.console.route, self.console.without_secrets(finder.seen))

    def _answer_password(self, deadline: Deadline) -> None:
        if not self.by_us:
            # Somebody else's user name stands above: end that login instead of spending a try on it.
            self.console.write(b"\x04", deadline)
            return
        if self.tried:
            raise self._refused(b"Password:")
        if self.login.password is None:
            raise UnitError(
                f"{self.console.route} asks for the password of {self.login.user}, and none is given",
                hint="Give [unit.login] password, or --password.",
                code="unit.password-needed",
            )
        self.tried = True
        password = self.login.password.reveal()
        self.transcript.secret(password)
        self.console.conceal(password)
        self.console.write(password.encode() + b"\r", deadline, shown="<password>")

    def _lost(self, state: ConsoleState, seen: bytes) -> UnitError:
        """The error for a login that led nowhere. A password that got no verdict may have counted as a wrong one, so
        whoever does the whole again must not send it a second time.
        """
        error = state.error(self.console.route, self.console.without_secrets(seen))
        error.retry = not self.tried
        return error

    def _refused(self, seen: bytes) -> UnitError:
        last = excerpt(self.console.without_secrets(seen))
        return UnitError(
            f"{self.console.route}: {ConsoleState.INCORRECT.meaning} for {self.login.user}; last seen: {last}",
            hint=f"{ConsoleState.INCORRECT.hint} It was tried once and is not tried again.",
            code="unit.login-incorrect",
            retry=False,
        )

    def _answers(self, deadline: Deadline) -> bool:
        """Ask whatever showed a prompt to print a marker; nothing but a shell does."""
        mark = marker()
        self.console.clear()
        self.console.write(f" echo {split(mark)}\n".encode(), deadline)
        try:
            self.console.expect([re.compile(mark.encode())], deadline.within(_MARKER_WAIT))
        except DeadlineExpired:
            return False
        return True
