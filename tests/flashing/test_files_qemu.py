"""Method `files` on a real kernel: power lost in the middle, and a folder in memory that the kit brings back."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.flashing import Preflight, finish, flash, preflight, prove, restore
from factory.flashing.plan import CODE_FILE
from factory.rehearsal.qemu.unit import QemuUnit
from factory.units.deadline import Deadline
from factory.units.facts import read_facts
from factory.units.protocol import Unit
from tests.flashing.rig import FOLDERS, IDENTITY, NEW, OLD, picture
from tests.qemu import SECTION, ssh_unit

KIT = Path(__file__).parents[2] / "templates/persistence"
CONNECTD = "/etc/connectd"


def write(unit: Unit, path: str, content: bytes, mode: str = "0644") -> None:
    sent = unit.put(
        lambda offset: io.BytesIO(content[offset:]), f"cat > {path} && chmod {mode} {path}", deadline=Deadline(30)
    )
    assert sent.completed.status == 0


def run(unit: Unit, command: str) -> str:
    return unit.run(command, deadline=Deadline(30)).require(command).text()


def old_content(unit: Unit) -> None:
    run(unit, f"rm -rf {CONNECTD}/* {CONNECTD}/.factory*; mkdir -p {CONNECTD}")
    for name, content in OLD.items():
        write(unit, f"{CONNECTD}/{name}", content)
    run(unit, "sync")


def content(unit: Unit) -> dict[str, bytes]:
    names = run(unit, f"cd {CONNECTD} && for f in *; do [ ! -f $f ] || echo $f; done").split()
    return {name: run(unit, f"cat {CONNECTD}/{name}").encode() for name in names}


def begin(unit: Unit, **changes: Any) -> tuple[Preflight, Callable[[], Any]]:
    section = SECTION.model_copy(update=changes)
    facts = read_facts(unit, section, deadline=Deadline(60))
    checked = preflight(unit, picture(), section, deadline=Deadline(60))

    def go() -> Any:
        return flash(unit, picture(), section, checked=checked, facts=facts, deadline=Deadline(60), owner="S1")

    return checked, go


def test_power_lost_at_several_moments_of_a_flash(qemu_factory: Callable[..., QemuUnit]) -> None:
    """Old, new, or unable to register; the debt puts the old content back, and the next attempt goes through."""
    machine = qemu_factory()
    seen = set()
    for delay in (0.05, 0.2):
        unit = ssh_unit(machine, Deadline(60))
        old_content(unit)
        checked, go = begin(unit)
        timer = threading.Timer(delay, machine.kill)
        timer.start()
        with contextlib.suppress(FactoryError):
            go()
        timer.join()
        unit.close()
        machine.power_on()
        machine.wait_until_settled()
        unit = ssh_unit(machine, Deadline(60))
        now = content(unit)
        state = "old" if now == OLD else "new" if now == NEW else "no code"
        assert state != "no code" or CODE_FILE not in now, now
        seen.add(state)
        restore(unit, checked.pending, deadline=Deadline(30))
        assert content(unit) == OLD
        unit.close()
    assert seen <= {"old", "new", "no code"}
    unit = ssh_unit(machine, Deadline(60))
    checked, go = begin(unit)
    go()
    finish(unit, checked.pending, deadline=Deadline(30), section=SECTION, owner="S1")
    assert content(unit) == NEW
    unit.close()


def test_a_folder_in_memory_is_saved_restarted_and_restored(qemu_factory: Callable[..., QemuUnit]) -> None:
    machine = qemu_factory()
    unit: Unit = ssh_unit(machine, Deadline(60))
    for name in ("connectd_persistence", "connectd_save_config"):
        write(unit, f"/usr/bin/{name}", (KIT / name).read_bytes(), "0755")
    write(unit, "/etc/init.d-restore", (KIT / "S04connectd-restore").read_bytes(), "0755")
    boot = (
        "mount -t tmpfs tmpfs /etc/connectd; echo default. > /etc/connectd/hardware_id.txt; /etc/init.d-restore start"
    )
    run(unit, f"sed -i '/dropbear -r/i {boot}' /etc/rc && sync && (sleep 1; reboot) >/dev/null 2>&1 &")
    unit.close()
    machine.wait_until_settled(boots=machine.boots + 1)
    unit = ssh_unit(machine, Deadline(60))
    assert content(unit) == {"hardware_id.txt": b"default.\n"}
    section = SECTION.model_copy(update={"persistence": "save-config"})
    facts = read_facts(unit, section, deadline=Deadline(60))
    checked, go = begin(unit, persistence="save-config")
    receipt = go()
    assert receipt.saved == "status 0, no output"
    proof, unit = prove(
        unit, picture(), IDENTITY, section, reboot="soft", pending=checked.pending, facts=replace(facts, connectd=None),
        reconnect=lambda deadline: ssh_unit(machine, deadline), deadline=Deadline(90), owner="S1",
        reread=lambda unit, deadline: replace(read_facts(unit, section, deadline=deadline), connectd=None),
    )  # fmt: skip
    assert {f"{name}/" for name in FOLDERS} <= set(proof.compared)
    finish(unit, checked.pending, deadline=Deadline(30), section=section, owner="S1")
    assert content(unit) == NEW
    # A second life: flashed again, restarted before the proof, and given back. Its old content lay in memory.
    checked, go = begin(unit, persistence="save-config")
    go()
    unit.close()
    machine.kill()
    machine.power_on()
    machine.wait_until_settled()
    unit = ssh_unit(machine, Deadline(60))
    assert content(unit) == NEW
    assert restore(unit, checked.pending, deadline=Deadline(30)) is True
    assert content(unit) == {}
    unit.close()
