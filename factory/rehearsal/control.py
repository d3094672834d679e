"""How programs outside the simulator ask it for things: a fifo per unit, and one thread that listens to all.

A fifo and not a socket, because the path of a socket may have no more than some hundred bytes. The unit's own
`reboot` writes here, and so does `python -m factory.rehearsal.power`.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable
from pathlib import Path

REQUESTS = "requests"
DONE = "done."
_LIMIT = 4096


class Control:
    """Reads requests, one line each, from the fifos of all units, and hands each to its unit in a new thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._stop, self._stopper = os.pipe()
        self._selector.register(self._stop, selectors.EVENT_READ, None)
        self._fifos: list[int] = []
        self._workers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def add(self, folder: Path, handle: Callable[[str], None]) -> None:
        """Make the fifo of a unit in its control folder; every line written to it is given to `handle`."""
        fifo = folder / REQUESTS
        os.mkfifo(fifo, 0o600)
        # Opened for writing too, so that it never comes to an end when a writer leaves.
        descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._fifos.append(descriptor)
        self._selector.register(descriptor, selectors.EVENT_READ, handle)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for what was begun."""
        os.write(self._stopper, b"!")
        if self._thread.ident is not None:
            self._thread.join()
        for worker in self._workers:
            worker.join()
        self._selector.close()
        for descriptor in (self._stop, self._stopper, *self._fifos):
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                # A line of less than PIPE_BUF bytes arrives whole.
                for line in os.read(key.fd, _LIMIT).decode("utf-8", "replace").splitlines():
                    worker = threading.Thread(target=key.data, args=(line,), name="request", daemon=True)
                    self._workers = [old for old in self._workers if old.is_alive()] + [worker]
                    worker.start()
