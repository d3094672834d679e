"""Who is there, over routes that do what a test tells them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from factory.line.operator import Key, SlotKeys
from factory.line.routes import Sign, Watch
from factory.line.timing import Timing
from factory.line.watching import Left, SlotWatch
from factory.units.deadline import Deadline
from factory.units.protocol import HostKeys, Transcript, Unit, UnitError

FAST = Timing(gone_after=0.3, probe_every=0.05, answer_within=0.02, tick=0.01)


@dataclass
class Told:
    """A route whose unit answers or not; `asked` counts the times that something was sent to it."""

    name: str = "serial:x"
    sign: Sign = Sign.HERE
    shows: bool = False
    broken: bool = False
    asked: int = 0
    open_watches: int = 0

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Unit:
        raise AssertionError("a watch does not log in")

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        if self.broken:
            raise UnitError("the port is gone")
        self.open_watches += 1
        try:
            yield self
        finally:
            self.open_watches -= 1

    def listen(self, seconds: float) -> bool:
        return self.shows

    def ask(self) -> Sign:
        self.asked += 1
        return self.sign


@dataclass
class Slot:
    """A watched slot; `told` is what the operator was told of trouble."""

    routes: tuple[Told, ...]
    keys: SlotKeys = field(default_factory=SlotKeys)
    stop: threading.Event = field(default_factory=threading.Event)
    told: list[str] = field(default_factory=list)

    def watch(self) -> SlotWatch:
        return SlotWatch(self.routes, self.keys, FAST, self.stop, self.told.append)


def after(seconds: float, act: threading.Event | None = None, **changes: object) -> threading.Timer:
    def change() -> None:
        target = changes.pop("of", None)
        for name, value in changes.items():
            setattr(target, name, value)
        if act:
            act.set()

    timer = threading.Timer(seconds, change)
    timer.start()
    return timer


@pytest.mark.parametrize("which", [0, 1])
def test_a_unit_is_there_when_any_route_shows_it(which: int) -> None:
    slot = Slot((Told(), Told("ssh:x")))
    after(0.1, of=slot.routes[which], shows=True)
    assert slot.watch().wait_present()
    assert [route.open_watches for route in slot.routes] == [0, 0]
    assert [route.asked for route in slot.routes] == [0, 0], "an empty slot is only listened to"


def test_the_operators_key_says_that_a_unit_is_there() -> None:
    slot = Slot((Told(),))
    slot.keys.press(Key.REMOVED)
    slot.keys.press(Key.HERE)
    assert slot.watch().wait_present()


def test_a_stopped_line_waits_for_nobody() -> None:
    slot = Slot((Told(),))
    after(0.1, slot.stop)
    assert not slot.watch().wait_present()
    assert slot.watch().wait_left() is Left.STOPPED


def test_a_port_that_cannot_be_opened_is_told_once_and_tried_again() -> None:
    slot = Slot((Told(broken=True, shows=True),))
    after(0.3, of=slot.routes[0], broken=False)
    assert slot.watch().wait_present()
    assert slot.told == ["the port is gone", ""]


def test_silence_for_long_enough_is_a_removal() -> None:
    slot = Slot((Told(sign=Sign.SILENT),))
    began = time.monotonic()
    assert slot.watch().wait_left() is Left.REMOVED
    assert time.monotonic() - began >= FAST.gone_after
    assert slot.routes[0].asked == 1, "after one missed answer it only listens: Enter would stop a boot loader"


def test_a_unit_that_answers_stays() -> None:
    slot = Slot((Told(),))
    after(1.0, slot.stop)
    assert slot.watch().wait_left() is Left.STOPPED
    assert slot.routes[0].asked >= 3


def test_while_one_route_answers_the_unit_is_not_removed() -> None:
    slot = Slot((Told(), Told("ssh:x", sign=Sign.SILENT)))
    after(0.8, slot.stop)
    assert slot.watch().wait_left() is Left.STOPPED


def test_a_carrier_that_is_down_is_a_removal_at_once() -> None:
    slot = Slot((Told("ssh:x", sign=Sign.DOWN),))
    began = time.monotonic()
    assert slot.watch().wait_left() is Left.REMOVED
    assert time.monotonic() - began < FAST.gone_after


def test_the_operators_key_removes_at_once() -> None:
    slot = Slot((Told(),))
    slot.keys.press(Key.REMOVED)
    assert slot.watch().wait_left() is Left.BY_KEY


def test_something_that_answers_again_must_be_looked_at() -> None:
    slot = Slot((Told(sign=Sign.SILENT),))
    after(0.15, of=slot.routes[0], shows=True)
    assert slot.watch().wait_left() is Left.RETURNED


def test_our_own_reboot_is_no_removal_and_its_end_no_return() -> None:
    slot = Slot((Told(sign=Sign.SILENT),))
    began = time.monotonic()
    after(0.5, of=slot.routes[0], shows=True, sign=Sign.HERE)
    after(1.0, slot.stop)
    assert slot.watch().wait_left(booting_until=began + 5) is Left.STOPPED


def test_a_unit_taken_away_while_it_boots_is_removed_after_that_time() -> None:
    slot = Slot((Told(sign=Sign.SILENT),))
    began = time.monotonic()
    assert slot.watch().wait_left(booting_until=began + 0.5) is Left.REMOVED
    assert time.monotonic() - began >= 0.5 + FAST.gone_after


def test_the_key_works_while_the_port_is_gone() -> None:
    slot = Slot((Told(broken=True),))
    slot.keys.press(Key.REMOVED)
    assert slot.watch().wait_left() is Left.BY_KEY


def test_in_our_own_reboot_the_unit_is_listened_to_and_not_asked() -> None:
    slot = Slot((Told(),))
    after(0.4, slot.stop)
    assert slot.watch().wait_left(booting_until=time.monotonic() + 5) is Left.STOPPED
    assert slot.routes[0].asked == 0, "Enter would stop its boot loader"
