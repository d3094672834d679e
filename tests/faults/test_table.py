"""The table of faults says nothing that is not there: every test that it names is one that is collected."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.table import FAULTS, Fault

_TESTS = Path(__file__).parents[1]
_PAGE = _TESTS.parent / "docs" / "faults.md"


def test_there_are_twenty() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 21))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_every_test_that_is_named_is_there(fault: Fault) -> None:
    assert fault.tests
    for node in fault.tests:
        file, _, name = node.partition("::")
        module = _TESTS / file
        assert module.is_file(), node
        functions = [one for one in ast.parse(module.read_text()).body if isinstance(one, ast.FunctionDef)]
        found = next((one for one in functions if one.name == name), None)
        assert found is not None, f"{node} is not there"
        marks = {ast.unparse(mark) for mark in found.decorator_list}
        assert not any(mark.startswith(("pytest.mark.skip(", "pytest.mark.xfail")) for mark in marks), node


def test_the_page_tells_the_same_twenty() -> None:
    told = re.findall(r"^## (\d+)\. (.+)$", _PAGE.read_text(), flags=re.MULTILINE)
    assert [(int(number), name) for number, name in told] == [(fault.number, fault.name) for fault in FAULTS]
