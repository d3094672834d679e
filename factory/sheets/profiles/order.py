"""An order in the simplest form: units by serial or address, with the names and categories that they shall get."""

from __future__ import annotations

from factory.sheets.profile import Column, Profile
from factory.sheets.profiles.remoteit_bulk import REMOTEIT_BULK

_CATEGORY = "Free for your own grouping, for example site or colour; may stay empty."

ORDER = Profile(
    name="order",
    title="Order of expected units",
    columns=(
        Column(
            "SERIAL", "SERIAL", width=22, form="id", unique=True, example="A26-000123",
            note="Serial number of the board, as on its label. A row needs a serial or a MAC.",
        ),
        Column(
            "MAC", "MAC", width=20, form="mac", unique=True, example="001b77a4c011",
            note="A MAC address of the unit: 12 digits and letters. Scan it from the label; never type it.",
        ),
        Column("MAC_2", "MAC_2", width=20, form="mac", unique=True, note="A second address, where the label has two."),
        Column(
            "DEVICE_NAME", "DEVICE_NAME", width=26, form="name", unique=True, example="Gateway 0001",
            note="The name that the customer sees. Letters, digits, blank, '_' and '-'; no two units alike.",
        ),
        *(Column(f"CATEGORY_{letter}", f"CATEGORY_{letter}", note=_CATEGORY) for letter in "ABCDEFGHIJ"),
    ),
    max_rows=5_000,
    max_bytes=5_000_000,
    forbidden=REMOTEIT_BULK.forbidden,
    either=(("SERIAL", "MAC", "MAC_2"),),
    complete=False,
)  # fmt: skip
"""Names here are what `order.COLUMN` in product.toml says."""
