"""Two ledgers become one: what another ledger tells is copied as it is told, and judged where both speak of one unit."""
