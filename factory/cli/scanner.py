"""Where scanned labels come from beside the keyboard: a file that grows, a pipe, a device, standard input."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from factory.errors import UsageError

_ENDS = re.compile(r"[\r\n]")
_FOLLOW_EVERY = 0.1  # seconds between two looks at a file, which cannot say that it has grown
_LONGEST = 4096


@contextlib.contextmanager
def scans_from(source: str, on_line: Callable[[str], object], ended: Callable[[str], object]) -> Iterator[None]:
    """Hand every line of `source` to `on_line` while the block runs, in a thread of its own; `ended` is told why when
    no more can come. Of a file only what is written to it from now on counts.

    Raises UsageError (`label.scanner`) when it cannot be opened.
    """
    descriptor, follow = _open(source)
    wake, stop = os.pipe()
    reader = _Reader(descriptor, wake, on_line, follow=follow)

    def work() -> None:
        why = f"{_named(source)} is no longer read: a fault of this program"
        try:
            why = f"{_named(source)} was closed" if reader.run() else ""
        except OSError as error:
            why = f"{_named(source)}: {error.strerror}"
        finally:
            # Whatever ended it: a slot that waits for a scan must not wait for ever.
            if why:
                ended(why)

    thread = threading.Thread(target=work, name="scanner", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.write(stop, b"x")
        thread.join(timeout=2)
        for one in (wake, stop, *([descriptor] if source != "-" else [])):
            os.close(one)


class _Reader:
    """Cuts what comes in into lines. Some scanners send no line end: a whole code counts without one."""

    def __init__(self, descriptor: int, wake: int, on_line: Callable[[str], object], *, follow: bool) -> None:
        self._descriptor = descriptor
        self._wake = wake
        self._on_line = on_line
        self._follow = follow
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def run(self) -> bool:
        """Read until it is told to stop; True when the source ended before. Raises OSError."""
        while True:
            timeout = _FOLLOW_EVERY if self._follow else None
            watched = [self._wake] if self._follow else [self._descriptor, self._wake]
            ready, _, _ = select.select(watched, [], [], timeout)
            if self._wake in ready:
                return False
            try:
                data = os.read(self._descriptor, 4096)
            except BlockingIOError:
                continue
            if data:
                self._take(self._decoder.decode(data))
            elif not self._follow:
                if self._rest.strip():
                    self._on_line(self._rest.strip())
                return True

    def _take(self, text: str) -> None:
        from factory.labels import complete_code

        *lines, self._rest = _ENDS.split(self._rest + text)
        for line in lines:
            if line.strip():
                self._on_line(line.strip())
        if complete_code(self._rest) or len(self._rest) > _LONGEST:
            line, self._rest = self._rest, ""
            self._on_line(line.strip())


def _open(source: str) -> tuple[int, bool]:
    """The descriptor, and whether it is a file that is followed."""
    if source == "-":
        return sys.stdin.fileno(), False
    try:
        kind = Path(source).stat().st_mode
        # Open for writing as well: a pipe whose writer goes away does not end then.
        how = os.O_RDWR if stat.S_ISFIFO(kind) else os.O_RDONLY
        descriptor = os.open(source, how | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(
            f"cannot read scans from {source}: {error.strerror}",
            hint="Name a file, a pipe, the device of a serial scanner, or - for standard input.",
            code="label.scanner",
        ) from error
    if os.isatty(descriptor):
        import tty

        tty.setraw(descriptor)
    if stat.S_ISREG(kind):
        os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor, stat.S_ISREG(kind)


def _named(source: str) -> str:
    return "standard input" if source == "-" else source
