"""The whole way over real SSH and a real tty, on simulated units with their faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from factory.config import SerialSection, SshSection, TimeoutsSection, UnitSection
from factory.errors import FactoryError
from factory.flashing import (
    FlashError,
    NotProved,
    OtherUnit,
    Preflight,
    PreflightRefused,
    Reboot,
    finish,
    flash,
    preflight,
    prove,
    restore,
)
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit
from factory.secrets import Secret
from factory.units.deadline import Deadline
from factory.units.facts import read_facts
from factory.units.login import Login
from factory.units.protocol import NullTranscript, Unit, UnitError
from factory.units.serial_unit import open_serial
from factory.units.ssh import AcceptAnyKey, open_ssh
from factory.values import Facts, HardwareId, Identity, Mac, Proof, Receipt
from tests.flashing.rig import FOLDERS, IDENTITY, NEW, picture

ROUTES = ["ssh", "serial"]
MACS = {"eth0": "b8:27:eb:00:00:01", "wlan0": "b8:27:eb:00:00:02"}
SECTION = UnitSection(
    connectd_dir="etc/connectd",
    interfaces_dir="sys/class/net",
    mounts_file="proc/mounts",
    simulated=True,
    timeouts=TimeoutsSection(boot=10.0, login=5.0, command=10.0, flash=20.0, reboot=15.0),
)


@dataclass
class Place:
    """One slot, one route, and the unit in it."""

    slot: SimulatedUnit
    route: str
    section: UnitSection = SECTION
    units: list[Unit] = field(default_factory=list)

    def connect(self, deadline: Deadline) -> Unit:
        login = Login("root", Secret(self.slot.password))
        timeouts = self.section.timeouts
        if self.route == "serial":
            assert self.slot.serial_port is not None
            section = SerialSection(port=self.slot.serial_port)
            unit: Unit = open_serial(
                section, login, timeouts=timeouts, transcript=NullTranscript(), deadline=deadline, enter_after=1.0
            )
        else:
            assert self.slot.ssh_address is not None
            host, port = self.slot.ssh_address
            self.slot.wait_until_settled()  # spares the 3 s between two probes
            unit = open_ssh(
                SshSection(host=host, port=port),
                login,
                slot="slot-01",
                host_keys=AcceptAnyKey(),
                timeouts=timeouts,
                transcript=NullTranscript(),
                deadline=deadline,
            )
        self.units.append(unit)
        return unit

    @property
    def content(self) -> dict[str, bytes]:
        folder = self.slot.root / "etc/connectd"
        return {name: (folder / name).read_bytes() for name in NEW if (folder / name).exists()}

    def begin(self) -> tuple[Unit, Facts, Preflight]:
        unit = self.connect(Deadline(20))
        facts = read_facts(unit, self.section, deadline=Deadline(20))
        return unit, facts, preflight(unit, picture(), self.section, deadline=Deadline(20))

    def flash(self, unit: Unit, facts: Facts, checked: Preflight) -> Receipt:
        return flash(unit, picture(), self.section, checked=checked, facts=facts, deadline=Deadline(40))

    def prove(self, unit: Unit, facts: Facts, checked: Preflight, reboot: Reboot = "soft") -> tuple[Proof, Unit]:
        identity: Identity = replace(
            IDENTITY, hardware_id=HardwareId.parse("b827eb000001"), macs={"eth0": Mac.parse(MACS["eth0"])}
        )
        return prove(
            unit,
            picture(),
            identity,
            self.section,
            reboot=reboot,
            pending=checked.pending,
            facts=facts,
            reconnect=self.connect,
            deadline=Deadline(20),
        )


@contextmanager
def bench(folder: Path, route: str, *faults: Fault, connectd: bool = True, without: str = "") -> Iterator[Place]:
    plan = UnitPlan(
        "unit-01",
        MACS,
        "10000000cafe0001",
        routes=frozenset({route}),
        connectd_control=connectd,
        faults=frozenset(faults),
        left_out=frozenset(without.split()),
    )
    with SimulatedBench(folder / "bench", [plan], baud=None, boot_seconds=0.2) as started:
        place = Place(started.units[0], route)
        try:
            yield place
        finally:
            for unit in place.units:
                with suppress(FactoryError):
                    unit.close()


@pytest.mark.parametrize("route", ROUTES)
def test_a_unit_is_flashed_proved_and_left_clean(tmp_path: Path, route: str) -> None:
    with bench(tmp_path, route) as place:
        unit, facts, checked = place.begin()
        original = place.content
        receipt = place.flash(unit, facts, checked)
        assert place.content == NEW != original
        assert receipt.route == unit.route
        proof, unit = place.prove(unit, facts, checked)
        assert proof.boot_after == place.slot.boot_id != proof.boot_before
        assert proof.connectd is True
        finish(unit, checked.pending, deadline=Deadline(10))
        folder = place.slot.root / "etc/connectd"
        assert not list(folder.glob(".factory*"))
        assert all((folder / name).stat().st_mode & 0o777 == 0o700 for name in FOLDERS)
        assert place.content == NEW


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("without", ["sha256sum base64", "sha256sum md5sum tar", "readlink find gzip gunzip"])
def test_poor_units_are_flashed_too(tmp_path: Path, route: str, without: str) -> None:
    with bench(tmp_path, route, without=without, connectd=False) as place:
        unit, facts, checked = place.begin()
        receipt = place.flash(unit, facts, checked)
        proof, _ = place.prove(unit, facts, checked, reboot="none")
        assert place.content == NEW
        assert receipt.read_back.startswith("comparison" if "md5sum" in without else ("hash", "md5"))
        assert proof.connectd is False


def test_a_unit_that_forgets_on_reboot_is_caught(tmp_path: Path) -> None:
    with bench(tmp_path, "ssh", Fault.FORGETS_ON_REBOOT) as place:
        unit, facts, checked = place.begin()
        place.flash(unit, facts, checked)
        with pytest.raises(NotProved) as caught:
            place.prove(unit, facts, checked)
        assert caught.value.code == "prove.forgot"
        assert caught.value.pending is None


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.VOLATILE_CONNECTD, "flash.not-persistent"),
        (Fault.READ_ONLY_CONNECTD, "flash.not-persistent"),
        (Fault.LEFTOVER_FILES, "flash.leftover"),
        (Fault.RUNNING_CONNECTD, "flash.running"),
        (Fault.DISK_FULL, "flash.space"),
    ],
)
def test_units_that_must_not_be_flashed(tmp_path: Path, fault: Fault, code: str) -> None:
    with bench(tmp_path, "ssh") as place:
        place.slot.inject(fault)
        place.slot.reboot()
        place.slot.wait_until_settled()
        with pytest.raises(PreflightRefused) as caught:
            place.begin()
        assert code in [finding.code for finding in caught.value.findings]


def test_a_running_connectd_is_cleared_when_asked(tmp_path: Path) -> None:
    with bench(tmp_path, "ssh", Fault.RUNNING_CONNECTD) as place:
        place.section = SECTION.model_copy(update={"clear": True})
        unit, facts, checked = place.begin()
        assert checked.cleared is not None
        place.flash(unit, facts, checked)
        assert list((place.slot.root / "etc/connectd/active").iterdir()) == []


@pytest.mark.parametrize("route", ROUTES)
def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path, route: str) -> None:
    with bench(tmp_path, route) as place:
        unit, facts, checked = place.begin()
        before = place.content
        place.slot.inject(Fault.DISK_FULL)
        unit.close()  # a shell that runs already does not feel it
        unit = place.connect(Deadline(20))
        with pytest.raises(FlashError) as caught:
            place.flash(unit, facts, checked)
        assert caught.value.code == "flash.disk-full"
        assert caught.value.pending is None
        assert place.content == before


@pytest.mark.parametrize("at", [500, 4000, 9000])
def test_the_serial_cable_is_cut_and_the_next_contact_puts_the_old_content_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    with bench(tmp_path, "serial") as place:
        place.section = SECTION.model_copy(
            update={"timeouts": TimeoutsSection(boot=5.0, login=5.0, command=1.0, flash=1.0, reboot=5.0)}
        )
        unit, facts, checked = place.begin()
        before = place.content
        monkeypatch.setattr("factory.flashing.wayback.PUT_BACK_SECONDS", 0.5)
        place.slot.inject(Fault.CABLE_CUT, at=at)
        with pytest.raises(FactoryError) as caught:
            place.flash(unit, facts, checked)
        if at == 500:
            assert not isinstance(caught.value, FlashError)  # cut in the first reading: nothing is owed
        else:
            assert isinstance(caught.value, FlashError)
            assert caught.value.pending == checked.pending
        place.slot.plug()
        unit.close()
        again = place.connect(Deadline(20))
        restore(again, checked.pending, deadline=Deadline(10))
        assert place.content == before
        assert not list((place.slot.root / "etc/connectd").glob(".factory*"))


@pytest.mark.parametrize("route", ROUTES)
def test_a_unit_swapped_after_the_preflight_is_left_alone(tmp_path: Path, route: str) -> None:
    with bench(tmp_path, route) as place:
        unit, facts, checked = place.begin()
        unit.close()
        place.slot.swap()
        other = place.connect(Deadline(20))
        before = place.content
        with pytest.raises(OtherUnit) as caught:
            place.flash(other, facts, checked)
        assert caught.value.pending is None
        assert place.content == before


def test_a_unit_swapped_during_the_reboot_is_left_alone(tmp_path: Path) -> None:
    with bench(tmp_path, "ssh") as place:
        unit, facts, checked = place.begin()
        place.flash(unit, facts, checked)
        connect = place.connect

        def swapped(deadline: Deadline) -> Unit:
            if not place.slot.root.name.endswith("2"):
                place.slot.swap()
                place.slot.wait_until_settled()
            return connect(deadline)

        place.connect = swapped  # type: ignore[method-assign]
        with pytest.raises(OtherUnit) as caught:
            place.prove(unit, facts, checked)
        assert caught.value.pending == checked.pending


def test_a_unit_that_leaves_the_network_in_the_middle(tmp_path: Path) -> None:
    with bench(tmp_path, "ssh") as place:
        unit, facts, checked = place.begin()
        before = place.content
        place.slot.power_off()
        with pytest.raises((UnitError, FlashError)):
            place.flash(unit, facts, checked)
        place.slot.power_on()
        again = place.connect(Deadline(20))
        assert restore(again, checked.pending, deadline=Deadline(10)) is False
        assert place.content == before
