"""The line's speed: SSH against scp, the serial wire against cat, sixteen slots against one."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from factory.config import (
    SerialSection,
    SshSection,
    TimeoutsSection,
    UnitSection,
    load_bench,
    load_product,
)
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.ends import PtyEnd
from factory.rehearsal.plan import UnitPlan, demo_plans
from factory.rehearsal.wire import Wire
from factory.secrets import Secret
from factory.units import AcceptAnyKey, Deadline, Login, NullTranscript, Unit, open_serial, open_ssh, read_facts
from tools.measure import Ratio, compare, seconds
from tools.openssh import Sshd

FILES = {
    "hardware_id.txt": b"b827eb123456\n",
    "registration_key.txt": b"abcdefghijklmnopqrstuvwxyz234567\n",
    "bulk_identification_code.txt": b"0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1\n",
    "oem_settings": b"oemGetOSLabel() { echo 1; }\n" * 20,
    "schannel.conf": b"Task_Notify_Script /usr/bin/connectd_task_notify\n",
    "claimcode.txt": b"12345\n",
}
BASE64_LIMIT = 115200 / 10 * 3 / 4
PAYLOAD = 64 * 1024


def ssh_ratios() -> Iterator[Ratio]:
    """Identity and six files against OpenSSH's sshd: with the connection, against scp; and on an open connection."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as name, Sshd(Path(name)) as server:
        folder = Path(name)
        target = folder / "target"
        target.mkdir()
        for file, content in FILES.items():
            (folder / file).write_bytes(content)
        source = [str(folder / file) for file in FILES]
        section = UnitSection()

        def connected() -> Unit:
            return open_ssh(
                SshSection(host="127.0.0.1", port=server.port),
                Login(user=server.user, key=server.client_key),
                slot="bench",
                host_keys=AcceptAnyKey(),
                timeouts=TimeoutsSection(),
                transcript=NullTranscript(),
                deadline=Deadline(30),
            )

        def ours() -> None:
            with contextlib.closing(connected()) as unit:
                identity_and_files(unit, section, target)

        def scp() -> None:
            subprocess.run([*server.scp, *source, f"{server.user}@127.0.0.1:{target}"], check=True, capture_output=True)

        goal = "identity + six files, connection included : scp of the six"
        yield compare(goal, ours, scp, at_most=1.0, runs=9)
        with contextlib.closing(connected()) as unit:

            def again() -> None:
                identity_and_files(unit, section, target)

            def files() -> None:
                six_files(unit, target)

            def bare() -> None:
                unit.run("true", deadline=Deadline(10))

            yield compare("the same on an open connection : scp of the six", again, scp, at_most=1.0, runs=9)
            yield compare("six files on an open connection : one bare command", files, bare, at_most=3.0, runs=25)


def identity_and_files(unit: Unit, section: UnitSection, target: Path) -> None:
    """Read who the unit is, and stream six small files into a folder."""
    read_facts(unit, section, deadline=Deadline(30))
    six_files(unit, target)


