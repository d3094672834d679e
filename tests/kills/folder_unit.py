"""A unit that is a folder, worked without any process of its own in between: commands run in it as they come.

The rehearsal's unit builds the folder and its programs; what is left out is the wire, which costs most of the time. The
folder outlives the station that is killed, as a unit does; so does what the unit was asked to do last.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from factory.line.routes import Sign, Watch
from factory.rehearsal.folder import UnitFolder
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.processes import Processes
from factory.units import Completed, Deadline, HostKey, HostKeys, Progress, Sent, Tools, Transcript, UnitGone
from factory.units.tools import probe_tools

Step = Callable[[str], None]
"""Called with what is about to happen, or has just happened; it may never return."""
_REQUESTS = "requests"
_PIECE = 8192


class Unit:
    """One unit: its folder, and the folder with what it was asked for. Make it with `build`, find it again with the
    constructor.
    """

    def __init__(self, place: Path, plan: UnitPlan) -> None:
        self.plan = plan
        self.root = place / "root"
        self.control = place / "control"
        self.folder = UnitFolder(self.root, self.control, plan, plan.faults)
        functions = self.control / "functions"
        shell = self.folder.shell
        self.processes = Processes(self.root, shell, plan.name, functions=functions if functions.exists() else None)
        self.processes.open()

    @classmethod
    def build(cls, place: Path, plan: UnitPlan) -> Unit:
        """A unit as its maker delivers it, after its first boot."""
        (place / "control").mkdir(parents=True)
        folder = UnitFolder(place / "root", place / "control", plan, plan.faults)
        folder.build()
        pause = place / "root/bin/sleep"
        pause.unlink()  # the second before a reboot lets an answer out; here it is out at once
        pause.write_text("#!/bin/sh\nexit 0\n")
        pause.chmod(0o755)
        folder.boot()
        return cls(place, plan)

    @property
    def asked_to_reboot(self) -> bool:
        """Whether it is going down."""
        return (self.control / _REQUESTS).exists()

    def settle(self) -> None:
        """Do the restart that it was asked for, if it was."""
        if self.asked_to_reboot:
            self.folder.boot()
            (self.control / _REQUESTS).unlink()

    def content(self, name: str = "etc/connectd") -> dict[str, bytes]:
        """Every file of one of its folders."""
        top = self.root / name
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


class Session:
    """A units.Unit on a `Unit`, which tells `step` before and after everything that it does."""

    def __init__(self, unit: Unit, route: str, host_key: HostKey, transcript: Transcript, step: Step) -> None:
        self._unit = unit
        self._step = step
        self._transcript = transcript
        self.route = route
        self.host_key = host_key
        self.tools = Tools(frozenset())

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        """Run it; the unit is gone once it was asked to restart."""
        return self._do(command, None, deadline)[0]

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        """Stream a payload into it, in pieces, with a step between them."""
        with source(0) as stream:
            completed, sent = self._do(command, stream, deadline)
        if progress is not None:
            progress(sent)
        return Sent(completed, sent, sent)

    def await_end(self, *, deadline: Deadline) -> None:
        """Wait until it goes down."""
        while not self._unit.asked_to_reboot and not deadline.expired:
            deadline.pause(0.005)

    def close(self) -> None:
        """Nothing is held."""

    def _do(self, command: str, payload: BinaryIO | None, deadline: Deadline) -> tuple[Completed, int]:
        deadline.check(f"starting a command on {self.route}")
        if self._unit.asked_to_reboot:
            raise UnitGone(f"{self.route}: it restarts")
        told = " ".join(command.split())[:60]
        self._transcript.sent(command.encode() + b"\n")
        self._step(f"before the unit's command: {told}")
        process = self._unit.processes.command(command)
        sent = 0
        timer = threading.Timer(deadline.left, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                while payload is not None and (piece := payload.read(_PIECE)):
                    process.stdin.write(piece)
                    process.stdin.flush()
                    sent += len(piece)
                    self._step(f"{sent} bytes into the unit's command: {told}")
            out, err = process.communicate()
        finally:
            timer.cancel()
        status = self._unit.processes.finished(process)
        deadline.check(f"running a command on {self.route}")
        self._transcript.received(out)
        self._step(f"after the unit's command: {told}")
        return Completed(command, status, out, err), sent


class Route:
    """A slot's only route; it implements line.routes.Route and is its own watch."""

    def __init__(self, name: str, unit: Unit, step: Step) -> None:
        self.name = name
        self._unit = unit
        self._step = step

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Session:
        """Let the unit come up and log in."""
        self._unit.settle()
        key = HostKey("ssh-ed25519", f"SHA256:{self._unit.plan.serial}")
        host_keys.seen_at_connect(self.name, key)
        session = Session(self._unit, self.name, key, transcript, self._step)
        session.tools = probe_tools(session, deadline)
        return session

    def watch(self) -> AbstractContextManager[Watch]:
        """Nothing is held while it is watched."""
        return contextlib.nullcontext(self)

    def listen(self, seconds: float) -> bool:
        """It is there."""
        return True

    def ask(self) -> Sign:
        """It is there."""
        return Sign.HERE
