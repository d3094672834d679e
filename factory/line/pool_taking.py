"""A unit takes its values of pools: all commands, one restart, and then it must show exactly what it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from factory.flashing.errors import NotProved
from factory.flashing.reboot import Reboot, await_restart, boot_id, send_restart
from factory.flashing.said import facts_now
from factory.line.pool_write import Writing, key_of
from factory.line.progress import Progress, Tools
from factory.units.deadline import Deadline
from factory.units.protocol import UnitError
from factory.values import Facts
from factory.values.pools import PoolKind, shown_value

RESTARTING = "restart"
"""The step in which the unit goes down and comes back."""

_STRONGER: tuple[Reboot, ...] = ("power", "soft")
_KEPT = "The value stays this unit's: it gets the same one again."


class Taking:
    """The writing half of one attempt's pools. `begin` announces a step."""

    def __init__(self, tools: Tools, progress: Progress, begin: Callable[[str], None]) -> None:
        self._tools = tools
        self._progress = progress
        self._begin = begin
        self._ledger = tools.setup.ledger
        self._section = tools.setup.product.unit

    def take(self, writings: Sequence[Writing], facts: Facts) -> Facts:
        """Write every value that the unit does not show; returns its facts as they are then. The intent is in the
        ledger before each command.

        Raises UnitError (`pool.no-power`, `pool.no-boot-id`: nothing was written; `pool.write`, `pool.restart`,
        `pool.not-taken`, `pool.other-unit`), and what the route raises.
        """
        commands = [writing.command() for writing in writings]
        wanted = {writing.section.write.reboot for writing in writings if writing.section.write is not None}
        how: Reboot = next((one for one in _STRONGER if one in wanted), "none")
        before = None if how == "none" else self._require_restartable(how)
        for writing, command in zip(writings, commands, strict=True):
            self._write(writing, command, facts)
        if before is not None:
            self._restart(how, before)
        now = self._read_again(facts, rebooted=before is not None)
        self._require_same_unit(writings, facts, now, rebooted=before is not None)
        # From here on this is what the unit shows; whatever comes next compares with it.
        self._progress.facts = now
        for writing in writings:
            self._require_taken(writing, now)
        return now

    def _write(self, writing: Writing, command: str, facts: Facts) -> None:
        name = writing.section.name
        self._record("pool.writing", writing, was=_shown(writing, writing.differs(facts)), command=command)
        self._begin("write address" if writing.given.kind is PoolKind.MAC else "write serial")
        done = self._tools.contact.unit.run(command, deadline=self._deadline(self._section.timeouts.command))
        if done.status != 0:
            said = (done.stderr or done.stdout)[-300:].decode("ascii", "backslashreplace").strip()
            message = f"pool {name}: the unit's command ended with status {done.status}: {said or 'no output'}"
            raise UnitError(message, hint=_KEPT, code="pool.write")

    def _require_restartable(self, how: Reboot) -> str:
        """The boot id, before anything is written: a unit that cannot be restarted gets nothing."""
        slot = self._tools.slot
        if how == "power" and self._tools.setup.power(slot) is None:
            message = f"the pool's write wants the power cut, and slot {slot.name} has no power control"
            raise UnitError(message, hint="Give the slot power = { on, off } in the bench file.", code="pool.no-power")
        within = self._deadline(self._section.timeouts.command)
        before = boot_id(self._tools.contact.unit, self._section, deadline=within)
        if before is None:
            message = "the unit has no boot id, so a restart could not be told from none"
            raise UnitError(message, hint="Mount /proc on the unit.", code="pool.no-boot-id")
        return before

    def _restart(self, how: Reboot, before: str) -> None:
        tools, timeouts = self._tools, self._section.timeouts
        self._begin(RESTARTING)
        within = self._deadline(timeouts.reboot + timeouts.login + 2 * timeouts.command)
        power = tools.setup.power(tools.slot)
        try:
            send_restart(tools.contact.unit, self._section, how, before=before, power=power, deadline=within)
            restarted = await_restart(before, self._section, tools.contact.reconnect, deadline=within)
        except NotProved as error:
            hint = f"{_KEPT} [pool.write] reboot says how the unit restarts."
            raise UnitError(f"after the pool's write: {error.message}", hint=hint, code="pool.restart") from error
        tools.contact.use(restarted.unit)

    def _read_again(self, before: Facts, *, rebooted: bool) -> Facts:
        self._begin("read")
        within = self._deadline(4 * self._section.timeouts.command)
        contact = self._tools.contact
        return facts_now(contact.unit, before, contact.read, self._section, rebooted=rebooted, deadline=within)

    def _require_same_unit(self, writings: Sequence[Writing], before: Facts, now: Facts, *, rebooted: bool) -> None:
        """Raise UnitError where another unit answers now: nobody knows which of both has the values."""
        given_to = {name for pool in self._tools.setup.product.pool for name in pool.interfaces}
        pairs: list[tuple[str, str | None, str | None]] = [
            (f"the key of pool {one.section.name}", key_of(one.section, before), key_of(one.section, now))
            for one in writings
        ]
        pairs.append(("the model", before.model, now.model))
        pairs += [
            (f"the address of {name}", mac.colons, _colons(now, name))
            for name, mac in before.interfaces.items()
            if name not in given_to and not mac.is_local and mac.defect() is None
        ]
        if not rebooted:
            pairs.append(("the boot id", before.boot_id, now.boot_id))
        differs = [f"{what} was {was or 'none'} and is {later or 'none'}" for what, was, later in pairs if was != later]
        if not differs:
            return
        values = []
        for writing in writings:
            self._ledger.burn(writing.given.value, f"written while units were swapped: {'; '.join(differs)}")
            values += [shown_value(writing.given.kind, value) for value in writing.given.values]
        raise UnitError(
            f"another unit answers after the pool's write: {'; '.join(differs)}",
            hint=f"Put both units aside. Burned, since either may have it: {', '.join(values)}.",
            code="pool.other-unit",
            retry=False,
        )

    def _require_taken(self, writing: Writing, now: Facts) -> None:
        wrong = writing.differs(now)
        if not wrong:
            self._record("pool.written", writing)
            return
        shows, should = _shown(writing, wrong), _shown(writing, writing.expected)
        said = "; ".join(
            f"{name} shows {value or 'nothing'} and should show {should[name]}" for name, value in shows.items()
        )
        self._record("pool.not-taken", writing, shows=shows)
        for value in wrong.values():
            self._ledger.burn_stray(value, "a unit shows it that was given another one")
        raise UnitError(
            f"pool {writing.section.name}: the unit did not take what was written: {said}",
            hint="Does write.command keep it over a restart? The value stays this unit's and goes to no other.",
            code="pool.not-taken",
            retry=False,
        )

    def _record(self, kind: str, writing: Writing, **more: object) -> None:
        """Commit what is done with a unit's values; it is found by each of them, also when the unit never passes."""
        given = writing.given
        data = {"pool": given.pool, "key": given.key, "values": _shown(writing, writing.expected), **more}
        self._ledger.record(kind, slot=self._tools.slot.name, data=data, about=(*given.values, given.key))

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, cancel=self._tools.cancel)


def _shown(writing: Writing, values: Mapping[str, str]) -> dict[str, str]:
    """Values by their place as people read them; "" stays nothing."""
    kind = writing.given.kind
    return {name: value and shown_value(kind, value) for name, value in values.items()}


def _colons(facts: Facts, name: str) -> str | None:
    mac = facts.interfaces.get(name)
    return None if mac is None else mac.colons