def six_files(unit: Unit, target: Path) -> None:
    """Stream six small files into a folder as one tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    sent = unit.put(lambda offset: io.BytesIO(data[offset:]), f"tar -xf - -C {target}", deadline=Deadline(30))
    sent.completed.require("unpacking")


def serial_ratios() -> Iterator[Ratio]:
    """A random payload through the framed session against cat through the same kind of wire, in payload bytes/s."""
    payload = os.urandom(PAYLOAD)
    plan = UnitPlan("bench", {"eth0": "b8:27:eb:12:34:56"}, "BENCH1", frozenset({"serial"}))
    with (
        tempfile.TemporaryDirectory(prefix="factory-bench-") as folder,
        SimulatedBench(Path(folder) / "units", [plan]) as bench,
    ):
        rates = [_framed(bench, payload) for _ in range(3)]
    raw = [_cat(payload) for _ in range(3)]
    ours, cat = statistics.median(rates), statistics.median(raw)
    spread = (max(rates) / min(rates), max(raw) / min(raw))
    name = f"serial payload {ours:.0f} B/s of the base64 limit {BASE64_LIMIT:.0f} B/s; cat {cat:.0f} B/s"
    share = ours / BASE64_LIMIT
    yield Ratio(name, PAYLOAD / ours, PAYLOAD / cat, share, spread, "at least 0.90 of the limit", share >= 0.9)


def _framed(bench: SimulatedBench, payload: bytes) -> float:
    unit = bench.units[0]
    assert unit.serial_port is not None
    login = Login(user="root", password=Secret(unit.password))
    opened = open_serial(
        SerialSection(port=unit.serial_port),
        login,
        timeouts=TimeoutsSection(),
        transcript=NullTranscript(),
        deadline=Deadline(60),
        enter_after=0.5,
    )
    with contextlib.closing(opened) as session:
        took = seconds(
            lambda: session.put(
                lambda offset: io.BytesIO(payload[offset:]), "cat >/dev/null", deadline=Deadline(120)
            ).completed.require("cat")
        )
    return len(payload) / took


def _cat(payload: bytes) -> float:
    near, far = PtyEnd(), PtyEnd()
    wire = Wire(near, far)
    source, sink = os.open(near.path, os.O_RDWR | os.O_NOCTTY), os.open(far.path, os.O_RDWR | os.O_NOCTTY)
    wire.start()

    def carry() -> None:
        def send() -> None:
            view = memoryview(payload)
            while view:
                view = view[os.write(source, view) :]

        sender = threading.Thread(target=send)
        sender.start()
        left = len(payload)
        while left:
            left -= len(os.read(sink, 65536))
        sender.join()

    try:
        return len(payload) / seconds(carry)
    finally:
        wire.close()
        for descriptor in (source, sink):
            os.close(descriptor)
        near.close()
        far.close()


def slot_ratios() -> Iterator[Ratio]:
    """Sixteen units in sixteen slots against one in one: how many times faster than one after the other."""
    single = [_line_seconds(1) for _ in range(3)]
    many = [_line_seconds(16) for _ in range(3)]
    one, sixteen = statistics.median(single), statistics.median(many)
    times = 16 * one / sixteen
    spread = (max(many) / min(many), max(single) / min(single))
    yield Ratio("16 slots against 1: times faster", sixteen, one, times, spread, "at least 12", times >= 12)


def _line_seconds(count: int) -> float:
    from dataclasses import replace

    from factory.demo import write_rehearsal
    from factory.identity import KeySource
    from factory.images import open_builder
    from factory.ledger import open_ledger
    from factory.line import Timing, open_line

    # Sound units only, each with both routes, as most benches have.
    plans = [
        replace(plan, faults=frozenset(), routes=frozenset({"serial", "ssh"}), macs=macs)
        for plan, macs in zip(demo_plans(max(3, count)), _macs(), strict=False)
    ][:count]
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as name:
        out = Path(name)
        with SimulatedBench(out / "units", plans) as bench:
            product_file, bench_file = write_rehearsal(bench, out)
            product, station = load_product(product_file), load_bench(bench_file)
            builder = open_builder(product.image, product.folder, product.product.name)
            keys = KeySource.open(product.identity.key, product.folder)
            with open_ledger(station.station.ledger, station="bench", operator="bench", folder=out) as ledger:
                line = open_line(
                    product,
                    station,
                    "BENCH",
                    ledger=ledger,
                    builder=builder,
                    keys=keys,
                    operator="bench",
                    timing=Timing(gone_after=2.0, probe_every=0.3, enter_after=1.0),
                )
                return seconds(lambda: line.run(units=count, on_event=lambda _: None))


def _macs() -> Iterator[dict[str, str]]:
    for number in range(0x100000, 0x200000, 2):
        digits = f"{number:06x}"
        pair = f"b8:27:eb:{digits[:2]}:{digits[2:4]}:{digits[4:]}"
        second = f"{number + 1:06x}"
        yield {"eth0": pair, "wlan0": f"b8:27:eb:{second[:2]}:{second[2:4]}:{second[4:]}"}
