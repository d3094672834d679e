"""A Unit without a wire: /bin/sh in a folder. For tests of other rooms, and as the plain case of the contract."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, BinaryIO

from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Progress, Sent, Tools, UnitError, UnitGone
from factory.units.tools import probe_tools

REPLY_LIMIT = 1024 * 1024


class LocalUnit:
    """Runs every command as `sh -c` with the folder as working directory. `gone = True` pulls the cable."""

    def __init__(
        self, folder: Path, *, env: Mapping[str, str] | None = None, route: str = "local:unit", become: str = "none"
    ) -> None:
        self._folder = folder
        self._env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **(env or {})}
        self._route = route
        self._prefix = "sudo -n sh -c" if become == "sudo" else "sh -c"
        self.gone = False
        self.commands: list[str] = []
        self.tools: Tools = Tools(frozenset())
        self.tools = probe_tools(self, Deadline(10))
        self.commands.clear()

    @property
    def route(self) -> str:
        return self._route

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        return self._finish(command, b"", deadline)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        with source(0) as stream:
            payload = stream.read()
        completed = self._finish(command, payload, deadline)
        if progress is not None:
            progress(len(payload))
        return Sent(completed, len(payload), len(payload))

    def answers(self, seconds: float, deadline: Deadline) -> bool:
        return not self.gone

    def close(self) -> None:
        """Nothing is held open."""

    def _finish(self, command: str, payload: bytes, deadline: Deadline) -> Completed:
        if self.gone:
            raise UnitGone(f"{self._route}: gone")
        deadline.check("running a command")
        self.commands.append(command)
        shell = subprocess.Popen(
            ["/bin/sh", "-c", f"{self._prefix} {shlex.quote(command)}"],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # After a time-out `communicate` writes no more of its input, so the payload has a thread of its own.
        stdin, shell.stdin = shell.stdin, None
        assert stdin is not None
        threading.Thread(target=_feed, args=(stdin, payload), name="payload", daemon=True).start()
        started = time.monotonic()
        while True:
            try:
                out, err = shell.communicate(timeout=min(0.2, max(0.01, deadline.left)))
                break
            except subprocess.TimeoutExpired:
                try:
                    deadline.check(f"running {command!r} for {time.monotonic() - started:.1f} s")
                except BaseException:
                    os.killpg(shell.pid, signal.SIGKILL)
                    shell.communicate()
                    raise
        if len(out) > REPLY_LIMIT:
            raise UnitError(f"{self._route}: the answer is larger than {REPLY_LIMIT} bytes", code="unit.too-large")
        return Completed(command, shell.returncode, out, err)


def _feed(stdin: IO[bytes], payload: bytes) -> None:
    """Write all of it; a command that does not want it ends before."""
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.write(payload)
