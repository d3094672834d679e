"""A regular expression of a product, searched for in what a unit printed, so that no answer can stop the station.

One with several repetitions can take years on a text that was made for it, or just on a bad one, and Python looks at
nothing else meanwhile: not at the deadline, and not at the other slots. Such a search is done by a process of its own.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from factory.errors import FactoryError
from factory.line.programs import run_program
from factory.units.deadline import Cancelled, Deadline

_REPETITIONS = frozenset("*+?{")
_AT_ONCE = 4096
"""Characters in which one repetition is searched for at once: the worst is the square of it."""
_SECONDS = 5.0
_PROGRAM = """
import json, re, sys
pattern, flags, text = json.load(sys.stdin)
found = re.compile(pattern, flags).search(text)
last = None if found is None or not found.re.groups else (found[1] or "")[:5000]
print(json.dumps([found is not None, last]))
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A match; `group` is the text of the expression's first group, None where it has no group."""

    group: str | None


class SearchFailed(FactoryError):  # noqa: N818 - reads as what happened
    """The search did not come to an end."""

    code = "check.expect"


def search(pattern: re.Pattern[str], text: str, deadline: Deadline) -> Found | None:
    """The first match in `text`, None where there is none. Raises SearchFailed where it takes more than five seconds or
    than the deadline has left; Cancelled.
    """
    if len(text) <= _AT_ONCE and sum(character in _REPETITIONS for character in pattern.pattern) < 2:
        match = pattern.search(text)
        return None if match is None else Found((match[1] or "") if match.re.groups else None)
    within = deadline.within(_SECONDS)
    asked = json.dumps([pattern.pattern, pattern.flags, text]).encode("ascii")
    # -I -S: nothing of this folder or of the environment has a say in it.
    ran = run_program([sys.executable, "-I", "-S", "-c", _PROGRAM], deadline=within, stdin=asked, folder=Path("/"))
    if deadline.cancel.is_set():
        raise Cancelled("called off while an answer was searched")
    if not ran.ok:
        raise SearchFailed(f"could not be searched for: {ran.said()}")
    matched, group = json.loads(ran.output)
    return Found(group) if matched else None
