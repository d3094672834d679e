"""The unit itself, apart from the slot it lies in: its folder, processes, password and host key."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from factory.rehearsal.faults import Fault
from factory.rehearsal.folder import UnitFolder
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.processes import Processes

if TYPE_CHECKING:
    import paramiko


class Board:
    """One simulated unit: what goes with it when it is taken out of the slot."""

    def __init__(self, root: Path, control: Path, plan: UnitPlan, password: str) -> None:
        self.plan = plan
        self.root = root
        self.faults: set[Fault] = set(plan.faults)
        self.password = password
        self.boots = 0
        self.folder = UnitFolder(root, control, plan, plan.faults)
        self.folder.build()
        self.processes = Processes(root, self.folder.shell, plan.name, functions=self.folder.functions)
        self._control = control
        self._key: paramiko.PKey | None = None
        if Fault.WRONG_PASSWORD in self.faults:
            self.forget_password()
        if Fault.DISK_FULL in self.faults:
            self.fill_disk(0)

    def boot(self) -> None:
        """Do what power on does before anything runs."""
        self.folder.boot()
        self.boots += 1
        if Fault.NEW_HOST_KEY in self.faults:
            self._key = None
        self.processes.open()

    def host_key(self) -> paramiko.PKey:
        """The SSH host key; made when it is first wanted."""
        if self._key is None:
            from factory.rehearsal.sshserver import new_host_key

            self._key = new_host_key()
        return self._key

    def take_host_key(self, key: paramiko.PKey) -> None:
        """Let the unit have the host key of another, as copied images have."""
        self._key = key

    def take_password(self, password: str) -> None:
        """Let root have another password."""
        self.password = password

    def forget_password(self) -> None:
        """Let root have a password that nobody knows."""
        self.password = secrets.token_urlsafe(12)

    def fill_disk(self, room: int) -> None:
        """Let no file grow beyond `room` bytes, for everything that is started from now on."""
        self.processes.file_limit = room
        (self._control / "full").touch()
