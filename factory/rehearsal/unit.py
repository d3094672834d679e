"""A slot of the simulated bench with the unit in it: serial port, SSH address, power, and what can go wrong."""

from __future__ import annotations

import threading
import time
import zlib
from pathlib import Path

from factory.errors import NotStartedError
from factory.rehearsal import bootlog
from factory.rehearsal.board import Board
from factory.rehearsal.console import STUCK, Callbacks, Console
from factory.rehearsal.control import REQUESTS
from factory.rehearsal.faults import Fault
from factory.rehearsal.injection import apply
from factory.rehearsal.login import Login
from factory.rehearsal.plan import SERIAL_ROUTE, SSH_ROUTE, UnitPlan, another_unit
from factory.rehearsal.port import SerialPort
from factory.rehearsal.sshserver import SshServer
from factory.rehearsal.tty import Tty

_GOING_DOWN = 0.1  # seconds from `reboot` to the end of the sessions, in which its exit status gets out


class SimulatedUnit:
    """One unit in its slot. Every method may be called from any thread; each returns when it is done.

    `serial_port` is what pyserial opens, `ssh_address` host and port; each is None when the plan lacks that route.
    """

    def __init__(
        self, folder: Path, port: Path, plan: UnitPlan, password: str, *, baud: int | None, boot_seconds: float
    ) -> None:
        self.name = plan.name
        self.control = folder / "control"
        self.control.mkdir(parents=True, mode=0o700)
        self._folder = folder
        self._boot_seconds = boot_seconds
        self._believed_password = password
        self._board = Board(folder / "root", self.control, plan, password)
        self._serial = (
            SerialPort(port, baud, seed=zlib.crc32(plan.name.encode())) if SERIAL_ROUTE in plan.routes else None
        )
        self._ssh = self._new_ssh() if SSH_ROUTE in plan.routes else None
        self._lock = threading.RLock()
        self._console: threading.Thread | None = None
        self._bystander: threading.Thread | None = None
        self._tty: Tty | None = None
        self._off = threading.Event()
        self._settled = threading.Event()
        self._commands_left: int | None = None
        self._powered = self._closed = False
        for fault in plan.faults:
            apply(self, fault, {})

    def install_persistence(self, kit: Path) -> None:
        """Give the unit's firmware the scripts of the folder `kit` that save and restore connectd's folder."""
        self._board.folder.install_persistence(kit)

    @property
    def plan(self) -> UnitPlan:
        """What the unit that is in the slot now is."""
        return self._board.plan

    @property
    def root(self) -> Path:
        """The folder of the unit that is in the slot now."""
        return self._board.root

    @property
    def password(self) -> str:
        """Root's password on the unit that is in the slot now."""
        return self._board.password

    @property
    def boots(self) -> int:
        """How often the unit that is in the slot now has booted."""
        return self._board.boots

    @property
    def board(self) -> Board:
        """The unit that is in the slot now, apart from the slot."""
        return self._board

    @property
    def serial(self) -> SerialPort | None:
        """The slot's serial port and wire."""
        return self._serial

    @property
    def serial_port(self) -> str | None:
        """What pyserial's serial_for_url opens."""
        return self._serial.url if self._serial else None

    @property
    def ssh_address(self) -> tuple[str, int] | None:
        """Host and port of the SSH server."""
        return self._ssh.address if self._ssh else None

    @property
    def boot_id(self) -> str:
        """The boot id that the unit shows now."""
        return (self.root / "proc/sys/kernel/random/boot_id").read_text().strip()

    def power_on(self) -> None:
        """Give the unit power; it boots. Does nothing when it has power."""
        with self._lock:
            if not self._powered:
                self._begin(boot=True)

    def power_off(self) -> None:
        """Take the power away: every session and process ends at once. Does nothing without power."""
        with self._lock:
            if not self._powered:
                return
            self._powered = False
            self._off.set()
            if self._tty is not None:
                self._tty.stop()
            if self._ssh is not None:
                self._ssh.refuse()
            self._board.processes.kill_all()
            for thread in (self._console, self._bystander):
                if thread is not None:
                    thread.join()
            if self._ssh is not None:
                self._ssh.refuse()  # the console may have finished booting meanwhile
            if self._tty is not None:
                self._tty.close()
            self._console = self._bystander = self._tty = None

    def reboot(self) -> None:
        """Shut down and boot again; returns when the boot has begun (see wait_until_settled)."""
        with self._lock:
            if not self._powered:
                return
            self._say(bootlog.DOWN)
            time.sleep(_GOING_DOWN)
            self.power_off()
            self._say(bootlog.RESTARTING)
            self.power_on()

    def wait_until_settled(self, seconds: float = 30.0) -> None:
        """Wait until the unit has booted, or stays for good where its faults hold it. Raises NotStartedError."""
        if not self._settled.wait(seconds):
            raise NotStartedError(f"simulated unit {self.name} did not boot within {seconds:.0f} s")

    def pull(self, *, cable_only: bool = False) -> None:
        """Take the unit out of the slot: no power, a silent port, SSH refused. With `cable_only` it runs on."""
        with self._lock:
            if self._serial is not None:
                self._serial.flaws.dead = True
            if not cable_only:
                self.power_off()
            elif self._ssh is not None:
                self._ssh.refuse()

    def plug(self) -> None:
        """Put back what was pulled or cut; a unit without power boots."""
        with self._lock:
            if self._serial is not None:
                self._serial.flaws.mend()
            if not self._powered:
                self._begin(boot=True)
            elif self._ssh is not None and self._settled.is_set() and not self._ssh.listening:
                self._ssh.listen(self._board.host_key())

    def swap(self, plan: UnitPlan | None = None, *, logged_in: bool = True, same_host_key: bool = False) -> None:
        """Put another unit into the slot, which answers at once: worst of all with a root shell on the console.

        Without a plan it is a sound unit of the same kind with other addresses. `same_host_key` is what units
        have whose image was copied with its key.
        """
        with self._lock:
            old = self._board
            self.power_off()
            number = len(list(self._folder.glob("root*"))) + 1
            plan = plan if plan is not None else another_unit(old.plan)
            self._board = Board(self._folder / f"root-{number}", self.control, plan, self._believed_password)
            if same_host_key:
                self._board.take_host_key(old.host_key())
            if self._ssh is not None:
                self._ssh.serve(self._board.processes)
            self._begin(boot=False, logged_in=logged_in)

    def inject(self, fault: Fault, **parameters: float) -> None:
        """Let a fault act from now on; those of console and login act from the next boot or login on.

        Parameters stand in the fault's help. Raises UsageError for one that the fault does not have.
        """
        apply(self, fault, parameters)

    def swap_after(self, commands: int) -> None:
        """Put another unit into the slot after so many more commands (Enter on serial, exec requests on SSH)."""
        self._commands_left = commands
        if self._serial is not None:
            self._serial.flaws.on_line = self._count
        if self._ssh is not None:
            self._ssh.on_command = self._count

    def close(self) -> None:
        """End everything and remove the unit's folders. May be called again."""
        self.power_off()
        if self._closed:
            return
        self._closed = True
        if self._ssh is not None:
            self._ssh.close()
        if self._serial is not None:
            self._serial.close()
        self._board.folder.remove()

    def _begin(self, *, boot: bool, logged_in: bool = False) -> None:
        board = self._board
        board.boot()
        self._off.clear()
        self._settled.clear()
        self._powered = True
        seconds = self._boot_seconds if boot else None
        if self._serial is None or Fault.SILENT in board.faults:
            self._console = threading.Thread(target=self._boot_unseen, args=(seconds,), name="boot", daemon=True)
        else:
            tty = self._tty = self._serial.tty()
            login = Login(tty, board.plan.name, self._password, board.take_password)
            console = Console(
                tty, login, board.processes, board.faults, Callbacks(self._up, self._settled.set, self._ask_for_reboot)
            )
            self._console = threading.Thread(
                target=console.run, args=(seconds,), kwargs={"logged_in": logged_in}, name="console", daemon=True
            )
        self._console.start()
        if board.faults & {Fault.HALF_TYPED, Fault.BOOT_NOISE}:
            self._bystander = threading.Thread(target=self._stand_by, name="bystander", daemon=True)
            self._bystander.start()

    def _stand_by(self) -> None:
        """Do on the console what neither the station nor the login does: half a command, late kernel lines."""
        while not self._settled.wait(0.05):
            if self._off.is_set():
                return
        if self._serial is not None and Fault.HALF_TYPED in self._board.faults and not self._off.wait(0.1):
            self._serial.press(b"cat /etc/iss")
        if Fault.BOOT_NOISE in self._board.faults:
            for number, text in enumerate(bootlog.LATE):
                if self._off.wait(0.15):
                    return
                self._say(f"[{14.2 + number:12.6f}] {text}\n")

    def _boot_unseen(self, seconds: float | None) -> None:
        if seconds is not None and self._off.wait(seconds):
            return
        if not self._board.faults & STUCK:
            self._up()
        self._settled.set()

    def _up(self) -> None:
        if self._ssh is not None and not self._off.is_set():
            self._ssh.listen(self._board.host_key())

    def _new_ssh(self) -> SshServer:
        return SshServer(self._password, self._board.processes)

    def _password(self) -> str:
        return self._board.password

    def _count(self) -> None:
        if self._commands_left is None:
            return
        self._commands_left -= 1
        if self._commands_left == 0:
            self._commands_left = None
            self._ask_for("swap")

    def _ask_for_reboot(self) -> None:
        self._ask_for("reboot")

    def _ask_for(self, request: str) -> None:
        # Through the fifo, because the asker is a thread that the request itself will end.
        with (self.control / REQUESTS).open("w") as fifo:
            fifo.write(f"{request}\n")

    def _say(self, text: str) -> None:
        if self._serial is not None and Fault.SILENT not in self._board.faults:
            self._serial.say(text)
