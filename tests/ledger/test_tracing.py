"""'What was this?': every form of every value finds the unit."""

from __future__ import annotations

import json

import pytest

from factory.ledger import Ledger, Refused
from tests.ledger import made
from tests.ledger.made import admit, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")


@pytest.mark.parametrize(
    "value",
    [
        "b8:27:eb:00:00:02",
        "B8-27-EB-00-00-02",
        "b827eb000002",
        "B827.EB00.0002",
        " b8:27:eb:00:00:02\n",
        "SN1",
        "hw-1",
        "HW-1",
        "hw_1",
        "router 1",
        made.IMAGE,
        made.IMAGE.upper(),
    ],
)
def test_every_value_finds_the_unit(ledger: Ledger, value: str) -> None:
    passed = make_pass(ledger, 1, 2)
    make_pass_of_another_image(ledger)
    trace = ledger.trace(value)
    assert trace.found
    assert [history.unit for history in trace.units] == [passed.unit]


def make_pass_of_another_image(ledger: Ledger) -> None:
    other = admit(ledger, 7, serial="SN7", slot="B")
    ledger.failed(other.id, "x", "y")


def test_the_whole_life_in_order(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2)
    ledger.failed(first.id, "flash.cable", "pulled")
    second = make_pass(ledger, 1, 2, slot="B")
    with pytest.raises(Refused):
        admit(ledger, 1, 2, serial="SN2", slot="C")
    trace = ledger.trace("hw-1")
    (history,) = trace.units
    assert [(attempt.id, str(attempt.state)) for attempt in history.attempts] == [
        (first.id, "failed"),
        (second.id, "passed"),
    ]
    assert [event.kind.removeprefix("attempt.") for event in history.events] == [
        "admitted",
        "failed",
        "admitted",
        "flashing",
        "flashed",
        "proved",
        "passed",
    ]
    assert ("mac", "b827eb000002") in history.values
    assert [stranger.serial for stranger in trace.strangers] == ["SN2"]
    assert json.loads(json.dumps(trace.as_json()))["units"][0]["state"] == "passed"


def test_an_unknown_value_is_not_found(ledger: Ledger) -> None:
    admit(ledger, 1)
    for value in ("b8:27:eb:ff:ff:ff", "", "%", "hw-"):
        assert not ledger.trace(value).found
