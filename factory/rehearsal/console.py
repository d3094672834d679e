"""What happens on a unit's console from power on: loader, boot log, then whoever answers there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from factory.rehearsal import bootlog
from factory.rehearsal.faults import Fault
from factory.rehearsal.login import Login
from factory.rehearsal.processes import PowerLostError, Processes
from factory.rehearsal.tty import ConsoleEndedError, Tty

STUCK = {Fault.U_BOOT, Fault.EMERGENCY_SHELL, Fault.INITRAMFS_SHELL}


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a console reports: `up`, the unit has booted; `settled`, it waits for somebody, booted or not;
    `restart`, a person at the loader wants a reset.
    """

    up: Callable[[], None]
    settled: Callable[[], None]
    restart: Callable[[], None]


class Console:
    """One power-on of one unit, as its serial console sees it. `run` returns after `tty.stop`."""

    def __init__(self, tty: Tty, login: Login, processes: Processes, faults: set[Fault], callbacks: Callbacks) -> None:
        self._tty = tty
        self._login = login
        self._processes = processes
        self._faults = faults
        self._callbacks = callbacks

    def run(self, boot_seconds: float | None, *, logged_in: bool = False) -> None:
        """Boot over `boot_seconds` (None: it runs already) and serve the console until stopped; `logged_in` begins
        with a shell that somebody has opened before.
        """
        try:
            if boot_seconds is not None:
                self._boot(boot_seconds * (3 if Fault.BOOT_NOISE in self._faults else 1))
            if Fault.EMERGENCY_SHELL in self._faults:
                self._callbacks.settled()
                self._login.maintenance()
                self._shell()
            elif Fault.INITRAMFS_SHELL in self._faults:
                self._callbacks.settled()
                self._initramfs()
            self._callbacks.up()
            self._callbacks.settled()
            if logged_in:
                self._shell()
            while True:
                self._session()
        except (ConsoleEndedError, PowerLostError):
            return

    def _boot(self, seconds: float) -> None:
        self._tty.write(bootlog.LOADER)
        stopped = self._tty.key_within(seconds * 0.25, bootlog.AUTOBOOT)
        self._tty.write("\b\b0 \n")
        if stopped or Fault.U_BOOT in self._faults:
            self._callbacks.settled()
            self._loader()
        lines = bootlog.log(long=Fault.BOOT_NOISE in self._faults)
        for line in lines:
            self._tty.write(f"{line}\n")
            self._tty.pause(seconds * 0.75 / len(lines))

    def _session(self) -> None:
        if Fault.PRESS_ENTER in self._faults:
            self._tty.write("\nPlease press Enter to activate this console. ")
            self._tty.line(echo=False)
        elif not self._faults & {Fault.LOGGED_IN, Fault.HALF_TYPED}:
            self._login.until_right(forced_change=Fault.PASSWORD_CHANGE in self._faults)
        self._shell()

    def _shell(self) -> None:
        """Run a shell on the tty until it ends; its end hangs the tty up."""
        self._tty.mode(echo=True)
        self._processes.finished(self._tty.shell(self._processes))
        self._tty.pause(0)
        self._tty.open()

    def _loader(self) -> None:
        while True:
            self._tty.write("=> ")
            words = (self._tty.line() or "").split()
            match words[:1]:
                case ["boot" | "bootd" | "run"]:
                    return
                case ["reset"]:
                    self._callbacks.restart()
                case ["printenv"]:
                    self._tty.write("baudrate=115200\nbootdelay=1\n\nEnvironment size: 27/16380 bytes\n")
                case [word]:
                    self._tty.write(f"Unknown command '{word}' - try 'help'\n")

    def _initramfs(self) -> None:
        self._tty.write(
            "Gave up waiting for root file system device.\n\n\nBusyBox v1.36.1 built-in shell (ash)\n"
            "Enter 'help' for a list of built-in commands.\n\n"
        )
        while True:
            self._tty.write("(initramfs) ")
            words = (self._tty.line() or "").split()
            match words[:1]:
                case ["reboot" | "exit"]:
                    self._callbacks.restart()
                case [word]:
                    self._tty.write(f"sh: {word}: not found\n")
