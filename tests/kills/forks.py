"""Work done in a fork of this process, which may die of it: what it said, how it ended, and nothing of it left running.

This process has imported everything and has no threads, so a fork is a fresh interpreter that costs milliseconds.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import typer

import factory
from factory.cli import app

SECONDS = 60.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Ended:
    """How a fork ended: `status` as a shell says it (negative: a signal), `said` its result or last words."""

    status: int
    said: str

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL

    def result(self) -> Any:
        """What the work returned. Raises AssertionError with its traceback where it did not."""
        assert self.status == 0, f"ended with {self.status}:\n{self.said}"
        return json.loads(self.said)


def import_all() -> None:
    """Import what forks will want, once: every module of ours, and through them the libraries that they use late."""
    import alembic.autogenerate  # noqa: F401
    import pandas  # noqa: F401
    import paramiko  # noqa: F401
    import rustpy_xlsxwriter  # noqa: F401

    for module in pkgutil.walk_packages(factory.__path__, "factory."):
        if not module.name.startswith(("factory.rehearsal.", "factory.__main__", "factory.ledger.migrations.env")):
            importlib.import_module(module.name)
    # Typer looks through every command anew at each call, which is most of what a command costs.
    made = typer.main.get_command(app.build())
    patch.object(app, "build", lambda: made).start()


def adopt_orphans() -> None:
    """From here on this process is handed what its killed children leave running, and can wait for it."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def in_fork(work: Callable[[int], object]) -> Ended:
    """Run `work(tell)` in a fork and return how it ended; it may write last words to the descriptor `tell`. Waits for
    every process that it left behind: what a unit was doing goes on after its station was killed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(here)
        _child(work, there)
    os.close(there)
    said = b""
    while part := os.read(here, 65536):
        said += part
    os.close(here)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    return Ended(status, said.decode("utf-8", "replace"))


def _child(work: Callable[[int], object], tell: int) -> None:
    os.set_inheritable(tell, False)
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        said = json.dumps(work(tell))
        status = 0
    except BaseException:  # noqa: BLE001 - told to the parent
        said, status = traceback.format_exc(), 1
    data = said.encode()
    while data:
        data = data[os.write(tell, data) :]
    os._exit(status)
