"""From a bare shell prompt to a running agent: short typed lines, each acknowledged by a marker, all of them harmless
when they are typed twice.
"""

from __future__ import annotations

import re

from factory.units.console import Console
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.framing import HASHES, Hash
from factory.units.login import marker, split
from factory.units.protocol import UnitError
from factory.units.terminal import excerpt, plain

TOOLS = ("stty", "head", "od", "hexdump", "base64", *(check.tool for check in HASHES))
_TRIES = 12
_WAIT = 3.0
_PART = 360  # characters of agent text per typed line


class Bootstrap:
    """Types lines at a shell's prompt and believes nothing that has not come back between markers."""

    def __init__(self, console: Console, deadline: Deadline) -> None:
        self._console = console
        self._deadline = deadline

    def send(self, line: str) -> bytes:
        """Run one line that may run twice; return what it printed. Raises UnitError unit.damaged."""
        for attempt in range(_TRIES):
            first, last = marker(), marker()
            self._console.clear()
            text = f"echo {split(first)}; {line}; echo {split(last)}"
            self._console.write(f" {text}\n".encode(), self._deadline)
            try:
                wait = self._deadline.within(_WAIT * (1 + attempt / 2) + 12 * len(text) / self._console.baud)
                _, match = self._console.expect([re.compile(rb"(?s)(.*)" + last.encode())], wait)
            except DeadlineExpired:
                self._deadline.check(f"talking to the shell on {self._console.route}")
                # A lost quote or line end leaves the shell waiting for more of a line: Ctrl-C ends that.
                self._console.write(b"\x03\n", self._deadline)
                continue
            return plain(match[1].rpartition(first.encode())[2]).strip()
        raise self.bad("typed lines do not come back")

    def probe(self) -> frozenset[str]:
        """Which of TOOLS the unit has; asked until two answers are the same."""
        previous: bytes | None = None
        for _ in range(_TRIES):
            names = " ".join(TOOLS)
            answer = self.send(f'for t in {names}; do command -v $t >/dev/null 2>&1 && printf "%s." $t; done; echo')
            found = frozenset(answer.decode("ascii", "replace").strip(".").split(".")) - {""}
            if answer == previous and found <= frozenset(TOOLS):
                return found
            previous = answer
        raise self.bad("its tools could not be read")

    def load(self, text: str, check: Hash) -> None:
        """Put `text` into the shell's variable q, whole: by hash, or by reading it back where there is no tool."""
        lines = text.split("\n")
        self.send('n=$(printf "\\nx"); n=${n%x}')
        typed = _grouped([f"q{number}='{line}'" for number, line in enumerate(lines)])
        joined = "$n".join(f"$q{number}" for number in range(len(lines)))
        typed.append(f'q="{joined}"')
        for _ in range(_TRIES):
            for assignments in typed:
                self.send(assignments)
            if self._holds(text, check):
                return
        raise self.bad("a program sent to it does not arrive whole")

    def bad(self, why: str) -> UnitError:
        """The error for a line on which not even this works."""
        return UnitError(
            f"{self._console.route}: {why}; last seen: {excerpt(bytes(self._console.pending))}",
            hint="Check the cable, GND and the baud rate; a lower rate may help.",
            code="unit.damaged",
        )

    def _holds(self, text: str, check: Hash) -> bool:
        if check.checks:
            answer = self.send(f'printf "%s" "$q" | {check.tool}')
            return answer.split(b" ")[0].decode("ascii", "replace") == check.of(text.encode())
        return self.send('printf "%s" "$q"') == text.strip().encode()


def _grouped(assignments: list[str]) -> list[str]:
    """Join short assignments to lines of at most _PART characters: a line costs a round trip."""
    lines: list[str] = []
    for assignment in assignments:
        if lines and len(lines[-1]) + len(assignment) < _PART:
            lines[-1] += f"; {assignment}"
        else:
            lines.append(assignment)
    return lines
