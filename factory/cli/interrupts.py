"""Ctrl-C held back while something must not be left half done."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Inside `held`, a Ctrl-C (or TERM, HUP) waits; `allowed` lets it through again, at once if one has come. `words`
    tell the user on stderr what is waited for.
    """

    def __init__(self, words: str) -> None:
        self._words = words
        self._came = False
        self._let_through = False

    @property
    def came(self) -> bool:
        """Whether one has come."""
        return self._came

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold interrupts back; raises KeyboardInterrupt at the end if one came and none was raised before.

        Only the main thread may use it.
        """
        before = {number: signal.signal(number, self._on_signal) for number in _NUMBERS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._came:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let interrupts through here: the block ends with KeyboardInterrupt."""
        self._let_through = True
        try:
            if self._came:
                raise KeyboardInterrupt
            yield
        finally:
            self._let_through = False

    def _on_signal(self, _number: int, _frame: object) -> None:
        first, self._came = not self._came, True
        if first and self._let_through:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            os.write(2, f"\n{self._words}\n".encode())
