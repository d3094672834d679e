"""From a bare shell prompt to a running agent: short typed lines, each acknowledged by a marker, all of them harmless
when they are typed twice.
"""

from __future__ import annotations

import re

from factory.units.console import Console
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.framing import HASHES, Hash
from factory.units.login import marker, split
from factory.units.pacing import Pace
from factory.units.protocol import UnitError, UnitGone
from factory.units.terminal import excerpt, plain

TOOLS = ("printf", "stty", "head", "od", "hexdump", "xxd", "base64", *(check.tool for check in HASHES))
_TRIES = 12
_ROUNDS = 4
_WAIT = 2.0
_PART = 360  # characters of agent text per typed line


class Bootstrap:
    """Types lines at a shell's prompt and believes nothing that has not come back between markers."""

    def __init__(self, console: Console, pace: Pace, deadline: Deadline) -> None:
        self._console = console
        self._pace = pace
        self._deadline = deadline

    def send(self, line: str) -> bytes:
        """Run one line that may run twice; return what it printed. Raises UnitError unit.damaged."""
        heard = self._console.total
        for attempt in range(_TRIES):
            first, last = marker(), marker()
            self._console.clear()
            text = f"echo {split(first)}; {line}; echo {split(last)}"
            self._pace.write(f" {text}\n".encode(), self._deadline)
            try:
                wait = self._deadline.within(_WAIT * (1 + attempt / 2) + 12 * len(text) / self._console.baud)
                _, match = self._console.expect([re.compile(rb"(?s)(.*)" + last.encode())], wait)
            except DeadlineExpired:
                if self._deadline.expired or (attempt > 0 and self._console.total == heard):
                    raise self._why(heard) from None
                # A lost quote or line end leaves the shell waiting for more of a line: Ctrl-C ends that.
                self._console.write(b"\x03\n", self._deadline)
                if self._pace.lost():
                    self._console.write(b" stty echo\n", self._deadline)
                continue
            return plain(match[1].rpartition(first.encode())[2]).strip()
        raise self.bad("typed lines do not come back")

    def probe(self) -> frozenset[str]:
        """Which of TOOLS the unit has; asked until two answers are the same."""
        previous: bytes | None = None
        for _ in range(_TRIES):
            names = " ".join(TOOLS)
            answer = self.send(f"s=; for t in {names}; do command -v $t >/dev/null 2>&1 && s=$s$t.; done; echo $s")
            found = frozenset(answer.decode("ascii", "replace").strip(".").split(".")) - {""}
            if answer == previous and found <= frozenset(TOOLS):
                return found
            previous = answer
        raise self.bad("its tools could not be read")

    def load(self, text: str, check: Hash) -> None:
        """Put `text` into the shell's variable q, whole: by hash, or by reading it back where there is no tool."""
        lines = text.split("\n")
        joined = "$n".join(f"$q{number}" for number in range(len(lines)))
        for _ in range(_ROUNDS):
            self.send('n=$(printf "\\nx"); n=${n%x}')
            whole = all(self._part(lines, group, check) for group in _grouped(lines))
            # A damaged name may have spoilt a part that was right before: then all are typed anew.
            if whole and self._put(f'q="{joined}"', "$q", text, check):
                return
        raise self.bad("a program sent to it does not arrive whole")

    def _part(self, lines: list[str], group: list[int], check: Hash) -> bool:
        typed = "; ".join(f"q{number}='{lines[number]}'" for number in group)
        expression = "".join(f"$q{number}" for number in group)
        return self._put(typed, expression, "".join(lines[number] for number in group), check)

    def _put(self, assignment: str, expression: str, text: str, check: Hash) -> bool:
        """Type an assignment until the expression is exactly `text` on the unit, or too often."""
        show = f'printf "%s" "{expression}"'
        for _ in range(_TRIES):
            if check.checks:
                answer = self.send(f"{assignment}; {show} | {check.tool}").split(b" ")[0]
                if answer.decode("ascii", "replace") == check.of(text.encode()):
                    return True
            elif self.send(f"{assignment}; {show}") == text.strip().encode():
                return True
        return False

    def _why(self, heard: int) -> UnitError:
        if self._console.total == heard:
            return UnitGone(f"{self._console.route}: the shell does not answer any more", hint="Is the cable in?")
        return self.bad("what is typed does not come back whole")

    def bad(self, why: str) -> UnitError:
        """The error for a line on which not even this works."""
        last = excerpt(self._console.without_secrets(bytes(self._console.pending)))
        return UnitError(
            f"{self._console.route}: {why}; last seen: {last}",
            hint="Check the cable, GND and the baud rate; a lower rate may help.",
            code="unit.damaged",
        )


def _grouped(lines: list[str]) -> list[list[int]]:
    """Numbers of lines that are typed together, in at most _PART characters: each typed line costs a round trip."""
    groups: list[list[int]] = []
    size = _PART
    for number, line in enumerate(lines):
        if size + len(line) + 8 > _PART:
            groups.append([])
            size = 0
        groups[-1].append(number)
        size += len(line) + 8
    return groups
