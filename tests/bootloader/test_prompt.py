from __future__ import annotations

from pathlib import Path

import pytest

from factory.bootloader import Bootloader, BootloaderError, attach, autoboot, read_environment
from factory.config import SerialSection, UbootFlash
from factory.flashing.uboot import bootloader_on
from factory.rehearsal.uboot import UbootFault
from factory.units import Cancelled, Deadline, DeadlineExpired
from tests.bootloader.boards import SECTION, Power, board, stopped


def limit(seconds: float = 30.0) -> Deadline:
    return Deadline(seconds)


def test_commands_have_their_output_and_status(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        assert loader.run("true", limit=limit()).status == 0
        assert loader.run("false", limit=limit()).status == 1
        nonsense = loader.run("nonsense", limit=limit())
        assert (nonsense.ok, nonsense.text) == (False, "Unknown command 'nonsense' - try 'help'\n")
        assert loader.run("echo one two", limit=limit()).text == "one two\n"
        with pytest.raises(BootloaderError, match="refused 'nonsense'"):
            nonsense.require("trying")


def test_an_old_shell_without_status_is_judged_by_its_words(tmp_path: Path) -> None:
    with board(tmp_path) as unit:
        unit.faults.add(UbootFault.BARE_SHELL)
        with stopped(unit) as loader:
            good, bad = loader.run("printenv baudrate", limit=limit()), loader.run("nonsense", limit=limit())
            assert (good.status, good.ok, bad.status, bad.ok) == (None, True, None, False)


def test_nothing_is_ever_run_from_a_damaged_line(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        for at in range(0, 40, 13):
            unit.uart.flaws.drop(0.0, at)
            assert loader.run("setenv good value", limit=limit()).status == 0
            unit.uart.flaws.mend()
            unit.uart.flaws.change(0.0, at)
            assert loader.run("setenv good value", limit=limit()).status == 0
            unit.uart.flaws.mend()
        assert set(unit.machine.environment) - {"baudrate", "bootdelay", "loadaddr", "board_name"} == {"good"}


def test_keys_are_pressed_in_the_window_only(tmp_path: Path) -> None:
    with board(tmp_path) as unit:
        unit.faults.add(UbootFault.NO_WINDOW)
        with pytest.raises(BootloaderError) as caught, stopped(unit):
            pass
        assert caught.value.code == "uboot.window-missed"
        assert unit.typed_into_linux == b""


def test_the_wrong_key_misses_the_window_and_nothing_is_typed_into_the_system(tmp_path: Path) -> None:
    with board(tmp_path) as unit:
        unit.machine.bootdelay = -2.0
        with pytest.raises(BootloaderError) as caught, stopped(unit):
            pass
        assert caught.value.code == "uboot.window-missed"
        # A key that was pressed as the window closed may be on its way; none follows it.
        assert unit.typed_into_linux in (b"", SECTION.stop_keys.encode())


def test_a_silent_line_is_no_boot_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoboot, "_ANSWER_SECONDS", 0.5)
    with board(tmp_path) as unit:
        port = SerialSection(port=str(unit.port))
        with pytest.raises(BootloaderError) as caught, bootloader_on(port, SECTION, deadline=Deadline(0.5)):
            pass
        assert caught.value.code == "uboot.no-autoboot"
        with pytest.raises(BootloaderError) as none, bootloader_on(port, SECTION, deadline=limit(), stopped=True):
            pass
        assert none.value.code == "uboot.no-prompt"


def test_a_loader_that_somebody_stopped_is_taken_as_it_is(tmp_path: Path) -> None:
    with board(tmp_path) as unit:
        with stopped(unit) as loader:
            loader.run("setenv left behind", limit=limit())
        with bootloader_on(SerialSection(port=str(unit.port)), SECTION, deadline=limit(), stopped=True) as loader:
            assert read_environment(loader, limit=limit()).values["left"] == "behind"
            assert attach(loader.line, prompt="=> ", limit=limit()).prompt == "=> "
        assert unit.boots == 1


def test_a_deadline_and_a_cancel_end_a_wait(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        unit.uart.flaws.dead = True
        with pytest.raises((DeadlineExpired, BootloaderError)):
            loader.run("version", limit=limit(0.5))
        off = limit()
        off.cancel.set()
        with pytest.raises(Cancelled):
            loader.run("version", limit=off)


def test_power_lost_in_a_command_is_told_at_once(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        started = loader.start("version", limit=limit())
        Power(unit).off(deadline=limit())
        Power(unit).on(deadline=limit())
        with pytest.raises(BootloaderError) as caught:
            Bootloader.finish(loader, ("reset", "XXXXXXXX"), limit=limit())
        assert caught.value.code == "uboot.restarted"
        assert started[0] == "version"


def test_a_prompt_with_other_words(tmp_path: Path) -> None:
    assert UbootFlash(prompt="U-Boot> ").prompt == "U-Boot> "
    for wrong in ("", "  ", "\x07"):
        with pytest.raises(ValueError):
            UbootFlash(prompt=wrong)
