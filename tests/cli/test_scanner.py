"""Where scans come from, and what a typed line means."""

from __future__ import annotations

import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factory.cli.keys import Keyboard
from factory.cli.scanner import scans_from
from factory.cli.screen import Screen
from factory.cli.typed import Typed
from factory.errors import UsageError
from factory.labels import complete_code
from factory.line import Key
from factory.values import LabelCode
from tests.line.floor import eventually

ONE, TWO = (LabelCode.of(letter * 16, "hw").text for letter in "CD")


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended: list[str] = []

    @contextmanager
    def listening(self, source: str) -> Iterator[None]:
        with scans_from(source, self.lines.append, self.ended.append):
            yield

    def wait(self, *lines: str) -> None:
        eventually(lambda: len(self.lines) >= len(lines) or bool(self.ended), 20.0)
        assert self.lines == list(lines)


def test_a_file_that_grows(tmp_path: Path) -> None:
    path, heard = tmp_path / "scans", Heard()
    path.write_text("what was there before\n")
    with heard.listening(str(path)), path.open("a") as stream:
        for text in (f"{ONE}\r\n\r\n", TWO[:10], TWO[10:]):
            stream.write(text)
            stream.flush()
        heard.wait(ONE, TWO)
    assert heard.ended == []


def test_a_pipe_outlives_whoever_writes_to_it(tmp_path: Path) -> None:
    path, heard = tmp_path / "pipe", Heard()
    os.mkfifo(path)
    with heard.listening(str(path)):
        for text in (f"{ONE}\n", "r slot-01\r"):
            with path.open("w") as stream:
                stream.write(text)
        heard.wait(ONE, "r slot-01")
        with path.open("wb") as raw:
            raw.write("\uff42\uff43".encode()[:4])
        with path.open("wb") as raw:
            raw.write("\uff42\uff43".encode()[4:] + b"\n")
        heard.wait(ONE, "r slot-01", "\uff42\uff43")
    assert heard.ended == []


def test_a_serial_scanner_and_its_cable(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    heard = Heard()
    with heard.listening(os.ttyname(theirs)):
        os.write(ours, f"{ONE}\r{TWO}".encode())
        heard.wait(ONE, TWO)
        os.close(theirs)
        os.close(ours)
        eventually(lambda: bool(heard.ended), 20.0)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read scans from") as caught, Heard().listening(str(tmp_path / "none")):
        pass
    assert caught.value.code == "label.scanner"


class Line:
    """What `Typed` needs of a line."""

    def __init__(self) -> None:
        self.pressed: list[tuple[str, Key]] = []
        self.scanned: list[str] = []
        self.waits_for_scan: tuple[str, ...] = ()

    def press(self, slot: str, key: Key) -> None:
        self.pressed.append((slot, key))

    def scan(self, text: str) -> str:
        self.scanned.append(text)
        return "taken"


def typed(**states: str) -> tuple[Any, Typed]:
    line: Any = Line()
    screen = Screen(list(states))
    for slot, state in states.items():
        screen.views[slot].state = state
    line.waits_for_scan = tuple(slot for slot, state in states.items() if state == "scan")
    return line, Typed(line, screen)


def test_slots_and_answers() -> None:
    line, one = typed(a="connect", b="pass")
    assert one.take("a") == "a: here"
    assert one.take("b") == "b: removed"
    assert one.take("y") == "nothing was asked"
    assert one.take("slot-9") == "no slot slot-9"
    one._screen.views["a"].question = "same unit?"
    assert one.take("n") == "a: no"
    assert line.pressed == [("a", Key.HERE), ("b", Key.REMOVED), ("a", Key.NO)]
    assert line.scanned == []


def test_labels_are_given_up_and_printed_again() -> None:
    line, one = typed(a="scan", b="working")
    assert one.take("r") == "a: reprint"
    assert one.take("n") == "a: no"
    assert one.take("r b") == "b does not wait for a label"
    assert line.pressed == [("a", Key.REPRINT), ("a", Key.NO)]
    line, one = typed(a="scan", b="wrong")
    assert "which slot shall print the label again? Type r and its name: a, b" in one.take("r")
    assert one.take("r b") == "b: reprint"
    _, one = typed(a="working")
    assert one.take("r") == "no slot waits for a label"


def test_scans() -> None:
    line, one = typed(a="working")
    assert one.take(ONE) == "taken", "a code is one even where no slot waits"
    assert one.take("4006381333931") == "no slot 4006381333931"
    line, one = typed(a="scan")
    assert one.take("4006381333931") == "taken"
    assert line.scanned == ["4006381333931"]


def test_a_keyboard_scanner_without_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    lines: list[str] = []
    done = threading.Event()

    def take(line: str) -> str:
        lines.append(line)
        if len(lines) == 4:
            done.set()
        return "ok"

    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with Keyboard(take, complete_code):
            os.write(ours, f"{ONE}{TWO}\rslot-0{ONE}slot-01\r".encode())
            assert done.wait(20)
    os.close(ours)
    assert lines == [ONE, TWO, f"slot-0{ONE}", "slot-01"]
