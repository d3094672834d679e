from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from factory.flashing import FlashError, NotProved, OtherUnit, Reboot, flash, prove
from factory.units.deadline import Cancelled, Deadline
from factory.units.protocol import Unit, UnitError, UnitGone
from factory.values import Facts, Mac, Proof
from tests.flashing.rig import FIRST_BOOT, IDENTITY, KEY, NEW, NEXT_BOOT, OLD, Rig, ShellUnit, picture, show


@dataclass
class Bench:
    """A flashed unit and what happens when it is connected again."""

    rig: Rig
    tries: list[Exception] = field(default_factory=list)
    connected: list[ShellUnit] = field(default_factory=list)
    now: Callable[[Facts], Facts] = lambda facts: facts

    def reconnect(self, deadline: Deadline) -> Unit:
        if self.tries:
            raise self.tries.pop(0)
        self.connected.append(self.rig.unit())
        return self.connected[-1]

    def reread(self, unit: Unit, deadline: Deadline) -> Facts:
        return self.now(self.rig.facts())

    def prove(self, reboot: Reboot = "soft", *, seconds: float = 10.0, **changes: object) -> tuple[Proof, Unit]:
        unit = self.rig.unit()
        image = picture()
        checked = self.rig.checked(unit)
        facts = self.rig.facts()
        flash(
            unit,
            image,
            self.rig.section,
            checked=checked,
            facts=facts,
            reread=self.rig.reread,
            deadline=Deadline(30),
        )
        self.first = unit
        self.pending = checked.pending
        arguments: dict[str, object] = {
            "pending": checked.pending,
            "facts": facts,
            "reconnect": self.reconnect,
            "reread": self.reread,
            "deadline": Deadline(seconds),
        }
        return prove(unit, image, IDENTITY, self.rig.section, reboot=reboot, **(arguments | changes))  # type: ignore[arg-type]

    def fails(self, code: str, reboot: Reboot = "soft", **arguments: object) -> FlashError:
        with pytest.raises(FlashError) as caught:
            self.prove(reboot, **arguments)  # type: ignore[arg-type]
        assert caught.value.code == code
        assert KEY not in str(caught.value)
        assert all(unit.closed for unit in self.connected)
        return caught.value


@pytest.fixture
def bench(rig: Rig) -> Bench:
    return Bench(rig)


class Supply:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.said: list[str] = []

    def off(self, *, deadline: Deadline) -> None:
        self.said.append("off")

    def on(self, *, deadline: Deadline) -> None:
        self.said.append("on")
        self.rig.set_boot(NEXT_BOOT)


def test_a_soft_reboot_is_awaited_and_everything_compared(bench: Bench) -> None:
    bench.tries = [UnitGone("refused"), UnitError("half a banner")]
    proof, unit = bench.prove()
    assert (proof.boot_before, proof.boot_after, proof.reboot) == (FIRST_BOOT, NEXT_BOOT, "soft")
    assert {"mac.eth0", "serial", "hardware_id.txt", "registration_key.txt", "dfiles/"} <= set(proof.compared)
    assert proof.connectd is False
    assert unit is bench.connected[-1] and not bench.connected[-1].closed
    assert bench.first.closed


def test_power(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.flashing.reboot.OFF_SECONDS", 0.01)
    supply = Supply(bench.rig)
    proof, _ = bench.prove("power", power=supply)
    assert supply.said == ["off", "on"]
    assert proof.boot_after == NEXT_BOOT


def test_power_without_a_switch_is_refused_and_undone(bench: Bench) -> None:
    error = bench.fails("prove.no-power", "power")
    assert error.pending is None
    assert bench.rig.content() == OLD


def test_none_compares_without_a_restart(bench: Bench) -> None:
    proof, unit = bench.prove("none")
    assert proof.boot_before == proof.boot_after == FIRST_BOOT
    assert unit is bench.first
    assert bench.connected == []


def test_what_connectd_says_is_compared(bench: Bench) -> None:
    bench.now = lambda facts: replace(facts, connectd=show())
    proof, _ = bench.prove()
    assert proof.connectd is True
    assert "connectd_control show" in proof.compared


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hardware_id": "default."}, "hardware id"),
        ({"registration_key": "another"}, "registration key"),
        ({"code": "missing."}, "bulk identification code"),
    ],
)
def test_connectd_that_says_something_else(bench: Bench, change: dict[str, str], said: str) -> None:
    bench.now = lambda facts: replace(facts, connectd=show(**change))
    error = bench.fails("prove.show")
    assert said in error.message
    assert "another" not in error.message.replace("says another", "")
    assert bench.rig.content() == OLD


def test_connectd_that_falls_silent(bench: Bench) -> None:
    facts = bench.rig.facts(connectd=show())
    bench.fails("prove.show", facts=facts)


def on_reboot(rig: Rig, action: str) -> None:
    rig.script("reboot", f"{action}\necho {NEXT_BOOT} > proc/sys/kernel/random/boot_id")
    for name in ("cp", "cat", "rm"):
        if not (rig.bin / name).exists():
            rig.link(name)


