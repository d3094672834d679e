"""Steps of a run, counted; at one of them the process kills itself, and nothing of it runs on.

A step is each commit of the ledger (before and after), each call by which a file of ours is changed (before, and in
the middle of a write), each command of a unit (before, after, and between two pieces of a payload), and each message
to a printer or a portal. Nothing of this is known to the product.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy.engine.default import DefaultDialect

from tests.kills.calls import Listener, heard

UNITS = Path("units")


class Steps:
    """Counts; kills this process at step `kill_at` (0: never), and says to the descriptor `tell` which that was."""

    def __init__(self, kill_at: int = 0, tell: int = -1) -> None:
        self.count = 0
        self._kill_at = kill_at
        self._tell = tell
        self._lock = threading.Lock()

    def __call__(self, what: str) -> None:
        """One more step. Threads take turns: at the one that kills, none goes on."""
        with self._lock:
            self.count += 1
            if self.count == self._kill_at:
                if self._tell >= 0:
                    os.write(self._tell, what.encode())
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()


@contextmanager
def counted(steps: Steps, folder: Path, without: Path = UNITS) -> Iterator[None]:
    """While the block runs, every step of this process is counted; files count below `folder`, but not below its part
    `without`: those are the units' own.
    """

    def committed(dialect: Any, connection: Any) -> None:
        steps("before a commit")
        commit(dialect, connection)
        steps("after a commit")

    def sent(self: socket.socket, data: Any, *flags: int) -> None:
        steps("before something is sent")
        sendall(self, data, *flags)
        steps("after something was sent")

    def sent_some(self: socket.socket, data: Any, *flags: int) -> int:
        steps("before something is sent")
        count: int = send(self, data, *flags)
        steps("after something was sent")
        return count

    commit: Any = DefaultDialect.do_commit
    sendall: Any = socket.socket.sendall
    send: Any = socket.socket.send
    listener = Listener(lambda call: steps(f"before: {call}"), split_writes=True)
    with ExitStack() as stack:
        stack.enter_context(patch.object(DefaultDialect, "do_commit", committed))
        stack.enter_context(patch.object(socket.socket, "sendall", sent))
        stack.enter_context(patch.object(socket.socket, "send", sent_some))
        stack.enter_context(heard(folder, listener, without))
        yield
