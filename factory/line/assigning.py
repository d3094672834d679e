"""Units that come without their address or serial get it from a pool: given and committed, then written by the
product's command, then read back. A unit that shows its values already is not written to.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from factory.config import PoolSection
from factory.ledger import Refused
from factory.ledger.pool_records import Want
from factory.line.pool_taking import Taking
from factory.line.pool_write import Writing, key_of, numbered
from factory.line.progress import Progress, Tools
from factory.values import Facts, Mac, Work, sentinel, shown
from factory.values.pools import PoolKind, shown_value

_WARNING = "line.warning"
_LONGEST_KEY = 255


class Assigning:
    """What one attempt does with the product's pools. `begin` announces a step, `look_at_host_key` holds the session's
    key against addresses, `check` works out the identity that the unit will have.
    """

    def __init__(
        self,
        tools: Tools,
        progress: Progress,
        *,
        begin: Callable[[str], None],
        look_at_host_key: Callable[[Sequence[Mac]], None],
        check: Callable[[Facts, Work], object],
    ) -> None:
        self._tools = tools
        self._progress = progress
        self._begin = begin
        self._look_at_host_key = look_at_host_key
        self._check = check
        self._ledger = tools.setup.ledger
        self._pools = tools.setup.product.pool
        self._taking = Taking(tools, progress, begin)

    @contextlib.contextmanager
    def assigned(self, facts: Facts, work: Work) -> Iterator[tuple[Facts, Work]]:
        """Inside, the unit has its values: its facts as they are now, and the work with what it got. Nobody else works
        on a unit with its keys meanwhile.

        Raises Refused as `Ledger.give_cells`, `pool.no-key` and `pool.no-interface`, and what `check` raises: nothing
        was written. Raises as `Taking.take`.
        """
        if not self._pools:
            yield facts, work
            return
        self._begin("assign")
        keys = [(pool.name, self._require_key(pool, facts)) for pool in self._pools]
        with self._tools.setup.keys_in_work.held(keys, self._tools.slot.name):
            writings = self._give(facts, [key for _, key in keys])
            got = {name: value for writing in writings for name, value in writing.assigned.items()}
            cells = tuple((str(writing.given.kind), writing.given.value) for writing in writings)
            work = replace(work, assigned={**work.assigned, **got}, cells=cells)
            pending = [writing for writing in writings if writing.differs(facts)]
            if pending:
                # Refused with its values is refused before it has them.
                self._check(functools.reduce(lambda now, writing: writing.as_shown(now), pending, facts), work)
                facts = self._write(pending, facts)
            yield facts, work

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
        if key is None or sentinel(key) or len(key) > _LONGEST_KEY:
            what = "board serial" if pool.key == "serial" else f"fact {pool.key}"
            instead = f" but {shown(key, 40)}" if key else ""
            raise Refused(
                f"the unit has no {what}{instead}: pool {pool.name} could not know it again",
                hint="Give [[pool]] key the name of a fact that every board has of its own.",
                code="pool.no-key",
            )
        return key

    def _give(self, facts: Facts, keys: Sequence[str]) -> list[Writing]:
        for pool in self._pools:
            lacking = [name for name in pool.interfaces if name not in facts.interfaces]
            if lacking:
                raise Refused(
                    f"the unit has no interface {lacking[0]}, and pool {pool.name} has an address for it",
                    hint="Is the module fitted, and its driver loaded? Nothing was given or written.",
                    code="pool.no-interface",
                )
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
            text = f"pool {pool.name} has values for {remaining} more units: import further ranges"
            self._tools.setup.feed.say(_WARNING, data={"message": text, "hint": "factory pool show tells how long."})
            self._progress.warnings.append(text)

    def _write(self, pending: Sequence[Writing], facts: Facts) -> Facts:
        for writing in pending:
            if writing.given.kind is PoolKind.MAC:
                # Another key was shown with these addresses before: then they were given to another board.
                self._look_at_host_key([Mac.parse(value) for value in writing.expected.values()])
        return self._taking.take(pending, facts)
