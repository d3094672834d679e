"""First contact: every route of the slot is opened and read, the routes must agree; a broken read is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.line.hostkeys import SlotHostKeys
from factory.line.routes import Route
from factory.line.transcript import AttemptTranscript
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.facts import agree, read_facts
from factory.units.protocol import Unit, UnitError, UnitGone
from factory.values import Facts

# Errors that may be gone at the next try. A wrong password or a refused host key is never tried again. A port is busy
# for a moment when another slot starts a program just as this one gives the port from its watch to its session.
_PASSING = frozenset({"unit.damaged", "unit.ssh", "unit.ssh.unreachable", "unit.console.unknown", "unit.port-busy"})

Doing = Callable[[str, tuple[str, ...]], None]
Retried = Callable[[str, int, FactoryError], None]


class Contact:
    """The unit of one attempt: at most one open session, on the route that it is flashed over."""

    def __init__(
        self, routes: Sequence[Route], section: UnitSection, transcript: AttemptTranscript, host_keys: SlotHostKeys
    ) -> None:
        self._routes = tuple(routes)
        self._section = section
        self._transcript = transcript
        self._host_keys = host_keys
        self._unit: Unit | None = None

    @property
    def unit(self) -> Unit:
        """The open session."""
        assert self._unit is not None, "no session is open"
        return self._unit

    @property
    def routes(self) -> tuple[str, ...]:
        """The names of the slot's routes."""
        return tuple(route.name for route in self._routes)

    def establish(self, deadline: Deadline, *, tries: int, pause: float, doing: Doing, retried: Retried) -> Facts:
        """Log in over every route, read over each; return the facts that they agree upon.

        The whole group is done up to `tries` times where the error may pass. Raises UnitError, UnitGone,
        DeadlineExpired, Cancelled.
        """
        for attempt in range(1, tries + 1):
            try:
                return self._read_all(deadline, doing)
            except (UnitError, DeadlineExpired) as error:
                self.close()
                if attempt == tries or deadline.expired or not may_pass(error):
                    raise
                retried("connect", attempt, error)
                deadline.pause(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def read(self, unit: Unit, deadline: Deadline) -> Facts:
        """Read a unit's facts into this attempt's transcript, which masks the key that the unit holds already."""
        return read_facts(unit, self._section, deadline=deadline, transcript=self._transcript)

    def reconnect(self, deadline: Deadline) -> Unit:
        """Log in anew over the route that is flashed over, as after a reboot."""
        self.close()
        self._unit = self._open(self._routes[-1], deadline)
        return self._unit

    def use(self, unit: Unit) -> None:
        """Take over the session that the proof came back with."""
        self._unit = unit

    def close(self) -> None:
        """End the session and give back its port; safe to call twice."""
        unit, self._unit = self._unit, None
        if unit is not None:
            unit.close()

    def _read_all(self, deadline: Deadline, doing: Doing) -> Facts:
        facts: Facts | None = None
        for route in self._routes:
            self.close()
            doing("connect", (route.name,))
            self._unit = self._open(route, deadline)
            doing("read", (route.name,))
            read = self.read(self._unit, deadline.within(4 * self._section.timeouts.command))
            facts = read if facts is None else agree(facts, read)
        assert facts is not None, "a slot has at least one route"
        return facts

    def _open(self, route: Route, deadline: Deadline) -> Unit:
        self._transcript.note(f"connecting: {route.name}")
        return route.open(transcript=self._transcript, host_keys=self._host_keys, deadline=deadline)


def may_pass(error: FactoryError) -> bool:
    """True when doing the same once more can end otherwise."""
    if isinstance(error, (UnitGone, DeadlineExpired)):
        return True
    return error.code in _PASSING and getattr(error, "retry", True) is True
