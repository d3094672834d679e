"""Values as numbers in a row, and their cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.values import InvalidValue, Mac
from factory.values.pools import Numbered, PoolKind, PoolSpec, Run, text_of

_SERIALS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._:/+-]{0,62}[A-Za-z0-9])?", fullmatch=True)
_WHOLE_MAC = st.integers(0, 2**48 - 1)


@given(_SERIALS)
def test_a_serial_is_its_number_behind_its_prefix(text: str) -> None:
    value = Numbered.parse(PoolKind.SERIAL, text)
    assert value.text() == text
    assert value.width <= 18
    assert value.width == 18 or not value.prefix[-1:].isdigit()


@given(_WHOLE_MAC)
def test_an_address_is_itself_as_a_number(number: int) -> None:
    value = Numbered.parse(PoolKind.MAC, f"{number:012X}")
    assert (value.number, value.text()) == (number, f"{number:012x}")
    assert Numbered.parse(PoolKind.MAC, Mac.parse(value.text()).colons) == value


@given(_SERIALS, st.integers(1, 10**6))
def test_a_counted_run_ends_where_its_values_do(text: str, count: int) -> None:
    first = Numbered.parse(PoolKind.SERIAL, text)
    try:
        run = Run.counted(first, count)
    except InvalidValue:
        assert len(str(first.number + count - 1)) > first.width
        return
    assert run.size == count
    last = Numbered.parse(PoolKind.SERIAL, run.text(run.high))
    assert Run.of(first, last) == run


@given(
    low=st.integers(0, 2**24),
    size=st.integers(1, 5000),
    count=st.integers(1, 70),
    align=st.sampled_from([1, 2, 3, 8, 64]),
)
def test_cells_are_whole_aligned_apart_and_as_many_as_fit(low: int, size: int, count: int, align: int) -> None:
    run = Run(PoolKind.MAC, "", 12, low, low + size - 1)
    cut = PoolSpec("p", "lan", PoolKind.MAC, count=count, align=align).cut(run)
    starts = [cut.first + number * cut.stride for number in range(cut.cells)]
    assert all(start % align == 0 and run.low <= start and start + count - 1 <= run.high for start in starts)
    assert cut.stride >= count
    assert cut.stride - count < align
    following = cut.first + cut.cells * cut.stride
    assert following + count - 1 > run.high  # none was left out


@given(st.integers(0, 2**48 - 300), st.integers(1, 300))
def test_a_run_crosses_a_block_only_where_its_first_half_changes(low: int, size: int) -> None:
    run = Run(PoolKind.MAC, "", 12, low, low + size - 1)
    blocks = {text_of(PoolKind.MAC, "", 12, number)[:6] for number in (run.low, run.high)}
    assert run.crosses_block() == (len(blocks) > 1)


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        ("SN1", "SN02", "POOL-RANGE"),
        ("SN1", "SX2", "POOL-RANGE"),
        ("SN2", "SN1", "POOL-RANGE"),
        ("A", "B", "POOL-RANGE"),
    ],
)
def test_no_row_leads_there(first: str, last: str, code: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Run.of(*(Numbered.parse(PoolKind.SERIAL, text) for text in (first, last)))
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "a b", "x;y", "$(reboot)", "-1", "1-", "Ä", "a" * 65, "a\n", "`id`"])
def test_what_no_serial_of_a_pool_can_be(text: str) -> None:
    with pytest.raises(InvalidValue):
        Numbered.parse(PoolKind.SERIAL, text)
