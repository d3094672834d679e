"""The numbers of a lot: pure over frames, and made so that they add up. Every count is of whole attempts or boards."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pandas as pd

from factory.lots.report.frames import Frames

OUTCOMES = ("passed", "failed", "refused", "unknown", "open")
_LOST = ("failed", "refused", "unknown")
NO_CODE = "(no code)"


@dataclass(frozen=True, slots=True)
class Yield:
    """What became of the boards. A board counts once, however often it was tried; `boards` came to the bench for the
    first time in this lot, `settled` of them have an end of their first visit, `first_pass` passed at it. `returned`
    had been admitted in another lot before. `low` and `high` are the 95 % interval (Wilson) of first_pass of settled.
    """

    boards: int
    settled: int
    first_pass: int
    low: float | None
    high: float | None
    returned: int
    good: int
    never_admitted: int
    nameless: int

    @property
    def rate(self) -> float | None:
        """First-pass yield, None while no board is settled."""
        return self.first_pass / self.settled if self.settled else None


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of lost attempts; `share` and `cumulative` are of all lost attempts, the most frequent first."""

    code: str
    outcome: str
    attempts: int
    boards: int
    share: float
    cumulative: float
    slots: tuple[tuple[str, int], ...]
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    """The attempts of one operator, station, slot, shift or day. `boards` first came there, `first_pass` of them
    passed at once; `median` seconds of those that passed.
    """

    name: str
    counts: dict[str, int]
    boards: int
    first_pass: int
    median: float | None

    @property
    def attempts(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def rate(self) -> float | None:
        """First-pass yield of the group, None without a board."""
        return self.first_pass / self.boards if self.boards else None


@dataclass(frozen=True, slots=True)
class Rework:
    """Work that was done more than once. `tries` counts admitted units by their attempts in this lot; `again` are those
    with more than one; `after_pass` attempts were made on a unit that had passed. `changes` counts what was done to
    units by hand, with each reason; `states` how the units stand now.
    """

    tries: tuple[tuple[int, int], ...]
    again: int
    after_pass: int
    changes: tuple[tuple[str, str, int], ...]
    states: tuple[tuple[str, int], ...]


def lot_yield(data: Frames) -> Yield:
    """First-pass yield over boards that can be told apart; an attempt of which nobody knows the board is apart."""
    attempts = data.attempts
    first = first_visits(attempts)
    settled = first[first["outcome"] != "open"]
    passed = int((settled["outcome"] == "passed").sum())
    low, high = interval(passed, len(settled))
    admitted = set(attempts.loc[attempts["unit"].notna(), "board"])
    good = int(data.units["state"].isin(["passed", "shipped"]).sum())
    return Yield(
        boards=len(first),
        settled=len(settled),
        first_pass=passed,
        low=low,
        high=high,
        returned=len(_from_elsewhere(attempts)),
        good=good,
        never_admitted=int((~settled["board"].isin(admitted) & (settled["outcome"] != "passed")).sum()),
        nameless=int(attempts["board"].isna().sum()),
    )


def first_visits(attempts: pd.DataFrame) -> pd.DataFrame:
    """The first attempt of every board that had not been admitted before it came to this lot."""
    known = attempts[attempts["board"].notna() & (attempts["visit"] == 0)]
    return known[~known["board"].isin(_from_elsewhere(attempts))]


def _from_elsewhere(attempts: pd.DataFrame) -> set[str]:
    """Units that were admitted in another lot: their first attempt here is not their first, or there is none here."""
    here = attempts[attempts["unit"].notna()].drop_duplicates("board")
    later = set(here.loc[here["number"] != 1, "board"])
    units = attempts.loc[attempts["board"].str.startswith("unit ", na=False), "board"]
    return later | (set(units) - set(here["board"]))


def interval(part: int, whole: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share after Wilson: honest for few units and near 0 and 1."""
    if not whole:
        return None, None
    z = 1.959963984540054
    share, square = part / whole, z * z / whole
    middle = (share + square / 2) / (1 + square)
    width = z / (1 + square) * math.sqrt(share * (1 - share) / whole + square / (4 * whole))
    return (0.0 if part == 0 else middle - width), (1.0 if part == whole else middle + width)


def pareto(attempts: pd.DataFrame) -> tuple[Cause, ...]:
    """Why attempts were lost, the most frequent cause first; all causes, so that the shares come to one."""
    lost = attempts.assign(code=attempts["code"].fillna(NO_CODE))[attempts["outcome"].isin(_LOST)]
    found, so_far = [], 0
    groups = sorted(lost.groupby("code", sort=True), key=lambda one: (-len(one[1]), one[0]))
    for code, part in groups:
        so_far += len(part)
        slots = part.assign(place=places(part, attempts)).groupby("place").size().sort_index()
        slots = slots.sort_values(ascending=False, kind="stable")
        known = part["board"].dropna()
        found.append(
            Cause(
                code=str(code),
                outcome=" and ".join(sorted(set(part["outcome"]))),
                attempts=len(part),
                # Every attempt on a board that nobody knows may be one more.
                boards=int(known.nunique() + part["board"].isna().sum()),
                share=len(part) / len(lost),
                cumulative=so_far / len(lost),
                slots=tuple((str(place), int(count)) for place, count in slots.items()),
                example=str(part["cause"].fillna("").iloc[-1]),
            )
        )
    return tuple(found)


def places(part: pd.DataFrame, attempts: pd.DataFrame) -> pd.Series:
    """The slot of each attempt, with its station where the lot saw more than one."""
    if attempts["station"].nunique() > 1:
        return part["station"] + " / " + part["slot"]
    return part["slot"]


def groups(attempts: pd.DataFrame) -> dict[str, tuple[Group, ...]]:
    """The attempts by operator, station, slot, shift and day. Each grouping holds every attempt once."""
    keys = {name: attempts[name] for name in ("operator", "station", "shift", "day")}
    keys["slot"] = places(attempts, attempts)
    return {name: _grouped(attempts, keys[name]) for name in ("operator", "station", "slot", "shift", "day")}


def _grouped(attempts: pd.DataFrame, key: pd.Series) -> tuple[Group, ...]:
    first = first_visits(attempts)
    first = first[first["outcome"] != "open"]
    settled = first.groupby(key[first.index]).size()
    at_once = first[first["outcome"] == "passed"]
    passed_first = at_once.groupby(key[at_once.index]).size()
    passed = attempts[attempts["outcome"] == "passed"]
    medians = passed.groupby(key[passed.index])["seconds"].median()
    counts = attempts.groupby([key.rename("key"), attempts["outcome"]]).size()
    return tuple(
        Group(
            name=str(name),
            counts={outcome: int(counts.get((name, outcome), 0)) for outcome in OUTCOMES},
            boards=int(settled.get(name, 0)),
            first_pass=int(passed_first.get(name, 0)),
            median=number(medians.get(name)),
        )
        for name in sorted(key.unique(), key=natural)
    )


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort slot 2 before slot 10."""
    parts, digits = [], ""
    for letter in f"{name}\0":
        if letter in "0123456789":
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        parts.append((1, 0, letter))
    return parts


def rework(data: Frames) -> Rework:
    """What was done more than once, and why."""
    admitted = data.attempts[data.attempts["unit"].notna()]
    per_unit = admitted.groupby("unit").size()
    tries = per_unit.value_counts().sort_index()
    passed = admitted["outcome"].eq("passed")
    passed_before = passed.astype(int).groupby(admitted["unit"]).cumsum() - passed.astype(int)
    reasons = data.changes["data"].map(_reason).astype("string") if len(data.changes) else data.changes.get("data")
    told = data.changes.assign(reason=reasons).groupby(["kind", "reason"]).size() if len(data.changes) else {}
    states = data.units["state"].value_counts().sort_index()
    return Rework(
        tries=tuple((int(count), int(units)) for count, units in tries.items()),
        again=int((per_unit > 1).sum()),
        after_pass=int((passed_before > 0).sum()),
        changes=tuple((kind.removeprefix("unit."), reason, int(count)) for (kind, reason), count in told.items()),
        states=tuple((str(state), int(count)) for state, count in states.items()),
    )


def _reason(data: str) -> str:
    return str(json.loads(data).get("reason", ""))


def number(value: object) -> float | None:
    """A float, None for what is missing."""
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]
