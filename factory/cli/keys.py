"""The operator's keyboard or scanner: a slot's name and Enter, y and n to answer a question, the code of a label."""

from __future__ import annotations

import codecs
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any


class Keyboard:
    """Reads lines from a terminal in a thread of its own, without echo, so that the screen stays whole.

    `typed` is what stands on the line so far, for the screen's footer, `answer` what `on_line` said of the last one.
    A line is finished by Enter, or when it is `whole`: some scanners send no Enter.
    """

    def __init__(self, on_line: Callable[[str], str], whole: Callable[[str], bool]) -> None:
        self.typed = ""
        self.answer = ""
        self._on_line = on_line
        self._whole = whole
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._read, name="keyboard", daemon=True)
        self._saved: Any = None

    def __enter__(self) -> Keyboard:
        import termios
        import tty

        self._saved = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin, termios.TCSANOW)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        import termios

        os.write(self._stop, b"x")
        self._thread.join(timeout=2)
        if self._saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)
        os.close(self._stop)
        os.close(self._wake)

    def footer(self) -> str:
        """Return the line under the screen: what can be typed, what is typed, the last answer."""
        return f"slot name + Enter: unit connected or removed   y/n + Enter: answer   > {self.typed}   {self.answer}"

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([sys.stdin, self._wake], [], [])
            if self._wake in ready:
                return
            data = os.read(sys.stdin.fileno(), 256)
            if not data:
                return
            for character in self._decoder.decode(data):
                self._take(character)

    def _take(self, character: str) -> None:
        if character in "\r\n":
            self._finish()
        elif character in "\x7f\b":
            self.typed = self.typed[:-1]
        elif character.isprintable() and len(self.typed) < 80:
            self.typed += character
            if self._whole(self.typed):
                self._finish()

    def _finish(self) -> None:
        line, self.typed = self.typed.strip(), ""
        if line:
            self.answer = self._on_line(line)
