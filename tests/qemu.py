"""Real units in QEMU for tests: one that a worker's tests share, and throw-away ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from factory.config import SerialSection, SshSection, TimeoutsSection, UnitSection
from factory.errors import NotStartedError
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.qemu.kernel import Kernel, debian_kernel, default_cache
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.qemu.unit import QemuUnit
from factory.secrets import Secret
from factory.units import AcceptAnyKey, Deadline, Login, NullTranscript, SerialUnit, SshUnit, open_serial, open_ssh
from tests.programs import require, require_all

MACS = {"eth0": "b8:27:eb:00:00:01", "wlan0": "b8:27:eb:00:00:02"}
PASSWORD = "q3mu-Passw0rd"
# Without KVM and beside other work everything takes its time; these only say when something is broken.
SECTION = UnitSection(timeouts=TimeoutsSection(boot=120.0, login=60.0, command=60.0, flash=120.0, reboot=120.0))

Factory = Callable[..., QemuUnit]


def kernel() -> Kernel:
    """Debian's kernel for QEMU units; the test is skipped, or fails where all are required, when there is none."""
    for program in ("qemu-system-x86_64", "busybox", "dropbear", "dropbearkey", "mke2fs", "dash"):
        require(program)
    try:
        return debian_kernel(default_cache())
    except NotStartedError as error:
        if require_all():
            pytest.fail(str(error))
        pytest.skip("no Debian kernel for QEMU units")


def plan(**changes: Any) -> UnitPlan:
    return UnitPlan(**{"name": "qemu-01", "macs": MACS, "serial": "QM000001", **changes})


@pytest.fixture(scope="session")
def qemu_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuUnit]:
    """A unit that has booted, shared by the tests of a worker: leave it on, whole, and as it was."""
    with ExitStack() as stack:
        yield _start(stack, tmp_path_factory.mktemp("qemu"), kernel(), plan(), None, None)


@pytest.fixture
def qemu_factory(tmp_path: Path) -> Iterator[Factory]:
    """Make a booted unit of its own: `qemu_factory(machine=Machine(...), name=..., routes=...)`."""
    with ExitStack() as stack:

        def make(machine: Machine | None = None, baud: int | None = None, **changes: Any) -> QemuUnit:
            number = len(list(tmp_path.glob("qemu-*")))
            folder = tmp_path / f"qemu-{number}"
            folder.mkdir()
            return _start(stack, folder, kernel(), plan(**changes), machine, baud)

        yield make


def _start(
    stack: ExitStack, folder: Path, kernel: Kernel, plan: UnitPlan, machine: Machine | None, baud: int | None
) -> QemuUnit:
    unit = QemuUnit(folder / "unit", folder / "port", plan, PASSWORD, kernel, machine=machine, baud=baud)
    stack.callback(unit.close)
    unit.power_on()
    unit.wait_until_settled()
    return unit


def ssh_unit(unit: QemuUnit, deadline: Deadline | None = None) -> SshUnit:
    """An open SSH route to the unit."""
    assert unit.ssh_address is not None
    host, port = unit.ssh_address
    return open_ssh(
        SshSection(host=host, port=port),
        Login("root", Secret(unit.password)),
        slot="slot-01",
        host_keys=AcceptAnyKey(),
        timeouts=SECTION.timeouts,
        transcript=NullTranscript(),
        deadline=deadline or Deadline(120),
    )


def serial_unit(unit: QemuUnit, deadline: Deadline | None = None) -> SerialUnit:
    """An open serial route to the unit."""
    assert unit.serial_port is not None
    return open_serial(
        SerialSection(port=unit.serial_port),
        Login("root", Secret(unit.password)),
        timeouts=SECTION.timeouts,
        transcript=NullTranscript(),
        deadline=deadline or Deadline(120),
        enter_after=1.0,
    )
