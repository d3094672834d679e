"""The wire is spoilt in every way: the right answer, or a clear error, and no command twice."""

from __future__ import annotations

import base64
import io
import os
import threading
import time

import pytest

from factory.config import SerialSection, TimeoutsSection, UnitSection
from factory.errors import FactoryError
from factory.rehearsal.faults import Fault
from factory.rehearsal.unit import SimulatedUnit
from factory.secrets import Secret
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.facts import read_facts
from factory.units.login import Login
from factory.units.protocol import UnitError, UnitGone
from factory.units.serial_unit import SerialUnit, open_serial
from tests.units.conftest import MACS, Oracle, Simulate
from tests.units.transcripts import Kept
from tests.units.wires import noisy

SIMULATED = UnitSection(
    simulated=True, connectd_dir="etc/connectd", interfaces_dir="sys/class/net", mounts_file="proc/mounts"
)


def open_simulated(unit: SimulatedUnit, *, boot: float = 8, transcript: Kept | None = None) -> SerialUnit:
    assert unit.serial_port is not None
    return open_serial(
        SerialSection(port=unit.serial_port),
        Login("root", Secret(unit.password)),
        timeouts=TimeoutsSection(boot=boot, login=15, command=15),
        transcript=transcript or Kept(),
        deadline=Deadline(30),
        enter_after=0.4,
    )


def test_a_kernel_line_in_every_place_of_a_reply(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    text = b"0123456789" * 40

    def interrupt(data: bytes) -> bytes:
        middle = len(data) // 2
        return data[:middle] + b"[   77.123456] usb 1-1: new device\r\n" + data[middle:]

    wire.down = interrupt
    for _ in range(5):
        assert unit.run(f"printf %s {text.decode()}", deadline=Deadline(10)).stdout == text


@pytest.mark.parametrize("seed", range(6))
def test_dropped_and_changed_bytes(oracle: Oracle, seed: int) -> None:
    """1 of 700 bytes is spoilt both ways. Whatever comes of it must be right, and have run once."""
    wire = oracle.wire()
    unit = oracle.open(wire)
    wire.up, wire.down = noisy(seed, 1 / 700), noisy(seed + 100, 1 / 700)
    right = 0
    for number in range(6):
        try:
            done = unit.run(f"echo {number} >>runs; echo {'answer' * 20} {number}", deadline=Deadline(12))
        except FactoryError as error:
            assert isinstance(error, UnitError | DeadlineExpired)
        else:
            assert done.stdout == f"{'answer' * 20} {number}\n".encode()
            right += 1
    wire.up = wire.down = lambda data: data
    runs = unit.run("cat runs", deadline=Deadline(20)).text().split()
    assert len(runs) == len(set(runs)), "no command ran twice"
    assert right >= 4


@pytest.mark.parametrize("seed", range(3))
def test_a_payload_over_a_spoilt_wire(oracle: Oracle, seed: int) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    payload = os.urandom(12_000)
    wire.up, wire.down = noisy(seed, 1 / 3000), noisy(seed + 50, 1 / 3000)
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(60))
    assert sent.completed.status == 0
    assert sent.retries > 0
    assert (oracle.home(wire) / "got").read_bytes() == payload


@pytest.mark.parametrize("seed", range(3))
def test_a_session_that_starts_on_a_spoilt_wire(oracle: Oracle, seed: int) -> None:
    wire = oracle.wire(up=noisy(seed, 1 / 1500), down=noisy(seed + 9, 1 / 1500))
    try:
        unit = oracle.open(wire)
        assert unit.run("echo fine", deadline=Deadline(20)).stdout == b"fine\n"
    except FactoryError as error:
        assert isinstance(error, UnitError | DeadlineExpired)


def test_without_a_hash_tool_spoilt_bytes_do_not_pass_either(oracle: Oracle) -> None:
    wire = oracle.wire(left_out=["sha256sum", "md5sum", "cksum"])
    unit = oracle.open(wire)
    wire.up, wire.down = noisy(1, 1 / 1500), noisy(2, 1 / 1500)
    payload = os.urandom(2000)
    for number in range(4):
        done = unit.run(f"echo {'answer' * 10} {number}", deadline=Deadline(30))
        assert done.stdout == f"{'answer' * 10} {number}\n".encode()
    unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(60))
    assert (oracle.home(wire) / "got").read_bytes() == payload


