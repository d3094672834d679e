"""[hardware]: boards that the image fits."""

from __future__ import annotations

import pytest

from factory.config import HardwareSection
from factory.flashing import HardwareRefused, board_of, require_hardware
from factory.values import Facts


def test_lists_that_are_empty_ask_nothing() -> None:
    require_hardware(HardwareSection(), Facts({}))


def test_a_listed_board_is_let_pass() -> None:
    section = HardwareSection(models=("Router 3", "Router 4"), revisions=("b",), revision_fact="rev")
    facts = Facts({}, model="Router 4", values={"rev": "b"})
    require_hardware(section, facts)
    assert board_of(section, facts) == "model Router 4, revision b"


@pytest.mark.parametrize(
    ("facts", "code", "says"),
    [
        (Facts({}), "flash.model", "it does not say what model it is"),
        (Facts({}, model="router 3"), "flash.model", 'its model is "router 3"'),
        (Facts({}, model="Router 3"), "flash.revision", "it does not say what revision it is"),
        (Facts({}, model="Router 3", values={"revision": "c"}), "flash.revision", 'its revision is "c"'),
        (Facts({}, model="\x1b[2J\n"), "flash.model", '"\\x1b[2J\\n"'),
    ],
)
def test_others_are_refused_with_what_was_found_and_what_is_listed(facts: Facts, code: str, says: str) -> None:
    with pytest.raises(HardwareRefused) as caught:
        require_hardware(HardwareSection(models=("Router 3",), revisions=("a", "b")), facts)
    assert caught.value.code == code
    assert says in caught.value.message
    assert ('"Router 3"' if code == "flash.model" else '"a" or "b"') in caught.value.message
