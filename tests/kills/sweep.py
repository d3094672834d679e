"""Sweeps: a floor is worked and killed at a step, started again, perhaps killed again, and judged after each of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.kills import oracle
from tests.kills.floor import Floor
from tests.kills.folder_unit import Step
from tests.kills.forks import in_fork
from tests.kills.steps import Steps, counted


class Work(Protocol):
    """What a fork does; its name stands in the story."""

    __name__: str

    def __call__(self, floor: Floor, step: Step, /) -> object:
        """Do it, or find that it was done. Raises AssertionError."""


@dataclass(slots=True)
class Told:
    """What became of a sweep: kills, by what they fell upon; how many stories there were, and the present one; the
    most steps of a work.
    """

    kills: int = 0
    stories: int = 0
    story: list[str] = field(default_factory=list)
    longest: int = 0
    places: Counter[str] = field(default_factory=Counter)


class Kills:
    """When to kill: at so many steps from the beginning, then at so many from the restart, and so on."""

    def __init__(self, *steps: int) -> None:
        self._left = list(steps)

    @classmethod
    def anywhere(cls, chance: random.Random, longest: int, times: int) -> Kills:
        """`times` kills: one within `longest` steps, the others within half of that, since less is left to do."""
        return cls(chance.randint(1, longest), *(chance.randint(1, longest // 2) for _ in range(times - 1)))

    @property
    def at(self) -> int:
        """The step of the next fork at which it is killed; 0 for never."""
        return self._left[0] if self._left else 0

    def killed(self) -> None:
        """The first of them was done."""
        self._left.pop(0)

    def survived(self, steps: int) -> None:
        """So many steps went by without one."""
        if self._left:
            self._left[0] -= steps


def counting(work: Work, floor: Floor, kill_at: int) -> Callable[[int], object]:
    """The work of a fork: done with its steps counted; the result is their number."""

    def do(tell: int) -> object:
        steps = Steps(kill_at, tell)
        with counted(steps, floor.folder):
            work(floor, steps)
        return steps.count

    return do


def judged(judge: Callable[..., object], *arguments: object) -> None:
    """Judge in a fork, so that this process opens nothing. Raises AssertionError."""

    def do(_: int) -> None:
        judge(*arguments)

    in_fork(do).result()


def worked(floor: Floor, works: Sequence[Work], kills: Kills, told: Told) -> None:
    """Do each work, again after each kill, until it ends by itself; the story ends with the work that the last kill
    fell upon. After each kill everything is judged. Raises AssertionError.
    """
    ends = bool(kills.at)
    for work in works:
        while (ended := in_fork(counting(work, floor, kills.at))).killed:
            told.story.append(f"{work.__name__}: killed at step {kills.at}, {ended.said}")
            kills.killed()
            told.kills += 1
            told.places[kind_of(ended.said)] += 1
            judged(oracle.after_a_kill, floor)
        steps = int(ended.result())
        told.story.append(f"{work.__name__}: done in {steps} steps")
        kills.survived(steps)
        told.longest = max(told.longest, steps)
        if ends and not kills.at:
            break


def kind_of(step: str) -> str:
    """Which seam a step belongs to."""
    for word in ("commit", "command", "sent"):
        if word in step:
            return word
    return "file"
