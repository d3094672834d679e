"""Units that come without their address or serial get it from a pool: given and committed, then written by the
product's command, then read back. A unit that shows its values already is not written to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from factory.config import PoolSection
from factory.flashing.errors import NotProved
from factory.flashing.reboot import await_restart, boot_id, send_restart
from factory.flashing.said import facts_now
from factory.ledger import Refused
from factory.ledger.pool_records import Want
from factory.line.pool_write import Writing, key_of, numbered
from factory.line.progress import Progress, Tools
from factory.units.deadline import Deadline
from factory.units.protocol import UnitError
from factory.values import Facts, Mac, Work, sentinel
from factory.values.pools import shown_value

_WARNING = "line.warning"


class Assigning:
    """What one attempt does with the product's pools. `begin` announces a step, `look_at_host_key` holds the session's
    key against addresses.
    """

    def __init__(
        self,
        tools: Tools,
        progress: Progress,
        *,
        begin: Callable[[str], None],
        look_at_host_key: Callable[[Sequence[Mac]], None],
    ) -> None:
        self._tools = tools
        self._progress = progress
        self._begin = begin
        self._look_at_host_key = look_at_host_key
        self._ledger = tools.setup.ledger
        self._section = tools.setup.product.unit
        self._pools = tools.setup.product.pool

    @contextlib.contextmanager
    def assigned(self, facts: Facts, work: Work) -> Iterator[tuple[Facts, Work]]:
        """Inside, the unit has its values: its facts as they are now, and the work with what it got. Nobody else works
        on a unit with its keys meanwhile.

        Raises Refused as `Ledger.give_cells`, and `pool.no-key`: nothing was written. Raises UnitError (`pool.write`,
        `pool.restart`, `pool.not-taken`, `pool.other-unit`) where the unit did not take what was written.
        """
        if not self._pools:
            yield facts, work
            return
        self._begin("assign")
        keys = [(pool.name, self._require_key(pool, facts)) for pool in self._pools]
        with self._tools.setup.keys_in_work.held(keys, self._tools.slot.name):
            writings = self._give(facts, [key for _, key in keys])
            for writing in writings:
                if writing.differs(facts):
                    facts = self._write(writing, facts)
            got = {name: value for writing in writings for name, value in writing.assigned.items()}
            cells = tuple((str(writing.given.kind), writing.given.value) for writing in writings)
            yield facts, replace(work, assigned={**work.assigned, **got}, cells=cells)

    def own_addresses(self, facts: Facts) -> tuple[Mac, ...]:
        """The addresses that say which unit this is: at an interface that gets its address from a pool, what stands
        there before is a default that many units share.
        """
        given_to = {name for pool in self._pools for name in pool.interfaces}
        doubtful = [mac for name, mac in facts.interfaces.items() if name in given_to]
        known = self._ledger.of_pools(doubtful) if doubtful else frozenset()
        return tuple(mac for name, mac in facts.interfaces.items() if name not in given_to or mac in known)

    def _require_key(self, pool: PoolSection, facts: Facts) -> str:
        key = key_of(pool, facts)
        if key is None or sentinel(key):
            what = "board serial" if pool.key == "serial" else f"fact {pool.key}"
            raise Refused(
                f"the unit has no {what}{f' but {key}' if key else ''}: pool {pool.name} could not know it again",
                hint="Give [[pool]] key the name of a fact that every board has of its own.",
                code="pool.no-key",
            )
        return key

    def _give(self, facts: Facts, keys: Sequence[str]) -> list[Writing]:
        wants = [
            Want(
                pool.spec(self._tools.setup.product.product.name),
                key,
                numbered(pool, facts),
                writes=pool.write is not None,
            )
            for pool, key in zip(self._pools, keys, strict=True)
        ]
        given = self._ledger.give_cells(wants, facts, slot=self._tools.slot.name)
        for pool, one in zip(self._pools, given, strict=True):
            what = ", ".join(shown_value(one.kind, value) for value in one.values)
            self._tools.transcript.note(f"pool {one.pool}: {what} ({'now' if one.fresh else 'as before'})")
            self._warn(pool, one.remaining)
        return [Writing(pool, one) for pool, one in zip(self._pools, given, strict=True)]

    def _warn(self, pool: PoolSection, remaining: int | None) -> None:
        """Say it when the low water is passed, and again when nothing is left; not with every unit between."""
        if remaining is not None and remaining in (0, pool.low_water - 1):
            text = f"pool {pool.name} has {remaining} left for units: import further ranges"
            self._tools.setup.feed.say(_WARNING, data={"message": text, "hint": "factory pool show tells how long."})
            self._progress.warnings.append(text)

    def _write(self, writing: Writing, facts: Facts) -> Facts:
        """Write a unit's values, restart it where the product says so, and read it again."""
        tools, section = self._tools, writing.section
        assert section.write is not None
        command = writing.command()
        before = self._require_restartable(section, self._deadline(self._section.timeouts.command))
        if writing.given.kind == "mac":
            # Another key was shown with these addresses before: then this is not the board that they were given to.
            self._look_at_host_key([Mac.parse(value) for value in writing.expected.values()])
        self._record("pool.writing", writing, was=dict(writing.differs(facts)), command=command)
        self._begin("write address" if section.kind == "mac" else "write serial")
        done = tools.contact.unit.run(command, deadline=self._deadline(self._section.timeouts.command))
        if done.status != 0:
            said = (done.stderr or done.stdout)[-300:].decode("ascii", "backslashreplace").strip()
            raise UnitError(
                f"pool {section.name}: the unit's command ended with status {done.status}: {said or 'no output'}",
                hint="The value stays this unit's: it gets the same one again.",
                code="pool.write",
            )
        if section.write.reboot != "none" and before is not None:
            self._restart(section, before)
        now = self._read_again(facts, rebooted=section.write.reboot != "none")
        self._require_same_unit(writing, facts, now)
        # From here on this is what the unit shows; whatever comes next compares with it.
        self._progress.facts = now
        self._require_taken(writing, now)
        self._record("pool.written", writing)
        return now

    def _require_restartable(self, section: PoolSection, deadline: Deadline) -> str | None:
        """The boot id, before anything is written; what cannot be restarted as the product says is refused."""
        assert section.write is not None
        if section.write.reboot == "none":
            return None
        if section.write.reboot == "power" and self._tools.setup.power(self._tools.slot) is None:
            message = (
                f'pool {section.name} wants reboot = "power", and slot {self._tools.slot.name} has no power control'
            )
            raise UnitError(message, hint="Give the slot power = { on, off } in the bench file.", code="pool.no-power")
        before = boot_id(self._tools.contact.unit, self._section, deadline=deadline)
        if before is None:
            message = f"pool {section.name}: the unit has no boot id, so a restart could not be told from none"
            raise UnitError(message, hint="Mount /proc on the unit.", code="pool.no-boot-id")
        return before

    def _restart(self, section: PoolSection, before: str) -> None:
        tools, timeouts = self._tools, self._section.timeouts
        assert section.write is not None
        self._begin("restart")
        within = self._deadline(timeouts.reboot + timeouts.login + 2 * timeouts.command)
        try:
            send_restart(
                tools.contact.unit,
                self._section,
                section.write.reboot,
                before=before,
                power=tools.setup.power(tools.slot),
                deadline=within,
            )
            restarted = await_restart(before, self._section, tools.contact.reconnect, deadline=within)
        except NotProved as error:
            hint = "The value stays this unit's: it gets the same one again. [pool.write] reboot says how it restarts."
            raise UnitError(f"pool {section.name}: {error.message}", hint=hint, code="pool.restart") from error
        tools.contact.use(restarted.unit)

    def _read_again(self, before: Facts, *, rebooted: bool) -> Facts:
        self._begin("read")
        within = self._deadline(4 * self._section.timeouts.command)
        contact = self._tools.contact
        return facts_now(contact.unit, before, contact.read, self._section, rebooted=rebooted, deadline=within)

    def _require_same_unit(self, writing: Writing, before: Facts, now: Facts) -> None:
        """Raise UnitError where another unit answers now: who knows which of both has the value."""
        section = writing.section
        given_to = {name for pool in self._pools for name in pool.interfaces}
        differs = [
            f"{what} was {was or 'none'} and is {later or 'none'}"
            for what, was, later in (
                (f"the key of pool {section.name}", key_of(section, before), key_of(section, now)),
                ("the model", before.model, now.model),
                *(
                    (f"the address of {name}", mac.colons, _colons(now, name))
                    for name, mac in before.interfaces.items()
                    if name not in given_to and not mac.is_local and mac.defect() is None
                ),
            )
            if was != later
        ]
        if section.write is not None and section.write.reboot == "none" and before.boot_id != now.boot_id:
            differs.append("it was restarted or swapped between two reads")
        if differs:
            self._ledger.burn(writing.given.value, f"written while units were swapped: {'; '.join(differs)}")
            raise UnitError(
                f"pool {section.name}: another unit answers after the write: {'; '.join(differs)}",
                hint=f"{shown_value(writing.given.kind, writing.given.value)} is burned. Put both units aside.",
                code="pool.other-unit",
                retry=False,
            )

    def _require_taken(self, writing: Writing, now: Facts) -> None:
        wrong = writing.differs(now)
        if not wrong:
            return
        kind = writing.given.kind
        shown = "; ".join(
            f"{name} shows {shown_value(kind, value) if value else 'nothing'} and should show "
            f"{shown_value(kind, writing.expected[name])}"
            for name, value in wrong.items()
        )
        self._record("pool.not-taken", writing, shows=dict(wrong))
        for value in wrong.values():
            self._ledger.burn_stray(value, "a unit shows it that was given another one")
        raise UnitError(
            f"pool {writing.section.name}: the unit did not take what was written: {shown}",
            hint="Does write.command keep it over a restart? The value stays this unit's and goes to no other.",
            code="pool.not-taken",
            retry=False,
        )

    def _record(self, kind: str, writing: Writing, **more: object) -> None:
        """Commit what is done with a unit's values; it is found by each of them, also when the unit never passes."""
        given = writing.given
        values = {name: shown_value(given.kind, value) for name, value in writing.expected.items()}
        data = {"pool": given.pool, "key": given.key, "values": values, **more}
        self._ledger.record(kind, slot=self._tools.slot.name, data=data, about=given.values)

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, cancel=self._tools.cancel)


def _colons(facts: Facts, name: str) -> str | None:
    mac = facts.interfaces.get(name)
    return None if mac is None else mac.colons
