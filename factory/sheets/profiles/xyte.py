"""Xyte: the work sheet of units that `factory xyte register` announces, 25 per call.

Sources: Xyte reference, section 2.1 (fields), 2.4 (a serial is unique within its model), 3 (25 devices per call),
5.1 (cloud id) and 7 (SemVer). There is no upload file at the portal: the CSV is for people and for this program.
"""

from __future__ import annotations

from factory.sheets.profile import Column, Profile

XYTE = Profile(
    name="xyte",
    title="Xyte",
    columns=(
        Column(
            "sn", "sn", required=True, width=20, form="id", unique=True,
            note="Serial number, as on the label; unique within the model.", example="A26-000123",
        ),
        Column(
            "mac", "mac", width=20, form="mac-colon", unique=True,
            note="MAC address in lower case with colons. A row needs a MAC or a cloud id.", example="00:1b:77:a4:c0:11",
        ),
        Column(
            "cloud_id", "cloud_id", width=26, form="cloud-id", unique=True,
            note="The cloud id of the label: the partner's short code and 16 to 36 letters and digits.",
            example="abcdN5DiKi34LdV5qsYkEpKp",
        ),
        Column("name", "name", width=26, form="name", note="Friendly name; the customer can change it.",
               example="Panel 0001"),
        Column("sub_model", "sub_model", width=18, note="Variant of the model, exactly as in the portal.",
               example="Panel 10in"),
        Column("firmware_version", "firmware_version", required=True, width=18, form="semver",
               note="Version on the unit: three numbers with dots.", example="1.4.0"),
        Column("parent", "parent", width=38, form="uuid",
               note="Device id of the parent, for a child device; else empty."),
    ),
    max_rows=5_000,
    max_bytes=1_250_000,
    forbidden=frozenset(',"\\`'),
    per_call=25,
    either=(("mac", "cloud_id"),),
)  # fmt: skip