def test_a_pulled_cable_is_gone_at_once(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    threading.Timer(0.3, wire.pull).start()
    begun = time.monotonic()
    with pytest.raises(UnitGone) as raised:
        unit.run("sleep 20", deadline=Deadline(15))
    assert time.monotonic() - begun < 5
    assert "cable" in raised.value.hint
    unit.close()


def test_a_unit_that_reboots_in_the_middle_is_gone(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    wire.down = lambda _: b""
    threading.Timer(
        0.3, wire.inject, [b"\r\nU-Boot 2024\r\n[    0.000000] Linux version 6\r\n\r\nunit login: "]
    ).start()
    with pytest.raises(UnitGone) as raised:
        unit.run("sleep 20", deadline=Deadline(15))
    assert "login" in raised.value.message


def test_ten_megabytes_of_noise_and_an_endless_line(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    threading.Thread(target=wire.inject, args=[b"noise noise\r\n" * 400_000 + b"z" * 5_000_000 + b"\r\n"]).start()
    assert unit.run("echo still here", deadline=Deadline(30)).stdout == b"still here\n"


def test_a_line_that_goes_silent_ends_at_the_idle_limit(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    wire.up = lambda _: b""
    with pytest.raises(UnitGone):
        unit.run("echo x", deadline=Deadline(20, idle=1.0))


def test_a_key_in_a_damaged_answer_does_not_reach_the_transcript(oracle: Oracle) -> None:
    kept = Kept()
    wire = oracle.wire()
    unit = oracle.open(wire, transcript=kept)
    key = "K7Q2ZP9X4M1V8B3N6T5W"
    wire.down = noisy(5, 1 / 250)
    for _ in range(3):
        unit.run(f"echo Registration key is {key[:9]}''{key[9:]}", deadline=Deadline(30))
    assert unit._shell.damaged > 0
    assert key in kept.secrets
    seen = bytes(kept.back).replace(f"Registration key is {key}\n".encode(), b"")
    for start in range(3):
        inside = base64.b64encode(b"-" * start + key.encode())[4:20]
        assert inside not in seen


def test_a_shell_without_printf_is_said_so(oracle: Oracle) -> None:
    wire = oracle.wire()
    wire.type(b'command() { [ "$2" != printf ]; }\n')
    with pytest.raises(UnitError) as raised:
        oracle.open(wire)
    assert raised.value.code == "unit.tools"
    assert "read, printf" in raised.value.hint


def test_the_transcript_has_commands_and_answers_and_no_payload(oracle: Oracle) -> None:
    kept = Kept()
    unit = oracle.open(oracle.wire(), transcript=kept)
    unit.run("echo visible", deadline=Deadline(5))
    unit.put(lambda offset: io.BytesIO(b"top secret payload"), "cat >/dev/null", deadline=Deadline(5))
    assert b"visible" in kept.back
    assert b"secret" not in kept.out + kept.back
    assert any(note.startswith("<18 bytes, sha256 ") for note in kept.notes)


@pytest.mark.parametrize(
    "fault", [Fault.KERNEL_MESSAGES, Fault.DROPPED_BYTES, Fault.CHANGED_BYTES, Fault.NO_BASE64, Fault.NO_SHA256SUM]
)
def test_facts_from_simulated_units_with_faults(simulate: Simulate, fault: Fault) -> None:
    """Never a wrong MAC: the facts are right, or there is an error."""
    try:
        unit = open_simulated(simulate(fault))
        facts = read_facts(unit, SIMULATED, deadline=Deadline(30))
    except FactoryError:
        assert fault in (Fault.DROPPED_BYTES, Fault.CHANGED_BYTES)
        return
    assert {name: mac.colons for name, mac in facts.interfaces.items()} == MACS
    assert facts.serial == "10000000aaaa0001"
    unit.close()


def test_a_cut_cable_ends_in_an_error(simulate: Simulate) -> None:
    with pytest.raises(FactoryError):
        open_simulated(simulate(Fault.CABLE_CUT))
