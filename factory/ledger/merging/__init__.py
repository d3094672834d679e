"""Two ledgers become one: what the other tells is copied as it was told, and judged where both speak of one unit."""
