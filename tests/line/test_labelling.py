"""Labels at the line: printed after the proof, scanned back, matched three ways; and every way that goes wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from factory.config.toml_text import Setting
from factory.errors import UsageError
from factory.ledger import LabelRecord, open_ledger
from factory.line import Key
from factory.values import AttemptState, LabelCode, LabelState
from factory.values.label import LETTERS
from tests.line.floor import SSH, Floor, Running, eventually, plan
from tests.line.test_interrupt import at_work, heard

CODE = re.compile(rf"\^FDMA,([{LETTERS}]{{24}})\^FS")


class Paper:
    """A printer on a real socket. `codes` are what a scanner would read from its labels, in order."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.open = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()

    def wait(self, count: int) -> str:
        eventually(lambda: len(self.codes) >= count, 60.0)
        return self.codes[count - 1]

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                wire, _ = self._server.accept()
            except TimeoutError:
                continue
            with wire:
                wire.settimeout(10)
                got = b""
                while data := wire.recv(65536):
                    got += data
                match = CODE.search(got.decode())
                assert match is not None, got
                self.codes.append(match[1])


@contextmanager
def labelled(
    folder: Path,
    *numbers: int,
    scan: bool = True,
    station: str = "",
    slots: dict[int, str] | None = None,
    tries: int = 3,
) -> Iterator[tuple[Floor, Paper]]:
    """A floor whose units get labels from a printer of its own."""
    # Nothing here is about the restart, which takes longer than all the rest.
    settings: dict[str, Setting] = {
        "prove.reboot": "none",
        "label.template": "templates/label/unit.zpl",
        "label.scan": scan,
        "label.tries": tries,
    }
    paper = Paper()
    try:
        with Floor(folder, [plan(number, SSH) for number in numbers], settings=settings) as floor:
            text = floor.bench_file.read_text()
            text = text.replace("\n[[slot]]", f'printer = "{station or paper.address}"\n\n[[slot]]', 1)
            for number, address in (slots or {}).items():
                name = f'name = "slot-{number:02d}"'
                text = text.replace(name, f'{name}\nprinter = "{address}"')
            floor.bench_file.write_text(text)
            floor.open()
            yield floor, paper
            assert floor.ledger.verify() == ()
    finally:
        paper.close()


def labels(floor: Floor) -> tuple[LabelRecord, ...]:
    units = {attempt.unit for attempt in floor.ledger.show().attempts if attempt.unit is not None}
    return tuple(label for unit in sorted(units) for label in floor.ledger.labels_of(unit))


def states(floor: Floor) -> list[str]:
    return [str(label.state) for label in labels(floor)]


def asked(running: Running, slot: str, *, count: int = 1) -> None:
    running.wait("slot.state", slot=slot, state="scan", count=count)


def test_a_label_is_printed_after_the_proof_and_scanned_before_the_pass(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, paper), floor.running(1, scans=True) as running:
        asked(running, "slot-01")
        attempt = floor.ledger.show().attempts[0]
        assert attempt.state is AttemptState.PROVED
        code = LabelCode.parse(paper.wait(1))
        assert code.is_of(attempt.hardware_id or "")
        assert running.line.waits_for_scan == ("slot-01",)
        assert running.line.scan(f"{code.text.lower()}\r\n") == "slot-01: scanned"
        (row,) = running.ended().rows
        assert row.outcome == "passed"
        (label,) = labels(floor)
        assert (label.state, label.nonce, label.number) == (LabelState.VERIFIED, code.nonce, 1)
        assert label.proves and label.printer == paper.address
        kinds = [event.kind for event in running.events if event.seq is not None]
        order = [kind for kind in kinds if kind.startswith(("label.", "attempt.p"))]
        assert order == ["attempt.proved", "label.intent", "label.printed", "label.verified", "attempt.passed"]
        assert not [text for text in floor.secrets() if text in (floor.transcripts()[0].read_text())]


def test_without_a_scan_the_print_is_enough(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, scan=False) as (floor, paper):
        (row,) = floor.run(1).rows
        assert row.outcome == "passed"
        assert len(paper.codes) == 1
        (label,) = labels(floor)
        assert label.state is LabelState.PRINTED and label.proves


def test_a_line_that_scans_wants_a_scanner_and_a_printer(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, _):
        with pytest.raises(UsageError) as caught:
            floor.line()
        assert caught.value.code == "label.no-scanner"
        floor.bench_file.write_text(re.sub("printer = .*", "", floor.bench_file.read_text()))
        floor.open()
        with pytest.raises(UsageError) as caught:
            floor.line(scans=True)
        assert caught.value.code == "label.no-printer"
        assert "slot-01" in caught.value.message


