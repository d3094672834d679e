"""[[stage]]: the stations that a unit goes through, in order; and what the ones beyond the flash look at."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from factory.config.fields import Name, Section

PLACEHOLDERS = ("hardware_id", "device_name", "serial")
"""What `expect` may name in braces: values of the unit's record."""

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


def expected(pattern: str, values: dict[str, str]) -> re.Pattern[str]:
    """The regular expression of an `expect`, with the unit's own values in it. Raises re.error."""
    for name in PLACEHOLDERS:
        pattern = pattern.replace(f"{{{name}}}", re.escape(values.get(name, "")))
    return re.compile(pattern, re.MULTILINE)


class CheckSection(Section):
    """One of `checks`: a command on the unit, judged by its `status`, and by what it prints: `expect` is a regular
    expression that is searched for, `min` and `max` bound the number that it prints (or that the expression's first
    group holds). Seconds: `timeout`.
    """

    name: Label
    command: Name
    expect: str | None = None
    min: float | None = None
    max: float | None = None
    status: Annotated[int, Field(ge=0, le=255)] = 0
    timeout: Annotated[float, Field(gt=0)] = 30.0

    @property
    def measures(self) -> bool:
        """Whether a number is read."""
        return self.min is not None or self.max is not None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.name == "program":
            raise ValueError("a check cannot be named program: that is what the stage's own program is called")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.expect is not None:
            try:
                pattern = expected(self.expect, dict.fromkeys(PLACEHOLDERS, "x"))
            except re.error as error:
                raise ValueError(f"expect is not a regular expression: {error}") from error
            if self.measures and pattern.groups < 1:
                raise ValueError("expect has no group (...) that holds the number for min and max")
        return self


class StageSection(Section):
    """One [[stage]]. Of kind `check` it runs `checks` on the unit, and then `program` on the station, which gets the
    unit's record as JSON on stdin and says by its status 0 that all is well, within `timeout` seconds; with `scan` the
    unit's own label is scanned at the end.
    """

    name: Label
    kind: Literal["flash", "check"]
    checks: tuple[CheckSection, ...] = ()
    program: tuple[Name, ...] = ()
    scan: bool = False
    timeout: Annotated[float, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind == "flash" and (self.checks or self.program or self.scan):
            raise ValueError(f"stage {self.name} flashes: [prove] and [label] say how, so it has no checks of its own")
        names = [check.name for check in self.checks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"stage {self.name} has two checks named {name}")
        return self


def _in_order(stages: tuple[StageSection, ...]) -> tuple[StageSection, ...]:
    if not stages:
        return stages
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two stages are named {name}")
    flashing = [stage.name for stage in stages if stage.kind == "flash"]
    if len(flashing) != 1:
        raise ValueError(f'exactly one stage has kind = "flash"; here are {len(flashing)}')
    if stages[0].kind != "flash":
        raise ValueError(f"stage {flashing[0]} must be the first: before it the ledger knows no unit")
    return stages


Stages = Annotated[tuple[StageSection, ...], AfterValidator(_in_order)]
