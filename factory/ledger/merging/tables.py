"""Every table of the ledger, and what a merge does with its rows. A table that stands in neither list fails a test.

Units, their values, attempts, chains and events have rules of their own (`placing`, `chains`, `merge`). All others are
copied in this order: numbers of units, attempts and other numbered rows become ours, and a row that we have by its key
is ours already; `known` says what of it may have changed there since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from factory.ledger.articles import first_articles
from factory.ledger.carried import carried
from factory.ledger.cloud_registrations import cloud_key_uses, cloud_registrations
from factory.ledger.label_tables import labels
from factory.ledger.mentions import mentions
from factory.ledger.merging.conflicts import merge_conflicts
from factory.ledger.pool_tables import pool_cells, pool_gate, pool_leases, pool_ranges, pools
from factory.ledger.schema import (
    answers,
    attempts,
    events,
    hooks,
    host_keys,
    identity_values,
    lots,
    order_keys,
    order_rows,
    orders,
    passes,
    restores,
    sightings,
    stations,
    units,
    upload_rows,
    uploads,
)
from factory.ledger.stage_tables import lot_stops, pruned_transcripts, stage_results

Values = Mapping[str, Any]
Known = Callable[[Values, Values], Values]


def _keep(_theirs: Values, _ours: Values) -> Values:
    """What is written once never changes."""
    return {}


def _newer(theirs: Values, ours: Values) -> Values:
    """The row as it was changed last. Where both were changed since, planning has set it aside."""
    return theirs if theirs["changed"] > ours["changed"] else {}


def _cell(theirs: Values, ours: Values) -> Values:
    """A value of a pool: once it is bound to a unit, or burned, it stays so."""
    if theirs["unit"] is None and ours["unit"] is not None and theirs["state"] == ours["state"]:
        return {}
    return _newer(theirs, ours)


def _highest(*columns: str) -> Known:
    """Numbers that only grow."""

    def known(theirs: Values, ours: Values) -> Values:
        return {name: theirs[name] for name in columns if theirs[name] > ours[name]}

    return known


def _filled(*columns: str) -> Known:
    """What is empty until it is settled, once."""

    def known(theirs: Values, ours: Values) -> Values:
        first = columns[0]
        return {name: theirs[name] for name in columns} if theirs[first] is not None and ours[first] is None else {}

    return known


def _hook(theirs: Values, ours: Values) -> Values:
    """A hook that succeeded has succeeded."""
    if ours["done"] or (not theirs["done"] and theirs["tries"] <= ours["tries"]):
        return {}
    return {name: theirs[name] for name in ("done", "tries", "detail", "last_at")}


_LABEL = ("intent", "printed", "verified", "void")


def _label(theirs: Values, ours: Values) -> Values:
    """A label only ever goes on, and void is its end."""
    if _LABEL.index(theirs["state"]) <= _LABEL.index(ours["state"]):
        return {}
    return {name: theirs[name] for name in ("state", "printed_at", "verified_at", "voided_at", "reason")}


@dataclass(frozen=True, slots=True)
class Merged:
    """How one table is merged. `key` is what names a row in both ledgers, `number` the column that counts rows,
    `refs` the columns that hold numbers of other tables' rows, by the name of that table. `stands_in` says that a row
    of a unit which was put aside belongs to the unit of ours that it contradicts.
    """

    table: Table
    key: tuple[str, ...]
    number: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    known: Known = _keep
    stands_in: bool = False


_UNIT = {"unit": "units"}
_ATTEMPT = {"attempt": "attempts"}
_BOTH = _UNIT | _ATTEMPT

MERGED: tuple[Merged, ...] = (
    Merged(sightings, ("value", "attempt", "kind"), refs=_ATTEMPT),
    Merged(passes, ("attempt",), number="id", refs=_BOTH),
    Merged(hooks, ("attempt",), refs=_ATTEMPT, known=_hook),
    Merged(restores, ("attempt", "since"), number="id", refs=_BOTH, known=_filled("cleared"), stands_in=True),
    Merged(host_keys, ("mac", "fingerprint"), known=_highest("last_seen")),
    Merged(orders, ("lot", "sha256", "at", "station"), number="id"),
    Merged(order_rows, ("order_id", "number"), refs=_UNIT | {"order_id": "orders"}, known=_filled("unit")),
    Merged(order_keys, ("lot", "kind", "value"), refs={"order_id": "orders"}),
    Merged(uploads, ("name",)),
    Merged(upload_rows, ("upload", "position"), number="id", refs=_BOTH, known=_newer),
    Merged(answers, ("lot", "upload", "sha256"), number="id"),
    Merged(cloud_registrations, ("token",), number="number", refs=_BOTH, known=_newer),
    Merged(cloud_key_uses, ("fingerprint", "unit"), refs=_UNIT),
    Merged(first_articles, ("product_sha256", "template_sha256", "board"), refs=_ATTEMPT, known=_filled("accepted")),
    Merged(pools, ("product", "name"), number="id"),
    Merged(
        pool_ranges, ("kind", "prefix", "width", "low"), number="id", refs={"pool": "pools"}, known=_highest("taken")
    ),
    Merged(
        pool_leases, ("kind", "prefix", "width", "first"), number="id", refs={"pool": "pools"}, known=_highest("next")
    ),
    Merged(pool_cells, ("kind", "value"), refs=_BOTH | {"pool": "pools"}, known=_cell),
    Merged(labels, ("nonce",), number="id", refs=_BOTH, known=_label),
    Merged(stage_results, ("lot", "stage", "station", "slot", "at"), number="id", refs=_BOTH),
    Merged(
        lot_stops,
        ("lot", "stage", "station", "at"),
        number="id",
        refs={"after_attempt": "attempts", "after_result": "stage_results"},
        known=_filled("accepted", "accepted_at", "accepted_by", "after_attempt", "after_result"),
    ),
    Merged(pruned_transcripts, ("station", "name")),
    Merged(mentions, ("name", "station", "seq")),
)

OWN_RULES: Mapping[Table, str] = {
    lots: "both must be bound to the same product",
    units: "a unit of theirs may be one of ours",
    identity_values: "what a unit owns follows its unit",
    attempts: "they get our numbers, and follow their unit",
    stations: "the ends of the chains",
    events: "copied as they were told",
}
NOT_MERGED: Mapping[Table, str] = {
    carried: "what a journal took along from the server was the server's",
    merge_conflicts: "what another ledger settled with a third one is told by its events",
    pool_gate: "a lock",
}
