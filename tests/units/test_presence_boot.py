"""Whether a unit is still there is asked by Enter, and never into a boot."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from factory.config import SerialSection
from factory.units.console_state import ENTER
from factory.units.presence import SerialPresence


@pytest.fixture
def unit() -> Iterator[tuple[int, SerialSection]]:
    """The unit's end of a line, and the station's."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, SerialSection(port=os.ttyname(slave))
    os.close(slave)
    os.close(master)


def heard(unit: int) -> bytes:
    try:
        return os.read(unit, 1000)
    except BlockingIOError:
        return b""


def test_an_empty_slot_is_listened_to_and_gets_two_enters_after_silences(unit: tuple[int, SerialSection]) -> None:
    with SerialPresence(unit[1], enter_after=0.3) as presence:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.2:
            assert not presence.poll(0.05)
        assert heard(unit[0]) == b""
        while time.monotonic() - begun < 1.2:
            assert not presence.poll(0.05)
        assert heard(unit[0]) == ENTER * 2, "and no more"


def test_enter_is_not_sent_while_boot_bytes_come(unit: tuple[int, SerialSection]) -> None:
    with SerialPresence(unit[1], enter_after=0.3) as presence:
        for _ in range(10):
            os.write(unit[0], b"DDR init\r\n")
            assert presence.poll(0.1)
            presence.poll(0.1)
        assert heard(unit[0]) == b""


def test_nothing_at_all_is_sent_where_that_is_not_wanted(unit: tuple[int, SerialSection]) -> None:
    with SerialPresence(unit[1], enter_after=None) as presence:
        assert presence.poll(0.1) is False
        assert presence.gone(0.1) is True
        assert heard(unit[0]) == b""


def answering(unit: int, answer: bytes) -> threading.Thread:
    def answer_once() -> None:
        until = time.monotonic() + 5
        while not heard(unit) and time.monotonic() < until:
            time.sleep(0.01)
        for byte in answer:
            os.write(unit, bytes([byte]))
            time.sleep(0.005)

    thread = threading.Thread(target=answer_once)
    thread.start()
    return thread


def test_an_answer_to_enter_is_a_sign_of_life_and_its_rest_is_none(unit: tuple[int, SerialSection]) -> None:
    with SerialPresence(unit[1], enter_after=0.5) as presence:
        thread = answering(unit[0], b"\r\nDebian GNU/Linux 12 unit ttyS0\r\n\r\nunit login: ")
        assert presence.gone(2.0) is False
        thread.join()
        assert presence.gone(0.2) is True, "it was taken away after that"
        assert heard(unit[0]) == ENTER


@pytest.mark.parametrize("banner", [b"U-Boot SPL 2024.01\r\n", b"Hit any key to stop autoboot:  3 "])
def test_a_unit_that_boots_is_there_and_gets_no_enter(unit: tuple[int, SerialSection], banner: bytes) -> None:
    with SerialPresence(unit[1], enter_after=0.5) as presence:
        os.write(unit[0], banner)
        assert presence.gone(0.1) is False
        time.sleep(0.3)
        assert presence.gone(0.1) is False, "it may still be in its loader"
        assert heard(unit[0]) == b""


def test_a_countdown_that_stands_still_gets_no_enter_and_the_unit_can_be_taken_away(
    unit: tuple[int, SerialSection],
) -> None:
    with SerialPresence(unit[1], enter_after=0.2) as presence:
        os.write(unit[0], b"Hit any key to stop autoboot:  3 ")
        assert presence.gone(0.1) is False
        time.sleep(0.3)
        assert presence.gone(0.1) is True
        assert heard(unit[0]) == b""
