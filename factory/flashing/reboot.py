"""Restarting a unit, and knowing that it did restart: its boot id has changed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import NotProved
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.protocol import TellsItsEnd, Unit, UnitError

Reboot = Literal["soft", "power", "none"]
Reconnect = Callable[[Deadline], Unit]
"""Opens the route to the unit once more and logs in."""

_BOOT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_REBOOT = 127
# Logins that a unit refuses or leaves without a verdict while it still boots.
_TOO_EARLY = frozenset({"unit.login-incorrect", "unit.ssh", "unit.console.unknown", "unit.console.silent"})
OFF_SECONDS = 2.0
REFUSAL_PAUSE_SECONDS = 5.0
_GOING_SECONDS = 20.0
_TRY_EVERY = 0.5
# Detached and deaf to the end of its session; the pause lets the answer get through before the line goes.
_SOFT = f"""command -v reboot >/dev/null 2>&1 || exit {_NO_REBOOT}
(trap '' HUP TERM; sleep 1; reboot) </dev/null >/dev/null 2>&1 &"""


class PowerControl(Protocol):
    """Switches a slot's supply."""

    def off(self, *, deadline: Deadline) -> None:
        """Switch off. Raises FactoryError when the switch does not obey."""

    def on(self, *, deadline: Deadline) -> None:
        """Switch on. Raises FactoryError when the switch does not obey."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """A unit after its restart, connected and logged in, and its new boot id."""

    unit: Unit
    boot_id: str


def boot_id(unit: Unit, section: UnitSection, *, deadline: Deadline) -> str | None:
    """The id of the unit's present boot, None where its kernel gives none. Raises UnitError for an odd one."""
    root = "" if section.simulated else "/"
    path = f"{root}proc/sys/kernel/random/boot_id"
    command = f"if [ -e {path} ]; then cat {path}; fi"
    answer = unit.run(command, deadline=deadline.within(section.timeouts.command)).require("reading the boot id")
    text = answer.text().strip()
    if text and not _BOOT_ID.fullmatch(text):
        raise UnitError(f"{unit.route}: the boot id is no boot id", code="flash.boot-id")
    return text or None


def send_restart(
    unit: Unit, section: UnitSection, how: Reboot, *, before: str, power: PowerControl | None, deadline: Deadline
) -> None:
    """Make the unit, whose boot id is `before`, restart, and close the route. Raises NotProved where there is no way
    to do it.
    """
    if how == "power":
        if power is None:
            raise NotProved(
                f'{unit.route}: prove.reboot = "power", and the slot has no power control',
                hint="Give the slot power = { on = [...], off = [...] } in the bench file.",
                code="prove.no-power",
            )
        unit.close()
        power.off(deadline=deadline)
        deadline.pause(OFF_SECONDS)
        power.on(deadline=deadline)
        return
    # The unit may be gone before its answer is here; whether it restarted is seen by its boot id, not by this answer.
    with contextlib.suppress(UnitError, DeadlineExpired):
        completed = unit.run(_SOFT, deadline=deadline.within(section.timeouts.command))
        if completed.status == _NO_REBOOT:
            raise NotProved(
                f"{unit.route}: the unit has no reboot command",
                hint='Use prove.reboot = "power", or "none" if the proof may do without a restart.',
                code="prove.no-reboot-command",
            )
    deadline.check("sending the reboot")
    _await_going(unit, section, before, deadline)
    unit.close()


def _await_going(unit: Unit, section: UnitSection, before: str, deadline: Deadline) -> None:
    """Wait until the unit goes down, so that no new login is tried on one that is about to cut it off.

    A console is only listened to: a command that is typed into a boot loader would stop it.
    """
    going = deadline.within(min(_GOING_SECONDS, deadline.left / 3))
    if isinstance(unit, TellsItsEnd):
        unit.await_end(deadline=going)
        return
    try:
        while not going.expired and boot_id(unit, section, deadline=going) == before:
            going.pause(_TRY_EVERY / 2)
    except (UnitError, DeadlineExpired):
        return


def await_restart(before: str, section: UnitSection, reconnect: Reconnect, *, deadline: Deadline) -> Restarted:
    """Connect again and again until the unit answers with another boot id than `before`.

    Raises NotProved when the deadline ends first: 'did not reboot' or 'did not come back'; Cancelled; at once what
    must not be tried again (a host key alarm), and a login that is refused for the second time.
    """
    seen_old, last, refused = "", "", False
    while not deadline.expired:
        try:
            unit = reconnect(deadline)
        except (UnitError, DeadlineExpired) as error:
            if isinstance(error, UnitError) and not error.retry:
                # The password was right a minute ago; a unit that is still booting may refuse everybody but root.
                # So it is tried once more, and only once: refusals count towards a lockout.
                if refused or error.code not in _TOO_EARLY:
                    raise
                refused = True
                deadline.pause(REFUSAL_PAUSE_SECONDS)
            last = error.message
            deadline.pause(_TRY_EVERY)
            continue
        now = None
        try:
            now = boot_id(unit, section, deadline=deadline)
        except (UnitError, DeadlineExpired) as error:
            last = error.message
        except FactoryError:
            unit.close()
            raise
        if now is not None and now != before:
            return Restarted(unit, now)
        seen_old = unit.route if now == before else seen_old
        unit.close()
        deadline.pause(_TRY_EVERY)
    deadline.pause(0)
    if seen_old:
        raise NotProved(
            f"{seen_old}: did not reboot: still the same boot id after {deadline.seconds:g} s",
            hint='Does reboot work on the unit? Otherwise use prove.reboot = "power".',
            code="prove.no-reboot",
        )
    raise NotProved(
        f"the unit did not come back after its reboot within {deadline.seconds:g} s: {last or 'no answer'}",
        hint="See the transcript for its boot log; timeouts.reboot sets how long is waited.",
        code="prove.no-return",
    )
