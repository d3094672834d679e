"""The wire on its own: its pace, its silence, and what its flaws do to bytes."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import NotStartedError
from factory.rehearsal.ends import PtyEnd
from factory.rehearsal.flaws import Flaws, misread
from factory.rehearsal.wire import Wire


class Pair:
    """A wire with a raw descriptor open at each end."""

    def __init__(self, baud: int | None) -> None:
        self.near, self.far = PtyEnd(), PtyEnd()
        self.flaws = Flaws(seed=1)
        self.a = os.open(self.near.path, os.O_RDWR | os.O_NOCTTY)
        self.b = os.open(self.far.path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.a)
        tty.setraw(self.b)
        self.wire = Wire(self.near, self.far, baud=baud, flaws=self.flaws)
        self.wire.start()

    def close(self) -> None:
        self.wire.close()
        for descriptor in (self.a, self.b):
            os.close(descriptor)
        self.near.close()
        self.far.close()


@pytest.fixture(params=[None])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(request.param)
    yield made
    made.close()


def _collect(descriptor: int, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        got += os.read(descriptor, 65536)
    return bytes(got)


def _send(descriptor: int, data: bytes) -> threading.Thread:
    def write() -> None:
        left = data
        while left:
            left = left[os.write(descriptor, left) :]

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def _seconds(source: int, sink: int, payload: bytes) -> float:
    begun = time.monotonic()
    sender = _send(source, payload)
    assert _collect(sink, len(payload)) == payload
    taken = time.monotonic() - begun
    sender.join()
    return taken


@pytest.mark.parametrize("pair", [115200], indirect=True)
def test_both_directions_run_at_11520_bytes_a_second_within_one_percent(pair: Pair) -> None:
    payload = os.urandom(23040)
    both: dict[str, float] = {}
    up = threading.Thread(target=lambda: both.update(up=_seconds(pair.b, pair.a, payload)))
    up.start()
    both["down"] = _seconds(pair.a, pair.b, payload)
    up.join()
    for taken in both.values():
        assert taken == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("pair", [9600], indirect=True)
def test_a_pause_is_not_made_up_for_afterwards(pair: Pair) -> None:
    assert _seconds(pair.a, pair.b, b"x" * 96) == pytest.approx(0.1, abs=0.03)
    time.sleep(0.3)
    assert _seconds(pair.a, pair.b, b"x" * 480) > 0.49


def test_without_pace_megabytes_pass_unchanged(pair: Pair) -> None:
    assert _seconds(pair.a, pair.b, os.urandom(2_000_000)) < 10


def test_a_dropped_and_a_changed_byte_are_the_ones_named(pair: Pair) -> None:
    payload = bytes(range(200))
    pair.flaws.drop(0.0, 100)
    _send(pair.a, payload).join()
    assert _collect(pair.b, 199) == payload[:100] + payload[101:]
    pair.flaws.drop(0.0, None)
    pair.flaws.change(0.0, 7)
    _send(pair.b, payload).join()
    got = _collect(pair.a, 200)
    assert [place for place in range(200) if got[place] != payload[place]] == [7]


@given(st.integers(0, 2**32), st.lists(st.binary(max_size=50), max_size=20))
def test_rates_lose_and_change_bytes_repeatably(seed: int, chunks: list[bytes]) -> None:
    def run() -> list[bytes]:
        flaws = Flaws(seed=seed)
        flaws.drop(0.1, None)
        flaws.change_rate = 0.1
        return [flaws.pass_through(chunk, from_unit=True) for chunk in chunks]

    first = run()
    assert first == run()
    assert all(len(after) <= len(before) for after, before in zip(first, chunks, strict=True))


def test_rates_are_what_they_say() -> None:
    flaws = Flaws(seed=3)
    flaws.drop(0.01, None)
    left = sum(len(flaws.pass_through(b"x" * 100, from_unit=False)) for _ in range(2000))
    assert 1700 < 200_000 - left < 2300


def test_cut_delivers_up_to_byte_n_and_nothing_after_until_mended(pair: Pair) -> None:
    pair.flaws.cut(150)
    _send(pair.a, bytes(100)).join()
    assert _collect(pair.b, 100) == bytes(100)
    _send(pair.b, bytes(range(100))).join()
    assert _collect(pair.a, 50) == bytes(range(50))
    _send(pair.b, b"lost").join()
    time.sleep(0.1)
    pair.flaws.mend()
    _send(pair.b, b"back").join()
    assert _collect(pair.a, 4) == b"back"


def test_overrun_keeps_what_fits_and_loses_the_rest(pair: Pair) -> None:
    pair.flaws.overrun_room = 64
    _send(pair.a, bytes(1000)).join()
    time.sleep(0.2)
    assert len(os.read(pair.b, 4096)) == 64
    _send(pair.a, b"fits").join()
    assert _collect(pair.b, 4) == b"fits"


def test_bytes_to_an_empty_port_are_lost_and_cost_nothing(pair: Pair) -> None:
    os.close(pair.a)
    _send(pair.b, b"said into the void" * 10_000).join(5)
    time.sleep(0.2)
    begun = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begun < 0.1
    pair.a = os.open(pair.near.path, os.O_RDWR | os.O_NOCTTY)
    time.sleep(0.2)
    _send(pair.b, b"heard").join()
    assert _collect(pair.a, 5) == b"heard"


@given(st.binary(min_size=1, max_size=300), st.sampled_from([9600, 38400, 57600, 230400, 921600]))
def test_a_wrong_speed_turns_bytes_into_other_bytes(data: bytes, speed: int) -> None:
    assert misread(data, 115200, 115200) == data
    assert len(misread(data, 115200, speed)) <= len(data) * max(1, speed // 115200 + 1) + 1


def test_a_login_prompt_at_half_the_speed_is_garbage() -> None:
    garbage = misread(b"\r\nunit-01 login: ", 57600, 115200)
    assert garbage
    assert b"login" not in garbage
    assert any(value >= 0x80 or value == 0 for value in garbage)


def test_no_pseudo_terminal_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> tuple[int, int]:
        raise OSError(2, "out of pty devices")

    monkeypatch.setattr(os, "openpty", none)
    with pytest.raises(NotStartedError, match=r"no pseudo terminal.*out of pty devices") as caught:
        PtyEnd()
    assert "/dev/pts" in caught.value.hint
