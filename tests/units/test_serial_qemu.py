"""A kernel's own serial line and getty: a unit in QEMU that has no base64."""

from __future__ import annotations

import hashlib
import io
import os

import pytest

from factory.rehearsal.qemu.plan import Machine
from factory.units.deadline import Deadline, DeadlineExpired
from tests.qemu import Factory, serial_unit


def test_a_getty_console_without_base64(qemu_factory: Factory) -> None:
    machine = Machine(left_out=frozenset({"base64"}))
    unit = serial_unit(qemu_factory(machine=machine, baud=115200), Deadline(180))
    try:
        assert "base64" not in unit.tools
        assert unit.run("echo caf\u00e9; exit 3", deadline=Deadline(60)).stdout == "caf\u00e9\n".encode()
        payload = os.urandom(9000)
        sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "sha256sum", deadline=Deadline(120))
        assert sent.completed.text().split()[0] == hashlib.sha256(payload).hexdigest()
        with pytest.raises(DeadlineExpired) as raised:
            unit.run("sleep 300", deadline=Deadline(2))
        assert "answers again" in raised.value.hint
        assert unit.run("echo alive", deadline=Deadline(60)).stdout == b"alive\n"
    finally:
        unit.close()
