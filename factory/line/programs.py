"""Running a maker's own program: own process group, a time limit that ends the whole group, bounded output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from factory.units.deadline import Deadline
from factory.units.terminal import excerpt

OUTPUT_LIMIT = 16 * 1024
_TICK = 0.05


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `status` is None when it could not be started or was ended at its time limit; `output`
    is the end of what it wrote to stdout and stderr, at most OUTPUT_LIMIT bytes.
    """

    status: int | None
    output: bytes
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """True when it ran to its end with status 0."""
        return self.status == 0

    def said(self) -> str:
        """What happened, in one line: the trouble or the status, and the last of the output."""
        # One line, and nothing that a terminal would obey: this goes to the operator's screen and into the ledger.
        last = " ".join(excerpt(self.output, 300).strip('"').split())
        last = "" if not self.output.strip() else last
        what = self.trouble or f"ended with status {self.status}"
        return f"{what}: {last}" if last else what


def run_program(
    argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", folder: Path, without: frozenset[str] = frozenset()
) -> Ran:
    """Run `argv` in `folder` without the environment variables `without`; never raises for what the program does.

    At the deadline, or when that is cancelled, the program's whole process group is killed.
    """
    environment: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in without}
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
            env=environment, start_new_session=True, bufsize=0,
        )  # fmt: skip
    except OSError as error:
        return Ran(None, b"", f"cannot start {argv[0]}: {error.strerror or type(error).__name__}")
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        output, complete = _talk(process, process.stdin, process.stdout, stdin, deadline)
        status = process.wait(0) if complete else None
    finally:
        if process.returncode is None:
            _end_group(process)
        process.stdin.close()
        process.stdout.close()
    if complete:
        return Ran(status, output)
    why = "called off" if deadline.cancel.is_set() else f"no end within {deadline.seconds:g} s"
    return Ran(None, output, why)


def _talk(
    process: subprocess.Popen[bytes], stdin: IO[bytes], stdout: IO[bytes], given: bytes, deadline: Deadline
) -> tuple[bytes, bool]:
    """Feed and read until the program ends; (output, True) then, (output, False) when its time is up.

    The end of the program counts and not the end of its output: what it left in the background may keep that open.
    """
    output = bytearray()
    rest = memoryview(given)
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        os.set_blocking(stdout.fileno(), False)
        os.set_blocking(stdin.fileno(), False)
        selector.register(stdin, selectors.EVENT_WRITE)
        while not deadline.expired and not deadline.cancel.is_set():
            ended = process.poll() is not None
            for key, _ in selector.select(0 if ended else deadline.slice(_TICK)):
                if key.fileobj is stdin:
                    rest = _feed(stdin, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                elif not _drain(stdout, output):
                    selector.unregister(stdout)
            if ended:
                return bytes(output), True
            if not selector.get_map():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(deadline.slice(_TICK))
    return bytes(output), False


def _feed(stdin: IO[bytes], rest: memoryview) -> memoryview:
    try:
        return rest[os.write(stdin.fileno(), rest[:4096]) :] if rest else rest
    except BlockingIOError:
        return rest
    except OSError:
        # A program may end without reading what it is given; its status says whether that was well.
        return rest[:0]


def _drain(stdout: IO[bytes], output: bytearray) -> bool:
    while True:
        try:
            data = os.read(stdout.fileno(), 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data
        del output[:-OUTPUT_LIMIT]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