def test_a_unit_that_forgets_is_caught(bench: Bench) -> None:
    saved = bench.rig.base / "saved"
    shutil.copytree(bench.rig.connectd, saved)
    on_reboot(bench.rig, f"rm -r etc/connectd; cp -rp {saved} etc/connectd")
    error = bench.fails("prove.forgot")
    assert "forgot what was written when it rebooted" in error.message
    assert "hardware_id.txt holds something else" in error.message
    assert error.pending is None


def test_a_volatile_folder_is_caught(bench: Bench) -> None:
    on_reboot(bench.rig, "rm -r etc/connectd")
    error = bench.fails("prove.forgot")
    assert "hardware_id.txt is gone" in error.message
    assert "volatile" in error.hint


def test_a_unit_that_never_reboots_is_caught(bench: Bench) -> None:
    bench.rig.script("reboot", "exit 0")
    error = bench.fails("prove.no-reboot", seconds=1.5)
    assert "did not reboot" in error.message
    assert error.pending == bench.pending
    assert len(bench.connected) > 1


def test_a_unit_that_does_not_come_back_is_caught(bench: Bench) -> None:
    bench.tries = [UnitGone("no route to host")] * 50
    error = bench.fails("prove.no-return", seconds=1.0)
    assert "no route to host" in error.message
    assert error.pending == bench.pending
    assert "Connect the same unit again" in error.hint


def refusal(code: str = "unit.login-incorrect") -> UnitError:
    return UnitError("refused", code=code, retry=False)


def test_a_login_refused_while_booting_is_tried_once_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.flashing.reboot.REFUSAL_PAUSE_SECONDS", 0.01)
    bench.tries = [refusal()]
    proof, _ = bench.prove()
    assert proof.boot_after == NEXT_BOOT


def test_a_login_refused_twice_is_not_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.flashing.reboot.REFUSAL_PAUSE_SECONDS", 0.01)
    bench.tries = [refusal(), refusal(), UnitGone("never asked")]
    error = bench.fails("unit.login-incorrect")
    assert error.pending == bench.pending
    assert len(bench.tries) == 1


def test_a_host_key_alarm_ends_it_at_once(bench: Bench) -> None:
    bench.tries = [refusal("unit.ssh.host-key"), UnitGone("never asked")]
    bench.fails("unit.ssh.host-key")
    assert len(bench.tries) == 1


def test_called_off_while_waiting(bench: Bench) -> None:
    deadline = Deadline(10)

    def reconnect(_: Deadline) -> Unit:
        deadline.cancel.set()
        raise UnitGone("not yet")

    with pytest.raises(FlashError) as caught:
        bench.prove(reconnect=reconnect, deadline=deadline)
    assert isinstance(caught.value.__cause__, Cancelled)
    assert caught.value.exit_code == 130
    assert caught.value.pending == bench.pending


def test_a_unit_without_reboot_command(bench: Bench) -> None:
    bench.rig.remove("reboot")
    bench.fails("prove.no-reboot-command")
    assert bench.rig.content() == OLD


def test_a_unit_without_boot_id(bench: Bench) -> None:
    boot_id = bench.rig.root / "proc/sys/kernel/random/boot_id"
    facts = bench.rig.facts()
    bench.rig.facts = lambda **_: facts  # type: ignore[method-assign]
    boot_id.unlink()
    bench.fails("prove.no-boot-id")
    assert bench.rig.content() == OLD


def test_swapped_during_the_reboot(bench: Bench) -> None:
    bench.now = lambda facts: replace(facts, serial="board-2")
    error = bench.fails("flash.other-unit")
    assert isinstance(error, OtherUnit)
    assert error.pending == bench.pending
    assert bench.rig.content() == NEW  # the other unit is left alone


def test_an_interface_that_comes_late_is_waited_for(bench: Bench) -> None:
    wlan = Mac.parse("b827eb000002")
    calls: list[int] = []

    def now(facts: Facts) -> Facts:
        calls.append(1)
        return replace(facts, interfaces={**facts.interfaces, "wlan0": wlan}) if len(calls) > 1 else facts

    bench.now = now
    expected = bench.rig.facts(interfaces={**IDENTITY.macs, "wlan0": wlan})
    proof, _ = bench.prove(facts=expected)
    assert "mac.wlan0" in proof.compared
    assert len(calls) == 2


def test_a_unit_that_registered_itself_on_the_bench(bench: Bench) -> None:
    on_reboot(bench.rig, "echo x > etc/connectd/dfiles/A1B2")
    error = bench.fails("prove.registered")
    assert "dfiles is not empty: A1B2" in error.message


def test_without_any_hash_program(bench: Bench) -> None:
    bench.rig.remove("sha256sum")
    proof, _ = bench.prove()
    assert "registration_key.txt" in proof.compared


def test_without_any_hash_program_a_change_is_found(bench: Bench) -> None:
    bench.rig.remove("sha256sum")
    on_reboot(bench.rig, "echo other > etc/connectd/registration_key.txt")
    assert "registration_key.txt differs" in bench.fails("prove.forgot").message


def test_a_changed_mode_is_found(bench: Bench) -> None:
    on_reboot(bench.rig, "chmod 644 etc/connectd/registration_key.txt")
    assert "has mode 0644, not 0600" in bench.fails("prove.forgot").message


def test_not_proved_is_a_flash_error() -> None:
    assert issubclass(NotProved, FlashError)
