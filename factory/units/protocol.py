"""What a unit is to the rooms above: one protocol for serial and SSH, so that reading, flashing and proving are
written once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

from factory.errors import Exit, FactoryError
from factory.units.deadline import Deadline

Progress = Callable[[int], None]
"""Called with the number of payload bytes sent so far; may be called seldom."""


class UnitError(FactoryError):
    """A unit did not do what was asked; the message names the route and what came back.

    `retry` is False where another try can only do harm (a wrong password counts towards a lockout).
    """

    code = "unit"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        exit_code: Exit | None = None,
        retry: bool = True,
    ) -> None:
        super().__init__(message, hint=hint, code=code, exit_code=exit_code)
        self.retry = retry


class UnitGone(UnitError):  # noqa: N818 - reads as what happened
    """The route to the unit broke: cable pulled, SSH reset, no answer."""

    code = "unit.gone"


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran on the unit. A non-zero `status` is data and not an error. `stderr` may be cut short."""

    command: str
    status: int
    stdout: bytes
    stderr: bytes = b""

    def text(self) -> str:
        """The output as strict UTF-8 text. Raises UnitError where it is not."""
        try:
            return self.stdout.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnitError(
                f"the answer to {self.command!r} is not UTF-8 (byte {error.start})", code="unit.encoding"
            ) from error

    def require(self, doing: str) -> Completed:
        """Return self when status is 0. Raises UnitError with what came back otherwise."""
        if self.status != 0:
            said = (self.stderr or self.stdout)[-300:].decode("ascii", "backslashreplace").strip()
            raise UnitError(f"{doing} failed on the unit with status {self.status}: {said or 'no output'}")
        return self


@dataclass(frozen=True, slots=True)
class Sent:
    """A payload that was streamed into a command: its result, payload bytes, bytes on the wire, resent blocks."""

    completed: Completed
    payload: int
    on_wire: int
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """Which programs a unit has, probed once per connection by name (`sha256sum`, `base64`, `tar`, ...)."""

    names: frozenset[str]

    def __contains__(self, name: str) -> bool:
        return name in self.names


class Unit(Protocol):
    """A logged-in unit on one route. One Unit belongs to one thread."""

    @property
    def route(self) -> str:
        """`serial:/dev/serial/by-path/...` or `ssh:192.168.1.1%enp3s0`."""

    @property
    def tools(self) -> Tools:
        """What this unit has, probed once."""

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        """Run a POSIX sh command, as root where the product says become.

        Raises UnitGone, DeadlineExpired, Cancelled; UnitError for an answer that is damaged or too large.
        """

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        """Stream `source(0)` into the command's stdin; `source(offset)` may be asked again to resume.

        The command sees every byte once, in order and unchanged, or the call raises (as `run` does).
        """

    def close(self) -> None:
        """End the session and free the route; safe to call twice, and after the unit is gone."""


@runtime_checkable
class TellsItsEnd(Protocol):
    """A unit that can be heard going down without asking it anything: one behind a serial console."""

    def await_end(self, *, deadline: Deadline) -> None:
        """Listen, without typing, until a shutdown or a boot is heard or the deadline ends. Raises Cancelled."""


class Transcript(Protocol):
    """Where a route writes what went over it; redaction and bounds are the transcript's own work."""

    def sent(self, data: bytes) -> None:
        """Bytes that went to the unit; payloads are written as '<N bytes, sha256>' by `note` instead."""

    def received(self, data: bytes) -> None:
        """Bytes that came from the unit."""

    def note(self, text: str) -> None:
        """A line about what happens ('logged in', '<1234 bytes, sha256 ...>')."""

    def secret(self, value: str) -> None:
        """A value that must be masked from now on, whichever way it appears."""


class NullTranscript:
    """A transcript that keeps nothing, for reads without a station."""

    def sent(self, data: bytes) -> None:
        """Drop it."""

    def received(self, data: bytes) -> None:
        """Drop it."""

    def note(self, text: str) -> None:
        """Drop it."""

    def secret(self, value: str) -> None:
        """Drop it."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """An SSH host key: algorithm ('ssh-ed25519') and fingerprint in OpenSSH's form ('SHA256:...')."""

    algorithm: str
    fingerprint: str
    blob: bytes = b""


class HostKeys(Protocol):
    """Which host key a unit may show; kept by the ledger, never in known_hosts."""

    def seen_at_connect(self, slot: str, key: HostKey) -> None:
        """Called before the password is sent. Raises UnitError when the slot's policy refuses this key."""

    def seen_on_unit(self, slot: str, key: HostKey, macs: tuple[str, ...]) -> None:
        """Called once the unit's MACs are read, before anything is written. Raises UnitError on an alarm."""
