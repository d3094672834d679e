"""The product's pools at the start of a run: there, as they were imported, and not about to run dry unseen."""

from __future__ import annotations

from factory.line.pool_write import try_command
from factory.line.setup import Setup

_WARNING = "line.warning"


def take_pools(setup: Setup) -> None:
    """Check the product's pools; say it where one runs low. Only a station that flashes gives anything.

    Raises UsageError (`pool.unknown`, `pool.changed`, `pool.command`), LedgerError.
    """
    if not setup.product.pool or setup.stage is not None:
        return
    for pool in setup.product.pool:
        try_command(pool)
    specs = [pool.spec(setup.product.product.name) for pool in setup.product.pool]
    for state in setup.ledger.bind_pools(specs):
        if state.is_low or not state.remaining:
            days = "" if state.days_left is None else f", which lasts {state.days_left:.1f} days at the present rate"
            text = f"pool {state.name} has values for {state.remaining} more units{days}: import further ranges"
            setup.feed.say(_WARNING, data={"message": text, "hint": "factory pool import FILE --product PRODUCT"})
