"""One check: what a unit prints, against what the product asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import CheckSection
from factory.line.checking import CheckFailed, Measurement, run_check
from factory.line.masking import Masks
from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.protocol import Completed, Unit, UnitError, UnitGone
from factory.values import canonical

KNOWN = {"hardware_id": "b827eb000001", "device_name": "router 1", "serial": ""}


@dataclass
class Answers:
    """A unit that gives one answer."""

    answer: Callable[[], Completed]

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        return self.answer()


def measure(stdout: bytes = b"", status: int = 0, stderr: bytes = b"", **check: Any) -> Measurement:
    return ask(lambda: Completed("x", status, stdout, stderr), **check)


def ask(answer: Callable[[], Completed], **check: Any) -> Measurement:
    section = CheckSection(name="a", command="x", **check)
    within = Deadline(section.timeout)
    return run_check(cast("Unit", Answers(answer)), section, KNOWN, Masks(["hunter2hunter2"]), within)


@pytest.mark.parametrize(
    ("said", "check", "value"),
    [
        (b"", {}, ""),
        (b"-50\n", {"min": -70, "max": -20}, "-50"),
        (b" 1e3 ", {"max": 1000}, "1e3"),
        (b"signal: -50 dBm\r\n", {"expect": r"signal: (\S+) dBm", "min": -70}, "-50"),
        (b"b827eb000001.\n", {"expect": "^{hardware_id}"}, "b827eb000001."),
        (b"a\nok\n", {"expect": "^ok$"}, "a | ok"),
        (b"x" * 100_000 + b" rssi: -50 dBm", {"expect": r"rssi:\s*(\S+)\s+dBm", "min": -70}, "-50"),
        (b"v1.2 -\xff\x00\n", {"expect": r"^v(\d+)\.(\d+)", "max": 1}, "1"),
    ],
)
def test_what_is_good(said: bytes, check: dict[str, Any], value: str) -> None:
    measured = measure(said, **check)
    assert measured.ok, measured
    assert measured.value == value


@pytest.mark.parametrize(
    ("said", "check", "why"),
    [
        (b"-71", {"min": -70}, "-71 is below -70"),
        (b"101", {"max": 100}, "101 is above 100"),
        (b"", {"max": 100}, "holds no number"),
        (b"12 apples", {"max": 100}, "holds no number"),
        (b"nan", {"max": 100}, "holds no number"),
        (b"1e999", {"min": 0}, "no finite number"),
        (b"-1e999", {"max": 0, "min": -5}, "is below -5"),
        (b"b827eb000002", {"expect": "^{hardware_id}$"}, "does not match ^b827eb000001$"),
        (b"\x1b[2J\xff", {"expect": "ok"}, "does not match ok"),
        (b"a" * 40 + b"!", {"expect": "^(a+)+$", "timeout": 1.0}, "could not be searched for: no end within"),
        (b"0" * 100_000 + b"5", {"max": 100}, "holds no number"),
        ("\u0663".encode(), {"max": 100}, "holds no number"),
    ],
)
def test_what_is_not(said: bytes, check: dict[str, Any], why: str) -> None:
    measured = measure(said, **check)
    assert why in measured.why
    assert "\x1b" not in measured.why + measured.value
    with pytest.raises(CheckFailed) as caught:
        raise CheckFailed(measured, 2)
    assert (caught.value.code, "2 more failed" in caught.value.message) == ("check.a", True)


def test_the_status_counts_before_the_words() -> None:
    measured = measure(b"ok", status=3, stderr=b"no such file", expect="ok")
    assert "ended with status 3 and not 0" in measured.why
    assert "no such file" in measured.why
    assert measure(b"", status=1).why


def test_a_secret_is_masked() -> None:
    measured = measure(b"hunter2hunter2", max=1)
    assert "hunter2" not in str(measured.as_json())


def test_no_answer_is_a_measurement_and_a_unit_that_is_gone_is_not() -> None:
    def late() -> Completed:
        raise DeadlineExpired("too late")

    def damaged() -> Completed:
        raise UnitError("the answer is damaged", code="unit.damaged")

    def gone() -> Completed:
        raise UnitGone("the cable was pulled")

    def called_off() -> Completed:
        raise Cancelled("called off")

    assert "no answer within 30 s" in ask(late).why
    assert "the answer is damaged" in ask(damaged).why
    with pytest.raises(UnitGone):
        ask(gone)
    with pytest.raises(Cancelled):
        ask(called_off)


@given(st.binary(max_size=200), st.integers(0, 255))
def test_whatever_a_unit_says_it_can_be_kept(said: bytes, status: int) -> None:
    told = measure(said, status, expect="(.*)", min=0)
    canonical(told.as_json())
    assert told.value.isprintable()
