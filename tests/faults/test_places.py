"""Fault 8: two adapters that look alike, and change their numbers while the line runs. The place on the bench stays."""

from __future__ import annotations

import os
import re
import tty
from pathlib import Path

from factory.config.bench import SerialSection
from factory.units.console import Console
from factory.units.deadline import Deadline


def test_a_port_by_its_place_leads_to_the_unit_there_whatever_its_number(tmp_path: Path) -> None:
    pairs = [os.openpty() for _ in range(2)]
    for _, slave in pairs:
        tty.setraw(slave)
    numbers = [tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"]
    places = [tmp_path / "by-path-left", tmp_path / "by-path-right"]
    for run in range(2):
        # After the second plug-in the kernel counts the other way round; udev's links follow the sockets.
        order = (0, 1) if run == 0 else (1, 0)
        for number, which in zip(numbers, order, strict=True):
            number.unlink(missing_ok=True)
            number.symlink_to(os.ttyname(pairs[which][1]))
        for place, which in zip(places, (0, 1), strict=True):
            place.unlink(missing_ok=True)
            place.symlink_to(numbers[order.index(which)].name)
        for place, (master, _), unit in zip(places, pairs, (b"left unit", b"right unit"), strict=True):
            console = Console.open(SerialSection(port=str(place)))
            os.write(master, unit)
            _, found = console.expect([re.compile(rb"\w+ unit")], Deadline(10.0))
            assert found[0] == unit
            console.close()
    for pair in pairs:
        for end in pair:
            os.close(end)
