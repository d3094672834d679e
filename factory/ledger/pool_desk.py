"""The ledger's methods for pools."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from factory.ledger import pool_cells, pool_imports, pool_leases, pool_states
from factory.ledger.pool_records import Given, PlacedRun, PoolFile, PoolImported, PoolState, Want
from factory.ledger.records import as_time
from factory.ledger.store import Store
from factory.values import Event, Facts, Mac
from factory.values.pools import PoolSpec


class PoolDesk:
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the ledger cannot be
    read or written.
    """

    _store: Store

    def import_pool(self, spec: PoolSpec, file: PoolFile, runs: Sequence[PlacedRun]) -> PoolImported:
        """Add a supplier's ranges to a pool, all or none. Raises PoolTaken naming every overlap, UsageError."""
        return self._store.write(lambda writer: pool_imports.take_in(writer, spec, file, runs))

    def bind_pools(self, specs: Sequence[PoolSpec]) -> tuple[PoolState, ...]:
        """Take over the low water of the product's pools, before a run; returns how they stand.

        Raises UsageError `pool.unknown` for one without ranges, `pool.changed`.
        """
        names = {(spec.product, spec.name) for spec in specs}
        with self._store.reading() as connection:
            for spec in specs:
                if pool_imports.find(connection, spec.product, spec.name) is None:
                    raise pool_leases.no_pool(spec.product, spec.name)
        self._store.write(lambda writer: [pool_imports.bound(writer, spec) for spec in specs])
        return tuple(state for state in self.pool_states() if (state.product, state.name) in names)

    def give_cells(self, wants: Sequence[Want], facts: Facts, *, slot: str) -> tuple[Given, ...]:
        """What the pools give to a unit, in the order of `wants`; the same at every attempt. Raises as
        `pool_cells.give`: then nothing was given and nothing may be written.
        """
        return self._store.write(lambda writer: pool_cells.give(writer, wants, facts, slot=slot))

    def lease_cells(self, product: str, name: str, station: str, cells: int) -> int:
        """Lease cells to a station ahead of time; returns how many there were. Raises UsageError."""
        return self._store.write(lambda writer: pool_leases.lease(writer, product, name, station, cells))

    def burn(self, value: str, reason: str) -> Event:
        """Take a value out of its pool for ever. Raises UsageError, Refused `pool.in-use`."""
        return self._store.write(lambda writer: pool_states.burn(writer, value, reason))

    def burn_stray(self, value: str, reason: str) -> None:
        """Burn a value of a pool that a unit shows although nobody was given it; nothing for any other value."""
        self._store.write(lambda writer: pool_states.burn_stray(writer, value, reason))

    def of_pools(self, macs: Collection[Mac]) -> frozenset[Mac]:
        """Those of the addresses that lie in any pool's range."""
        with self._store.reading() as connection:
            return pool_states.of_pools(connection, macs)

    def pool_states(self) -> tuple[PoolState, ...]:
        """Every pool as it stands."""
        with self._store.reading() as connection:
            return pool_states.states(connection, as_time(self._store.now_text()))
