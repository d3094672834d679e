"""Units that have little: no encoder, no hash tool, a small FIFO. The right bytes, or a clear error."""

from __future__ import annotations

import hashlib
import io
import os
import time

import pytest

from factory.errors import FactoryError
from factory.rehearsal.faults import Fault
from factory.units.deadline import Deadline, DeadlineExpired
from tests import programs
from tests.units.conftest import Oracle, Simulate
from tests.units.test_serial_faults import open_simulated
from tests.units.transcripts import Kept

ENCODERS = ["base64", "od", "hexdump", "xxd"]
HASH_TOOLS = ["sha256sum", "md5sum", "cksum"]
SHELLS = {"dash": ["-i"], "bash": ["--norc", "--noediting", "-i"], "busybox": ["ash", "-i"]}


@pytest.mark.parametrize(
    ("shell", "missing"),
    [
        ("dash", ["base64"]),
        ("dash", ENCODERS),
        ("dash", [*ENCODERS, *HASH_TOOLS, "stty", "head", "gunzip", "gzip"]),
        ("dash", ["base64", "sha256sum", "md5sum"]),
        ("bash", [*ENCODERS, "gunzip"]),
    ],
    ids=["od", "shell-alone", "nothing", "cksum", "bash-alone"],
)
def test_poor_units_work_and_get_short_lines(oracle: Oracle, shell: str, missing: list[str]) -> None:
    wire = oracle.wire([programs.require(shell), *SHELLS[shell]], left_out=missing)
    kept = Kept()
    unit = oracle.open(wire, transcript=kept)
    said = unit.run("echo 'caf\u00e9 \\ %s'; printf 'no end'; echo wrong >&2; exit 3", deadline=Deadline(30))
    assert (said.status, said.stdout, said.stderr) == (3, "caf\u00e9 \\ %s\nno end".encode(), b"wrong\n")
    payload = os.urandom(3000)
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(30))
    assert sent.completed.status == 0
    assert (oracle.home(wire) / "got").read_bytes() == payload
    assert max(map(len, bytes(wire.sent).splitlines())) < 512
    if "xxd" in missing:
        assert any("agent runs; printf" in note for note in kept.notes)


def test_a_busybox_shell_with_its_own_line_editor(oracle: Oracle) -> None:
    """Its applets come with it, so here only the shell differs: it echoes by itself."""
    wire = oracle.wire([programs.require("busybox"), "ash", "-i"])
    unit = oracle.open(wire)
    payload = os.urandom(5000)
    unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(30))
    assert (oracle.home(wire) / "got").read_bytes() == payload


@pytest.mark.parametrize(("shell", "room"), [("dash", 20), ("bash", 64), ("busybox", 64)])
def test_a_receiver_that_keeps_few_bytes_of_a_burst(oracle: Oracle, shell: str, room: int) -> None:
    """Of what comes at once the first bytes are kept: nothing longer than that may be typed without waiting."""
    wire = oracle.wire([programs.require(shell), *SHELLS[shell]], up=lambda data: data[:room])
    kept = Kept()
    unit = oracle.open(wire, transcript=kept, seconds=60)
    payload = os.urandom(1500)
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got; echo stored", deadline=Deadline(40))
    assert sent.completed.stdout == b"stored\n"
    assert (oracle.home(wire) / "got").read_bytes() == payload
    assert any("bursts of" in note for note in kept.notes)


def test_a_receiver_that_gets_worse_and_better(oracle: Oracle) -> None:
    """The burst that comes through is found, kept, and grows again when the line is good."""
    wire = oracle.wire()
    kept = Kept()
    unit = oracle.open(wire, transcript=kept)
    payload = os.urandom(4000)
    wire.up = lambda data: data[:64]
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(60))
    assert sent.retries > 0
    assert (oracle.home(wire) / "got").read_bytes() == payload
    again = unit.put(lambda offset: io.BytesIO(payload[offset:]), "cat >got", deadline=Deadline(60))
    assert again.retries < sent.retries, "what was found is kept for the session"
    wire.up = lambda data: data
    more = os.urandom(60_000)
    unit.put(lambda offset: io.BytesIO(more[offset:]), "cat >got", deadline=Deadline(60))
    assert (oracle.home(wire) / "got").read_bytes() == more
    assert any("no more bursts" in note for note in kept.notes)


def test_a_simulated_unit_with_a_small_fifo(simulate: Simulate) -> None:
    simulated = simulate(Fault.FIFO_OVERRUN, baud=115200)
    unit = open_simulated(simulated)
    payload = os.urandom(6000)
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "sha256sum", deadline=Deadline(60))
    assert sent.completed.text().split()[0] == hashlib.sha256(payload).hexdigest()
    unit.close()


@pytest.mark.parametrize("cut", [0, 1500, 4500, 9000])
def test_a_cut_at_every_block_is_an_error_and_never_a_wrong_file(simulate: Simulate, cut: int) -> None:
    simulated = simulate()
    unit = open_simulated(simulated)
    assert simulated.serial is not None
    payload = os.urandom(9000)
    simulated.inject(Fault.CABLE_CUT, at=cut)
    command = "cat >part && test $(wc -c <part) = 9000 && mv part got"
    with pytest.raises(FactoryError):
        unit.put(lambda offset: io.BytesIO(payload[offset:]), command, deadline=Deadline(3, idle=1.5))
    got = simulated.root / "got"
    assert not got.exists() or got.read_bytes() == payload
    unit.close()


def test_a_hanging_command_is_ended_and_the_unit_is_usable(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(DeadlineExpired) as raised:
            unit.run("echo started; sleep 60; echo over >>over", deadline=Deadline(0.7))
        assert "answers again" in raised.value.hint
        assert time.monotonic() - begun < 20
        assert unit.run("echo alive", deadline=Deadline(30)).stdout == b"alive\n"
    assert not (oracle.home(wire) / "over").exists()


@pytest.mark.parametrize("missing", [[], ["stty"]], ids=["stty", "no-stty"])
@pytest.mark.parametrize("shell", list(SHELLS))
def test_a_hanging_command_behind_a_payload_is_ended(oracle: Oracle, shell: str, missing: list[str]) -> None:
    unit = oracle.open(oracle.wire([programs.require(shell), *SHELLS[shell]], left_out=missing))
    with pytest.raises(DeadlineExpired) as raised:
        unit.put(lambda offset: io.BytesIO(b"abc"[offset:]), "cat >got; sleep 60", deadline=Deadline(1.5))
    assert "answers again" in raised.value.hint
    assert unit.run("cat got", deadline=Deadline(30)).stdout == b"abc"


def test_a_unit_that_does_not_hear_ctrl_c_is_said_so(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    wire.up = lambda _: b""
    with pytest.raises(DeadlineExpired) as raised:
        unit.run("sleep 9", deadline=Deadline(0.7))
    assert "may still run" in raised.value.hint
