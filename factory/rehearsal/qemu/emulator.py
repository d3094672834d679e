"""One QEMU process: started, reset, and ended as by pulling the plug."""

from __future__ import annotations

import contextlib
import json
import select
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from factory.errors import NotStartedError
from factory.rehearsal.qemu.host import program

_PATIENCE = 30.0  # seconds
# Ends QEMU when this process is gone without having done so: then its end of the pipe is closed.
_WATCH = 'cat >/dev/null; kill -9 "$0" 2>/dev/null'


class Emulator:
    """A running QEMU with its monitor (QMP) on stdin and stdout. With `state`, a file that `save` wrote, it goes on
    from there instead of booting. Raises NotStartedError when it does not start.
    """

    def __init__(self, arguments: Sequence[str], state: Path | None = None) -> None:
        command = [str(program("qemu-system-x86_64")), *arguments, "-qmp", "stdio"]
        if state is not None:
            command += ["-incoming", f"exec:cat {shlex.quote(str(state))}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True,
        )  # fmt: skip
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._unread = b""
        try:
            self._answer("QMP")
            self.ask("qmp_capabilities")
            if state is not None:
                self._await("query-status", "inmigrate")
                self.ask("cont")
        except BaseException:
            self.kill()
            raise

    @property
    def running(self) -> bool:
        """Whether the process still runs; a unit that switches itself off ends it."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        return self._process.pid

    def ask(self, command: str, **arguments: object) -> object:
        """Give one QMP command and return its answer. Raises NotStartedError when QEMU refuses it or is gone."""
        request = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{request}\n".encode())
        except OSError as error:
            raise NotStartedError(f"QEMU is gone: {error}", code="rehearsal.qemu") from error
        return self._answer("return")

    def save(self, state: Path) -> None:
        """Stop the unit for good and write down everything but its disks. Raises NotStartedError."""
        self.ask("stop")
        self.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.ask("migrate", uri=f"exec:cat > {shlex.quote(str(state))}")
        ended = self._await("query-migrate", "none", "setup", "active", "device", "pre-switchover")
        if ended != "completed":
            raise NotStartedError(f"QEMU could not save the unit: {ended}", code="rehearsal.qemu")

    def kill(self) -> None:
        """End it at once (SIGKILL) and wait until it is gone. May be called again."""
        self._process.kill()
        self._process.wait()
        self._watch.kill()
        self._watch.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr, self._watch.stdin):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _await(self, question: str, *busy: str) -> str:
        """The first status that is none of `busy`."""
        until = time.monotonic() + _PATIENCE
        while True:
            answer = self.ask(question)
            status = str(answer.get("status", "none")) if isinstance(answer, dict) else "none"
            if status not in busy:
                return status
            if time.monotonic() > until:
                raise NotStartedError(f"QEMU is still {status} after {_PATIENCE:.0f} s", code="rehearsal.qemu")
            time.sleep(0.01)

    def _answer(self, key: str) -> object:
        until = time.monotonic() + _PATIENCE
        while True:
            line = self._line(until)
            document = json.loads(line)
            if key in document:
                return document[key]
            if "error" in document:
                raise NotStartedError(f"QEMU refused: {document['error'].get('desc')}", code="rehearsal.qemu")

    def _line(self, until: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            data = self._process.stdout.read(65536) if ready else b""
            if not data:
                raise NotStartedError(f"QEMU {self._last_words(bool(ready))}", code="rehearsal.qemu")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _last_words(self, ended: bool) -> str:
        if not ended:
            return f"did not answer within {_PATIENCE:.0f} s"
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode("utf-8", "replace").strip()
        return f"did not start: {said}"