def test_the_last_units_label_a_void_one_and_a_strangers_do_not_pass(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, 2, tries=4) as (floor, paper):
        with floor.running(1, scans=True, slots=["slot-01"]) as running:
            running.line.scan(paper.wait(1))
            assert running.ended().passed == 1
        first = paper.codes[0]
        with floor.running(1, scans=True, slots=["slot-02"]) as running:
            asked(running, "slot-02")
            running.line.press("slot-02", Key.REPRINT)
            second = paper.wait(3)
            void = paper.codes[1]
            asked(running, "slot-02", count=2)
            said = running.line.scan(first)
            assert "label 1 of unit" in said and "verified" in said and "in slot slot-01" in said
            running.wait("slot.state", slot="slot-02", state="wrong")
            assert "an old label of this very unit" not in said
            running.line.scan(void)
            told = running.wait("label.wrong-scan", count=2)
            assert "an old label of this very unit" in str(told.data["why"])
            assert "printed again at the station; throw it away" in str(told.data["why"])
            running.line.scan(LabelCode.of("B" * 16, "nobody").text)
            told = running.wait("label.wrong-scan", count=3)
            assert told.data["why"] == "that is a label that this ledger never printed"
            running.line.scan(second)
            assert running.ended().passed == 1
        assert states(floor) == ["verified", "void", "verified"]
        assert [label.number for label in labels(floor)] == [1, 1, 2]


def test_too_many_wrong_labels_fail_the_unit_loudly(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, tries=2) as (floor, paper):
        with floor.running(1, scans=True) as running:
            asked(running, "slot-01")
            for nonce in ("C" * 16, "D" * 16):
                running.line.scan(LabelCode.of(nonce, "x").text)
            (row,) = running.ended().rows
        assert (row.outcome, row.code) == ("failed", "label.wrong")
        assert "never printed" in (row.cause or "")
        assert states(floor) == ["void"]
        with floor.running(1, scans=True) as running:
            running.line.scan(paper.wait(2))
            assert running.ended().passed == 1
        assert states(floor) == ["void", "verified"]


def test_scanner_faults_are_remarks_and_no_mismatch(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, tries=1) as (floor, paper), floor.running(1, scans=True) as running:
        asked(running, "slot-01")
        code = paper.wait(1)
        assert "keyboard layout" in running.line.scan("ииисивиапирбкео")
        assert "damaged" in running.line.scan(code[:-1])
        assert "is no code of a unit's label" in running.line.scan("4006381333931")
        told = running.wait("slot.state", slot="slot-01", state="scan", count=4)
        assert "is no code" in str(told.data["text"])
        assert running.line.scan(code + code) == "slot-01: scanned"
        assert running.ended().passed == 1
        assert not [event for event in running.events if event.kind == "label.wrong-scan"]


def test_a_double_scan_counts_once_and_not_against_the_next_unit(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, 2, tries=1) as (floor, paper), floor.running(2, scans=True) as running:
        first = paper.wait(1)
        eventually(lambda: bool(running.line.waits_for_scan), 30.0)
        assert running.line.scan(first).endswith("scanned")
        assert "the second scan does not count" in running.line.scan(first)
        second = paper.wait(2)
        eventually(lambda: running.line.waits_for_scan != () and second in paper.codes, 30.0)
        running.wait("slot.state", state="scan", slot=running.line.waits_for_scan[0])
        running.line.scan(second)
        assert running.ended().passed == 2
        assert states(floor) == ["verified", "verified"]


def test_one_printer_has_one_label_at_a_time(tmp_path: Path) -> None:
    with labelled(tmp_path, 1, 2) as (floor, paper), floor.running(2, scans=True) as running:
        first = paper.wait(1)
        other = {"slot-01": "slot-02", "slot-02": "slot-01"}
        running.wait("attempt.proved", count=1, slot="slot-01")
        running.wait("attempt.proved", count=1, slot="slot-02")
        eventually(lambda: len(running.line.waits_for_scan) == 1, 30.0)
        (slot,) = running.line.waits_for_scan
        running.wait("slot.state", slot=other[slot], text=f"working: waits for the label of slot {slot}")
        assert len(paper.codes) == 1
        running.line.scan(first)
        running.line.scan(paper.wait(2))
        assert running.ended().passed == 2


