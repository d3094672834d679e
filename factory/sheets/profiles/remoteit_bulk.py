"""remote.it Bulk Registration: the upload file as its only published example has it.

Sources: remote.it bulk reference, section 1.1 (bytes: the key comes first, some headers start with a blank, LF, no
newline after the last row), 1.2 (1000 rows, 250 kB, ASCII only) and 8 (what to choose where the vendor is silent).
"""

from __future__ import annotations

from factory.sheets.profile import Column, Profile

REMOTEIT_BULK = Profile(
    name="remoteit-bulk",
    columns=(
        Column("REGISTRATION_KEY", "REGISTRATION_KEY", required=True, secret=True, width=36),
        Column("HARDWARE_ID", " HARDWARE_ID", required=True, width=22),
        Column("DEVICE_NAME", " DEVICE_NAME", required=True, width=26),
        Column("CATEGORY_A", "CATEGORY_A"),
        Column("CATEGORY_B", "CATEGORY_B"),
        *(Column(f"CATEGORY_{name}", f" CATEGORY_{name}") for name in "CDEFGHIJ"),
    ),
    max_rows=1000,
    max_bytes=250_000,
    forbidden=frozenset(',"\\'),
)
