"""The cells that a unit has from pools already, for those who give none."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from factory.ledger.pool_cells import cell_values
from factory.ledger.pool_records import Given, Want
from factory.ledger.pool_tables import pool_cells, pools

_GIVEN = "given"


def known(connection: Connection, wants: Sequence[Want]) -> tuple[Given | None, ...]:
    """The unit's own cell of each pool, None where it has none."""
    return tuple(_known(connection, want) for want in wants)


def _known(connection: Connection, want: Want) -> Given | None:
    spec, cell = want.spec, pool_cells.c
    query = (
        select(cell.value)
        .join(pools, pools.c.id == cell.pool)
        .where(pools.c.product == spec.product, pools.c.name == spec.name, cell.key == want.key, cell.state == _GIVEN)
    )
    value = connection.execute(query).scalar()
    if value is None:
        return None
    return Given(spec.name, spec.kind, want.key, cell_values(spec.kind, value, spec.count), fresh=False)
