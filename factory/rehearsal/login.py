"""Getting in on a simulated console: the dialogues of getty, login and sulogin."""

from __future__ import annotations

from collections.abc import Callable

from factory.rehearsal.tty import Tty

_TIMEOUT = 60.0  # seconds that login waits for a name's password
_PENALTY = 0.4  # seconds between a wrong password and the answer


class Login:
    """The login of one unit. `password` gives the one that is right now; `changed` takes a new one."""

    def __init__(self, tty: Tty, name: str, password: Callable[[], str], changed: Callable[[str], None]) -> None:
        self._tty = tty
        self._name = name
        self._password = password
        self._changed = changed

    def until_right(self, *, forced_change: bool) -> None:
        """Ask for name and password until root's are right."""
        self._tty.write(f"\nRehearsal Linux 12 {self._name} ttyS0\n\n")
        while True:
            self._tty.write(f"{self._name} login: ")
            name = self._tty.line()
            if not name:
                continue
            self._tty.write("Password: ")
            typed = self._tty.line(echo=False, seconds=_TIMEOUT)
            if typed is None:
                self._tty.write(f"\nLogin timed out after {_TIMEOUT:.0f} seconds.\n\n")
                continue
            if name.strip() != "root" or typed != self._password():
                self._refuse()
            elif not forced_change or self._change():
                self._tty.write(f"Linux {self._name} on the rehearsal bench\n")
                return

    def maintenance(self) -> None:
        """Ask for root's password as a system in emergency mode does."""
        self._tty.write(
            'You are in emergency mode. After logging in, type "journalctl -xb" to view\n'
            'system logs, "systemctl reboot" to reboot.\n'
        )
        while True:
            self._tty.write("Give root password for maintenance\n(or press Control-D to continue): ")
            if self._tty.line(echo=False) == self._password():
                return
            self._refuse()

    def _refuse(self) -> None:
        self._tty.pause(_PENALTY)
        self._tty.write("\nLogin incorrect\n")

    def _change(self) -> bool:
        """Make the user change the password; False when that did not work and login starts again."""
        self._tty.write(
            "You are required to change your password immediately (administrator enforced).\n"
            "Changing password for root.\nCurrent password: "
        )
        answers = [self._tty.line(echo=False, seconds=_TIMEOUT)]
        if answers[0] == self._password():
            for prompt in ("New password: ", "Retype new password: "):
                self._tty.write(prompt)
                answers.append(self._tty.line(echo=False, seconds=_TIMEOUT))
        if len(answers) == 3 and answers[1] and answers[1] == answers[2]:
            self._changed(answers[1])
            return True
        self._tty.write("passwd: Authentication token manipulation error\n\n")
        return False
