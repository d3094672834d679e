"""The tables. Plain SQL types only, so that every engine that speaks SQL can hold them.

Times are ISO 8601 texts in UTC with milliseconds: they enter the hash chain, and a text has one form on every
engine. JSON stands as canonical text for the same reason.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from factory.ledger.columns import NAME, SHA256, TIME, Number, metadata, signed

# A unit stands in one live upload at a time; these states free it for the next.
DEAD_ROWS = ("rejected", "needs-republish")
_LIVE = text("state NOT IN ('rejected', 'needs-republish')")

# A unit has one device name, and one cloud id, and one attempt at a time holds its lease.
_NAMED = text("kind = 'device-name'")
_CLOUD_ID = text("kind = 'cloud-id'")
_SERIAL = text("kind = 'serial'")
_LEASED = text("state IN ('admitted', 'flashing', 'flashed', 'proved')")


lots = Table(
    "lots",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("product", NAME, nullable=False),
    Column("product_sha256", SHA256, nullable=False),
    Column("template_sha256", SHA256, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("bound_at", TIME, nullable=False),
    *signed(),
)

units = Table(
    "units",
    metadata,
    Column("id", Number, primary_key=True),
    Column("state", NAME, nullable=False),
    Column("serial", NAME),
    Column("first_seen", TIME, nullable=False),
    *signed(),
    Column("slot", NAME, nullable=False),
)

# What a unit owns: no value twice, whatever the code does. `name` is a MAC's interface, the device name as spelled
# (its value is without regard to case), or a serial without case and separators (its value is as the board says it).
identity_values = Table(
    "identity_values",
    metadata,
    Column("kind", NAME, primary_key=True),
    Column("value", NAME, primary_key=True),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Index("identity_values_unit", "unit"),
    Index("identity_values_value", "value"),
    Index("identity_values_serial", "kind", "name", sqlite_where=_SERIAL, postgresql_where=_SERIAL),
    Index("identity_values_one_name", "unit", unique=True, sqlite_where=_NAMED, postgresql_where=_NAMED),
    Index("identity_values_one_cloud_id", "unit", unique=True, sqlite_where=_CLOUD_ID, postgresql_where=_CLOUD_ID),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Number, primary_key=True),
    Column("unit", Number, ForeignKey("units.id")),
    Column("number", Integer, nullable=False),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    *signed(),
    Column("slot", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("hardware_id", NAME),
    Column("serial", NAME),
    Column("identity", Text),
    Column("key_version", Integer),
    Column("fingerprint", NAME),
    Column("image", SHA256),
    Column("note", Text, nullable=False),
    Column("started", TIME, nullable=False),
    Column("ended", TIME),
    Column("code", NAME),
    Column("cause", Text),
    Column("receipt", Text),
    Column("proof", Text),
    Column("product_sha256", SHA256),
    Column("template_sha256", SHA256),
    Column("transcript", NAME),
    Column("stage", NAME),  # where it was turned away, if that was beyond the flash
    Index("attempts_template", "template_sha256"),
    Index("attempts_transcript", "transcript"),
    Index("attempts_unit", "unit", "id"),
    Index("attempts_lot", "lot", "state"),
    Index("attempts_state", "state"),
    Index("attempts_image", "image"),
    Index("attempts_lease", "unit", unique=True, sqlite_where=_LEASED, postgresql_where=_LEASED),
)

# What a unit showed at an attempt, also at a refused one: found again years later, but owned by nobody.
sightings = Table(
    "sightings",
    metadata,
    Column("value", NAME, primary_key=True),
    Column("attempt", Number, ForeignKey("attempts.id"), primary_key=True),
    Column("kind", NAME, primary_key=True),
)

# The head of each station's chain: the next number and hash, and what betrays a cut-off tail.
stations = Table(
    "stations",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("seq", Number, nullable=False),
    Column("hash", SHA256, nullable=False),
    Column("at", TIME, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("station", NAME, primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("kind", NAME, nullable=False),
    Column("slot", NAME),
    Column("attempt", Number, ForeignKey("attempts.id")),
    Column("at", TIME, nullable=False),
    Column("operator", NAME, nullable=False),
    Column("software", NAME, nullable=False),
    Column("data", Text, nullable=False),
    Column("prev", SHA256, nullable=False),
    Column("hash", SHA256, nullable=False),
    Column("told", Text),  # of an event that came from another ledger: as its station numbered and named it there
    Index("events_attempt", "attempt"),
)

host_keys = Table(
    "host_keys",
    metadata,
    Column("mac", String(12), primary_key=True),
    Column("fingerprint", NAME, primary_key=True),
    Column("algorithm", NAME, nullable=False),
    Column("policy", NAME, nullable=False),
    *signed(),
    Column("slot", NAME, nullable=False),
    Column("first_seen", TIME, nullable=False),
    Column("last_seen", TIME, nullable=False),
)

restores = Table(
    "restores",
    metadata,
    Column("id", Number, primary_key=True),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    *signed(),
    Column("data", Text, nullable=False),
    Column("since", TIME, nullable=False),
    Column("cleared", TIME),
    Index("restores_unit", "unit"),
)

hooks = Table(
    "hooks",
    metadata,
    Column("attempt", Number, ForeignKey("attempts.id"), primary_key=True, autoincrement=False),
    Column("done", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("last_at", TIME, nullable=False),
    Index("hooks_due", "attempt", sqlite_where=text("done IS 0"), postgresql_where=text("done IS false")),
)

# One row per pass: its number is the order of passing, which no clock can upset.
passes = Table(
    "passes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False, unique=True),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    Column("at", TIME, nullable=False),
    Index("passes_lot", "lot", "id"),
    Index("passes_unit", "unit"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("companions", Text, nullable=False),
    Column("at", TIME, nullable=False),
    *signed(),
    UniqueConstraint("lot", "number", name="uploads_lot_number"),
)

upload_rows = Table(
    "upload_rows",
    metadata,
    Column("id", Number, primary_key=True),
    Column("upload", NAME, ForeignKey("uploads.name"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False),
    Column("state", NAME, nullable=False),
    Column("changed", TIME, nullable=False),
    Column("reason", Text),
    UniqueConstraint("upload", "position", name="upload_rows_place"),
    Index("upload_rows_unit", "unit"),
    Index("upload_rows_live", "unit", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
)

# A portal's answer that was taken: the same bytes once per upload (upload '' when the answer named none).
answers = Table(
    "answers",
    metadata,
    Column("id", Number, primary_key=True),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    Column("upload", NAME, nullable=False),
    Column("file", NAME, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("at", TIME, nullable=False),
    *signed(),
    UniqueConstraint("lot", "upload", "sha256", name="answers_once"),
)

# An order may come before its lot's first unit, which binds the lot: so `lot` refers to nothing.
orders = Table(
    "orders",
    metadata,
    Column("id", Number, primary_key=True),
    Column("lot", NAME, nullable=False),
    Column("product", NAME, nullable=False),
    Column("file", NAME, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("profile", NAME, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("at", TIME, nullable=False),
    *signed(),
    Index("orders_lot", "lot"),
)

# `cells` is a list of [column, text] in the sheet's order. A row belongs to the first unit that is admitted with it.
order_rows = Table(
    "order_rows",
    metadata,
    Column("order_id", Number, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("lot", NAME, nullable=False),
    Column("cells", Text, nullable=False),
    Column("unit", Number, ForeignKey("units.id")),
    UniqueConstraint("lot", "unit", name="order_rows_one_unit"),
)

# What a unit is found by, and the names: no value twice in a lot, whatever the code does.
order_keys = Table(
    "order_keys",
    metadata,
    Column("lot", NAME, primary_key=True),
    Column("kind", NAME, primary_key=True),
    Column("value", NAME, primary_key=True),
    Column("order_id", Number, nullable=False),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["order_id", "number"], ["order_rows.order_id", "order_rows.number"]),
    Index("order_keys_value", "value"),
    Index("order_keys_row", "order_id", "number"),
)
