"""When a console may be asked at once: never while a boot loader could be listening."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from factory.config import SerialSection, Slot, SshSection, TimeoutsSection
from factory.line import bench_routes
from factory.line.bench_routes import SerialWatch, SshWatch, routes_of
from factory.line.routes import Sign
from factory.line.timing import Timing
from factory.units.login import Login

TIMING = Timing(enter_after=0.2, probe_every=5.0)
SERIAL = SerialSection(port="/dev/null")
SSH = SshSection(host="192.0.2.1", interface="nic0")


class Port:
    """Stands for the port: bytes come when `comes` says so."""

    comes: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, section: SerialSection, *, enter_after: float | None) -> None:
        assert enter_after == TIMING.enter_after

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def poll(self, seconds: float) -> bool:
        time.sleep(seconds)
        return Port.comes()


@pytest.mark.parametrize(
    ("seconds", "at_rest"),
    [(0.0, False), (0.25, True), (1.2, False)],
    ids=["boot log at once", "answer to Enter", "plugged in later"],
)
def test_only_bytes_that_answer_enter_say_that_a_console_is_at_rest(
    monkeypatch: pytest.MonkeyPatch, seconds: float, at_rest: bool
) -> None:
    monkeypatch.setattr(bench_routes, "SerialPresence", Port)
    watch = SerialWatch(SERIAL, TIMING)
    with watch:
        come = time.monotonic() + seconds
        monkeypatch.setattr(Port, "comes", staticmethod(lambda: time.monotonic() >= come))
        while not watch.listen(0.01):
            pass
    assert watch.take_at_rest() is at_rest
    assert watch.take_at_rest() is False, "it is used up"


def test_the_network_is_knocked_at_once_and_then_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    knocks: list[str] = []

    def silent(section: SshSection, seconds: float) -> bool:
        knocks.append(section.host)
        return False

    monkeypatch.setattr(bench_routes, "carrier", lambda interface: None)
    monkeypatch.setattr(bench_routes, "tcp_answers", silent)
    watch = SshWatch(SSH, TIMING)
    for _ in range(5):
        assert not watch.listen(0.01)
    assert knocks == ["192.0.2.1"]
    assert watch.ask() is Sign.SILENT


def test_without_a_carrier_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(section: SshSection, seconds: float) -> bool:
        raise AssertionError("asked")

    monkeypatch.setattr(bench_routes, "carrier", lambda interface: False)
    monkeypatch.setattr(bench_routes, "tcp_answers", never)
    assert SshWatch(SSH, TIMING).ask() is Sign.DOWN


@pytest.mark.parametrize(("answered", "enter_after"), [(True, 0.2), (False, 5.0)])
def test_a_unit_that_answers_on_the_network_is_past_its_boot_loader(
    monkeypatch: pytest.MonkeyPatch, answered: bool, enter_after: float
) -> None:
    given: list[float] = []
    monkeypatch.setattr(bench_routes, "_AT_REST", 0.2)
    monkeypatch.setattr(bench_routes, "carrier", lambda interface: None)
    monkeypatch.setattr(bench_routes, "tcp_answers", lambda section, seconds: answered)
    monkeypatch.setattr(bench_routes, "open_serial", lambda *args, **named: given.append(named["enter_after"]))
    slot = Slot(name="A", serial=SERIAL, ssh=SSH)
    serial, ssh = routes_of(slot, Login("root"), TimeoutsSection(), Timing())
    assert (serial.name, ssh.name) == ("serial:/dev/null", "ssh:192.0.2.1%nic0")
    with ssh.watch() as watch:
        watch.listen(0.0)
    serial.open(transcript=None, host_keys=None, deadline=None)  # type: ignore[arg-type]
    assert given == [enter_after]
