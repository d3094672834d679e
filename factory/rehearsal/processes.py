"""Processes of a simulated unit: started in its folder with a cleared environment, and all of them ended again."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

# Takes the tty named by $0 as controlling terminal: a session leader's first open without O_NOCTTY does that.
_ON_TTY = 'exec <>"$0" >&0 2>&1; exec "$@"'
_LIMITED = 'trap "" XFSZ; ulimit -f "$0"; exec "$@"'


class Processes:
    """Starts the shells and commands of one unit, each as a session of its own, and ends them with all children."""

    def __init__(self, root: Path, shell: Path, hostname: str, *, functions: Path | None = None) -> None:
        self.shell = shell
        self.file_limit: int | None = None  # bytes that one file may have; the full disk
        self._root = root
        self._functions = functions
        self._leaders: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._open = False
        self._home = b"HOME=" + os.fsencode(root)
        self._environment = {
            "PATH": str(root / "bin"),
            "HOME": str(root),
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/sh",
            "TERM": "vt102",
            "PS1": f"root@{hostname}:~# ",
            # Absolute paths lead out of the folder: whoever would use them here must be able to see where he is.
            "SIMULATED_UNIT": "1",
        }

    def command(self, command: str) -> subprocess.Popen[bytes]:
        """Start `sh -c command` with pipes, as an SSH server does for an exec request."""
        if self._functions is not None:
            command = f". {shlex.quote(str(self._functions))}\n{command}"
        return self._start([str(self.shell), "-c", command], subprocess.PIPE)

    def on_tty(self, tty: str) -> subprocess.Popen[bytes]:
        """Start an interactive shell whose controlling terminal is the tty of that path."""
        return self._start([str(self.shell), "-c", _ON_TTY, tty, str(self.shell), "-i"], subprocess.DEVNULL)

    def on_descriptor(self, descriptor: int) -> subprocess.Popen[bytes]:
        """Start an interactive shell on an open descriptor that is no tty, without job control."""
        return self._start([str(self.shell), "-i", "+m"], descriptor)

    def _start(self, argv: list[str], stream: int) -> subprocess.Popen[bytes]:
        if self.file_limit is not None:
            argv = [str(self.shell), "-c", _LIMITED, str(-(-self.file_limit // 512)), *argv]
        environment = dict(self._environment)
        if self._functions is not None:
            environment["ENV"] = str(self._functions)
        with self._lock:
            if not self._open:
                raise PowerLostError
            process = subprocess.Popen(
                argv,
                stdin=stream,
                stdout=stream,
                stderr=stream,
                cwd=self._root,
                env=environment,
                start_new_session=True,
            )
            self._leaders[process.pid] = process
        return process

    def finished(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a started process and forget it; its exit status, negative for a signal."""
        status = process.wait()
        with self._lock:
            self._leaders.pop(process.pid, None)
        return status

    def open(self) -> None:
        """Allow processes to be started, as the boot of the unit does."""
        with self._lock:
            self._open = True

    def kill_all(self) -> None:
        """End every process of the unit, as the loss of power does, and start none until `open` is called."""
        with self._lock:
            self._open = False
            leaders = dict(self._leaders)
        deadline = time.monotonic() + 5
        while alive := self._alive(set(leaders)):
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of a simulated unit do not end: {sorted(alive)}")
            time.sleep(0.005)
        for process in leaders.values():
            process.wait()

    def _alive(self, sessions: set[int]) -> set[int]:
        """Pids of living processes of our sessions or with our environment (children of shells that have ended)."""
        found = set()
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                # The program's name in parentheses may hold anything, so fields are counted from behind it.
                fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] in {b"Z", b"X"}:
                    continue
                if int(fields[3]) in sessions or self._home in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found


class PowerLostError(Exception):
    """Something was to be started on a unit that has no power; whoever serves a session then ends it."""