def test_with_two_printers_the_scan_says_whose_it_is(tmp_path: Path) -> None:
    other = Paper()
    try:
        with (
            labelled(tmp_path, 1, 2, slots={2: other.address}) as (floor, paper),
            floor.running(2, scans=True) as running,
        ):
            one, two = paper.wait(1), other.wait(1)
            eventually(lambda: len(running.line.waits_for_scan) == 2, 30.0)
            assert "never printed" in running.line.scan(LabelCode.of("C" * 16, "x").text)
            running.wait("slot.state", slot="slot-01", state="scan", count=2)
            assert not [event for event in running.events if event.kind == "label.wrong-scan"]
            assert running.line.scan(two) == "slot-02: scanned"
            assert running.line.scan(one) == "slot-01: scanned"
            assert running.ended().passed == 2
    finally:
        other.close()


def test_given_up(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, _), floor.running(1, scans=True) as running:
        asked(running, "slot-01")
        running.line.press("slot-01", Key.NO)
        (row,) = running.ended().rows
        assert (row.outcome, row.code) == ("failed", "label.given-up")
        assert states(floor) == ["void"]


def test_the_scanner_is_gone(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, _), floor.running(1, scans=True) as running:
        asked(running, "slot-01")
        running.line.end_scans("standard input was closed")
        (row,) = running.ended().rows
        assert (row.outcome, row.code) == ("failed", "label.no-scanner")


def test_called_off_while_the_label_waits(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, _), floor.running(1, scans=True) as running:
        asked(running, "slot-01")
        (row,) = running.stop().rows
        assert (row.outcome, row.code) == ("failed", "line.interrupted")
        assert states(floor) == ["void"]


def test_a_printer_that_is_away(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
        with labelled(tmp_path, 1, station=away) as (floor, _), floor.running(1, scans=True) as running:
            told = running.wait("slot.state", slot="slot-01", state="wrong")
            assert "refused" in str(told.data["text"]) and "127.0.0.1" in str(told.data["text"])
            running.line.press("slot-01", Key.REPRINT)
            running.wait("slot.state", slot="slot-01", state="wrong", count=2)
            running.line.press("slot-01", Key.NO)
            (row,) = running.ended().rows
            assert (row.outcome, row.code) == ("failed", "label.printer-away")
            assert states(floor) == ["void", "void"]


def test_a_printer_that_is_away_where_nobody_is(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
        with labelled(tmp_path, 1, scan=False, station=away) as (floor, _):
            (row,) = floor.run(1).rows
            assert (row.outcome, row.code) == ("failed", "label.printer-away")


def test_killed_between_print_and_scan(tmp_path: Path) -> None:
    """The label exists and nobody knows whether it is on the unit: the next one voids it, and is counted."""
    with labelled(tmp_path, 1) as (floor, paper):
        with at_work(floor) as process:
            heard(process, "label.printed")
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        old = paper.wait(1)
        assert states(floor) == ["printed"]
        floor.unit(1).wait_until_settled()
        with open_ledger("sqlite:///ledger.db", station="S1", folder=tmp_path) as ledger:
            ledger.recover()
            assert [found.code for found in ledger.doctor() if found.code == "LEDGER-LABEL"]
        with floor.running(1, scans=True) as running:
            new = paper.wait(2)
            asked(running, "slot-01")
            running.line.scan(old)
            told = running.wait("label.wrong-scan")
            assert "an old label of this very unit" in str(told.data["why"])
            running.line.scan(new)
            assert running.ended().passed == 1
        assert states(floor) == ["void", "verified"]
        assert [label.number for label in labels(floor)] == [1, 2]
        assert not [found for found in floor.ledger.doctor() if found.code == "LEDGER-LABEL"]


def test_a_template_that_does_not_fit_a_unit_fails_it_before_anything_is_written(tmp_path: Path) -> None:
    with labelled(tmp_path, 1) as (floor, paper):
        template = floor.product.folder / "templates/label/unit.zpl"
        template.write_text(template.read_text().replace("{{ code_for_people }}", "{{ mac.eth7 }}"))
        (row,) = floor.run(1, scans=True).rows
        assert (row.outcome, row.code) == ("failed", "label.template")
        assert "eth7" in (row.cause or "")
        assert floor.unit(1).root.joinpath("etc/connectd/hardware_id.txt").read_text().strip() != row.hardware_id
        assert paper.codes == [] and labels(floor) == ()
