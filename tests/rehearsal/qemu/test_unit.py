"""A unit with a real kernel is what it says: its addresses, its boots, what it keeps and what it loses."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest

from factory.errors import NotStartedError, UsageError
from factory.flashing import Reboot, finish, flash, preflight, prove
from factory.rehearsal.qemu.plan import MEBI, Machine
from factory.rehearsal.qemu.unit import QemuUnit
from factory.units import Deadline, Unit, UnitError, agree, read_facts
from tests.flashing.rig import FOLDERS, IDENTITY, NEW, picture
from tests.qemu import MACS, SECTION, Factory, serial_unit, ssh_unit


def _run(unit: Unit, command: str) -> str:
    done = unit.run(command, deadline=Deadline(60))
    assert done.status == 0, done
    return done.stdout.decode().strip()


def test_serial_and_ssh_lead_to_the_same_unit_which_has_the_planned_addresses(qemu_unit: QemuUnit) -> None:
    section = SECTION.model_copy(update={"facts": {"label": "cat /etc/serial"}})
    over_ssh, over_serial = ssh_unit(qemu_unit), serial_unit(qemu_unit)
    facts = agree(
        read_facts(over_ssh, section, deadline=Deadline(60)), read_facts(over_serial, section, deadline=Deadline(60))
    )
    over_serial.close()
    over_ssh.close()
    assert {name: mac.colons for name, mac in facts.interfaces.items()} == MACS
    assert facts.serial == facts.values["label"] == qemu_unit.plan.serial
    assert facts.model == qemu_unit.plan.model
    assert facts.boot_id == qemu_unit.boot_id
    assert facts.kernel.startswith("6.") or facts.kernel[0].isdigit()
    assert facts.connectd is not None


def test_the_target_is_a_disk_of_ones_with_two_partitions(qemu_unit: QemuUnit) -> None:
    unit = ssh_unit(qemu_unit)
    assert _run(unit, "cat /sys/block/vdb/size") == str(48 * MEBI // 512)
    assert _run(unit, "ls /dev/vdb?").split() == ["/dev/vdb1", "/dev/vdb2"]
    ones = hashlib.sha256(b"\xff" * (4 * MEBI)).hexdigest()
    assert _run(unit, "dd if=/dev/vdb1 bs=1M count=4 2>/dev/null | sha256sum").split()[0] == ones
    unit.close()


def test_a_cut_of_the_power_keeps_what_was_synced_and_a_reboot_is_one(qemu_factory: Factory) -> None:
    """One unit's life: MTD, tools left out and brought along, reboot, power cut, reset."""
    machine = Machine(mtd_bytes=MEBI, left_out=frozenset({"base64", "xxd"}), extra=frozenset({"flashcp", "zstd"}))
    slot = qemu_factory(machine)
    unit: Unit = ssh_unit(slot)
    assert unit.run("command -v base64 || base64 </dev/null", deadline=Deadline(30)).status == 127
    assert _run(unit, "printf abc | zstd -q | zstd -dq") == "abc"
    assert "mtd0: 00100000 00010000" in _run(unit, "cat /proc/mtd")
    _run(unit, "dd if=/dev/zero of=/tmp/zeros bs=64k count=2 2>/dev/null; flashcp /tmp/zeros /dev/mtd0")
    first = slot.boot_id
    _run(unit, "reboot")
    unit.close()
    slot.wait_until_settled(boots=2)
    assert slot.boot_id != first

    unit = ssh_unit(slot)
    zeros = hashlib.sha256(bytes(131072)).hexdigest()
    assert _run(unit, "dd if=/dev/mtd0 bs=64k count=2 2>/dev/null | sha256sum").split()[0] == zeros
    assert unit.run("ls /tmp/zeros", deadline=Deadline(30)).status != 0
    _run(unit, "echo kept >/root/kept; sync; echo lost >/root/lost")
    slot.kill()
    assert not slot.powered
    with pytest.raises(UnitError):
        unit.run("true", deadline=Deadline(30))
    slot.power_on()
    slot.wait_until_settled()
    unit = serial_unit(slot)
    assert _run(unit, "cat /root/kept") == "kept"
    assert unit.run("cat /root/lost", deadline=Deadline(30)).stdout == b""
    slot.reset()
    slot.wait_until_settled()
    assert slot.boots == 4


def test_files_are_flashed_and_proved_on_a_real_kernel(qemu_unit: QemuUnit) -> None:
    unit: Unit = ssh_unit(qemu_unit)
    _run(unit, f"cd /etc/connectd && rm -f {' '.join(NEW)}; mkdir -p {' '.join(FOLDERS)}")
    facts = read_facts(unit, SECTION, deadline=Deadline(60))
    checked = preflight(unit, picture(), SECTION, deadline=Deadline(60))
    receipt = flash(unit, picture(), SECTION, checked=checked, facts=facts, deadline=Deadline(120))
    assert receipt.method == "files"
    reboot: Reboot = "soft"
    identity = replace(IDENTITY, macs=facts.interfaces)

    def again(deadline: Deadline) -> Unit:
        return ssh_unit(qemu_unit)

    proof, unit = prove(
        unit, picture(), identity, SECTION, reboot=reboot, pending=checked.pending, facts=facts, reconnect=again,
        deadline=Deadline(240),
    )  # fmt: skip
    finish(unit, checked.pending, deadline=Deadline(60))
    assert proof.reboot == "soft"
    assert qemu_unit.boot_id != facts.boot_id
    assert _run(unit, "cat /etc/connectd/hardware_id.txt") == "b827eb000001"
    unit.close()


def test_a_unit_that_is_not_possible_is_refused() -> None:
    with pytest.raises(UsageError, match="ash"):
        Machine(shell="ash", left_out=frozenset({"base64"}))
    with pytest.raises(UsageError, match="whole MiB"):
        Machine(target_bytes=MEBI)


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.rehearsal.qemu import host

    monkeypatch.setattr(host, "_PATH", "/nowhere")
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    with pytest.raises(NotStartedError) as caught:
        host.program("qemu-system-x86_64")
    assert "qemu-system-x86" in caught.value.hint
