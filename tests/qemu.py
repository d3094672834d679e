"""Real units in QEMU for tests: one that a worker's tests share, and throw-away ones."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
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
def qemu_frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this run keeps booted units, some 100 MB each. The workers of pytest-xdist share it; the last one that is
    done with it takes it away.
    """
    base = tmp_path_factory.getbasetemp()
    frozen = (base.parent if base.name.startswith("popen-") else base) / "qemu-frozen"
    frozen.mkdir(exist_ok=True)
    with (frozen / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield frozen
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(frozen)


@pytest.fixture(scope="session")
def qemu_unit(tmp_path_factory: pytest.TempPathFactory, qemu_frozen: Path) -> Iterator[QemuUnit]:
    """A unit that has booted, shared by the tests of a worker: leave it on, whole, and as it was."""
    with ExitStack() as stack:
        yield _start(stack, tmp_path_factory.mktemp("qemu"), qemu_frozen, plan(), Machine(), None)


@pytest.fixture
def qemu_factory(tmp_path: Path, qemu_frozen: Path) -> Iterator[Factory]:
    """Make a booted unit of its own: `qemu_factory(machine=Machine(...), name=..., routes=...)`. Two of one plan and
    machine have the same boot id until one of them boots again.
    """
    with ExitStack() as stack:

        def make(machine: Machine | None = None, baud: int | None = None, **changes: Any) -> QemuUnit:
            number = len(list(tmp_path.glob("qemu-*")))
            folder = tmp_path / f"qemu-{number}"
            folder.mkdir()
            return _start(stack, folder, qemu_frozen, plan(**changes), machine or Machine(), baud)

        yield make


def _start(
    stack: ExitStack, folder: Path, frozen: Path, plan: UnitPlan, machine: Machine, baud: int | None
) -> QemuUnit:
    """A unit that goes on from a boot which was kept; the first of its kind boots."""
    kept = _kept(frozen, plan, machine)
    unit = QemuUnit(
        folder / "unit", folder / "port", plan, PASSWORD, kernel(), machine=machine, baud=baud, frozen=kept
    )  # fmt: skip
    stack.callback(unit.close)
    unit.power_on()
    unit.wait_until_settled()
    return unit


def _kept(frozen: Path, plan: UnitPlan, machine: Machine) -> Path:
    kind = json.dumps([asdict(plan), asdict(machine)], sort_keys=True, default=sorted)
    folder = frozen / hashlib.sha256(kind.encode()).hexdigest()[:16]
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _keep(folder, plan, machine)
    return folder


def _keep(folder: Path, plan: UnitPlan, machine: Machine) -> None:
    with ExitStack() as stack:
        made = Path(stack.enter_context(TemporaryDirectory(dir=folder.parent)))
        unit = QemuUnit(made / "unit", made / "port", plan, PASSWORD, kernel(), machine=machine)
        stack.callback(unit.close)
        unit.power_on()
        unit.wait_until_settled()
        unit.freeze(made / "frozen")
        (made / "frozen").rename(folder)


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
