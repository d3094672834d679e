"""remote.it Bulk Registration: the upload file as its only published example has it.

Sources: remote.it bulk reference, section 1.1 (bytes: the key comes first, some headers start with a blank, LF, no
newline after the last row), 1.2 (1000 rows, 250 kB, ASCII only) and 8 (what to choose where the vendor is silent).
"""

from __future__ import annotations

from factory.sheets.profile import Column, Profile

_CATEGORY = "Free for your own grouping, for example site or colour; may stay empty."

REMOTEIT_BULK = Profile(
    name="remoteit-bulk",
    title="remote.it Bulk Registration",
    columns=(
        Column(
            "REGISTRATION_KEY",
            "REGISTRATION_KEY",
            required=True,
            secret=True,
            width=36,
            form="key",
            work_required=False,
            note="The secret that registers the unit. Leave it empty: the line derives it when it admits the unit.",
        ),
        Column(
            "HARDWARE_ID",
            " HARDWARE_ID",
            required=True,
            width=22,
            form="hardware-id",
            unique=True,
            note="What the unit itself sends as its id: its MAC address as 12 digits and letters, no colons, lower "
            "case. Scan it from the label; never type it.",
            example="001b77a4c011",
        ),
        Column(
            "DEVICE_NAME",
            " DEVICE_NAME",
            required=True,
            width=26,
            form="name",
            unique=True,
            note="The name that the customer sees. Letters, digits, blank, '_' and '-'; no two units alike.",
            example="Gateway 0001",
        ),
        Column("CATEGORY_A", "CATEGORY_A", note=_CATEGORY),
        Column("CATEGORY_B", "CATEGORY_B", note=_CATEGORY),
        *(Column(f"CATEGORY_{name}", f" CATEGORY_{name}", note=_CATEGORY) for name in "CDEFGHIJ"),
    ),
    max_rows=1000,
    max_bytes=250_000,
    forbidden=frozenset(',"\\`'),
)
