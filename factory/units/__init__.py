"""Talking to a unit: console, shell, serial, SSH, what tools it has, its facts."""

from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.facts import agree, read_facts
from factory.units.login import Login
from factory.units.protocol import (
    Completed,
    HostKey,
    HostKeys,
    NullTranscript,
    Progress,
    Sent,
    Tools,
    Transcript,
    Unit,
    UnitError,
    UnitGone,
)
from factory.units.serial_unit import SerialUnit, open_serial
from factory.units.ssh import AcceptAnyKey, SshUnit, open_ssh

__all__ = [
    "AcceptAnyKey",
    "Cancelled",
    "Completed",
    "Deadline",
    "DeadlineExpired",
    "HostKey",
    "HostKeys",
    "Login",
    "NullTranscript",
    "Progress",
    "Sent",
    "SerialUnit",
    "SshUnit",
    "Tools",
    "Transcript",
    "Unit",
    "UnitError",
    "UnitGone",
    "agree",
    "open_serial",
    "open_ssh",
    "read_facts",
]
