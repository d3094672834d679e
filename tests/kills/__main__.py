"""`python -m tests.kills KIND FOLDER [--first K] [--step N] [--kills N] [--seed N]`: sweeps, in a process of their own.

Ends with 0 and a line of what was done, or with 1 and the story of the first floor on which something did not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import make_url

from tests import postgres
from tests.kills import oracle, works
from tests.kills.careless import CARELESS
from tests.kills.floor import Floor
from tests.kills.forks import adopt_orphans, import_all, in_fork
from tests.kills.sweep import Kills, Told, judged, worked

_FIRST_STEPS = 12  # of a run that makes the ledger


def main() -> int:
    """Sweep, and say what was done."""
    options = _options()
    began, told = time.monotonic(), Told()
    adopt_orphans()
    import_all()
    try:
        with CARELESS[options.careless]():
            {"line": on_the_line, "office": in_the_office}[options.kind](options, told)
    except AssertionError as error:
        print("\n".join(told.story), error, sep="\n", file=sys.stderr)
        return 1
    cpu, wall = sum(os.times()[:4]), time.monotonic() - began
    places = ", ".join(f"{count} at a {place}" for place, count in sorted(told.places.items()))
    print(f"{told.kills} kills in {told.stories} stories, {wall:.0f} s, {cpu:.0f} s of CPU: {places}")
    return 0


def on_the_line(options: argparse.Namespace, told: Told) -> None:
    """The line, killed and started again until all units have passed; then the export of them."""
    ledger = _made(
        Floor(options.folder / "empty", (), full=bool(options.full)), lambda floor: floor.build().new_ledger()
    )
    for number, kills in _stories(options, told):
        floor = Floor(options.folder / f"line-{number}", tuple(range(1, options.slots + 1)), full=bool(options.full))
        if options.server:  # its schemas are dropped with the server
            floor = replace(
                floor, ledger_url=postgres.schema(make_url(options.server), f"kills_{os.getpid()}_{number}")
            )
        new = bool(options.server) or (kills.at <= _FIRST_STEPS and not options.full)

        def build(_: int, floor: Floor = floor, new: bool = new) -> None:
            floor.build()
            if options.server and options.full:
                floor.new_ledger()
            elif not new:
                shutil.copy(ledger.folder / "ledger.db", floor.folder)

        in_fork(build).result()
        worked(floor, [works.line], kills, told)
        judged(oracle.when_all_is_done, floor, options.slots)
        worked(floor, [works.export, works.export], Kills(), told)
        judged(oracle.exported, floor, options.slots)
        shutil.rmtree(floor.folder)


def in_the_office(options: argparse.Namespace, told: Told) -> None:
    """The office's commands on the ledger of three units that have passed; then one of them is made again."""
    made = _made(Floor(options.folder / "made", (1, 2, 3)), _with_three_passed)
    for number, kills in _stories(options, told):
        floor = Floor(options.folder / f"office-{number}", made.units)
        shutil.copytree(made.folder, floor.folder, symlinks=True)
        worked(floor, works.OFFICE, kills, told)
        judged(oracle.after_a_kill, floor)
        shutil.rmtree(floor.folder)


def _with_three_passed(floor: Floor) -> None:
    summary = floor.build().run(lambda what: None)
    assert summary.passed == len(floor.units)
    works.other_ledger(floor)


def _made(floor: Floor, make: Callable[[Floor], object]) -> Floor:
    """A floor that others are copied from: making it anew for each of them would be most of the work."""

    def work(_: int) -> None:
        make(floor)

    in_fork(work).result()
    return floor


def _stories(options: argparse.Namespace, told: Told) -> Iterator[tuple[int, Kills]]:
    """The kills of each story: at every `step`-th step from `first` on until a story has no such step; or anywhere,
    several in one story. The restart is killed too, in every second story.
    """
    chance = random.Random(options.seed)
    at = options.first
    while told.kills < options.kills:
        before = told.kills
        told.stories += 1
        told.story.clear()
        if options.step:
            again = (chance.randint(1, max(60, told.longest)),) if options.again and chance.random() < 0.5 else ()
            yield at, Kills(at, *again)
        else:
            times = min(4, options.kills - told.kills)
            yield at, Kills.anywhere(chance, max(60, told.longest), times)
        if options.step and told.kills == before:
            return
        at += options.step or 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("kind", choices=["line", "office"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=0, help="0: random steps")
    parser.add_argument("--again", type=int, default=0, help="1: kill every second restart too")
    parser.add_argument("--kills", type=int, default=100, help="stop after so many")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--careless", choices=list(CARELESS), default="", help="spoil the product, to see it found out")
    parser.add_argument("--full", type=int, default=0, help="1: addresses from a pool, labels scanned back")
    parser.add_argument("--server", default="", help="URL of a PostgreSQL server, for `line`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
