"""What the ledger answers with: frozen rows, without SQL and without keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from factory.errors import Exit
from factory.ledger.errors import DAMAGED, LedgerError
from factory.values import AttemptState, RowState


def as_text(moment: datetime) -> str:
    """A time as the ledger keeps it: UTC, ISO 8601, whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def as_time(text: str) -> datetime:
    """The time of a ledger text. Raises LedgerError when the text is none: the row is damaged."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise damaged(f"{text[:40]!r} stands where a time should be") from error


def as_data(text: str | None) -> dict[str, Any]:
    """The object of a JSON column, {} for NULL. Raises LedgerError when it is none: the row is damaged."""
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise damaged("a JSON column cannot be read") from error
    if not isinstance(value, dict):
        raise damaged("a JSON column holds no object")
    return value


def damaged(what: str) -> LedgerError:
    """The error for content that we never wrote."""
    return LedgerError(
        f"the ledger is damaged: {what}",
        hint="Stop the line, copy the ledger's files aside (also -wal and -shm), run 'factory doctor', "
        "and go on from the last good copy.",
        code=DAMAGED,
        exit_code=Exit.FAILED,
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """What a lot is made with: product name, SHA-256 of product file and templates, version of the key secret."""

    product: str
    product_sha256: str
    template_sha256: str
    key_version: int


@dataclass(frozen=True, slots=True)
class LotRecord:
    """A lot and what it was bound to, at its first unit and by which station."""

    name: str
    binding: Binding
    bound_at: datetime
    station: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at one unit as the ledger knows it. Times are UTC.

    `unit` is None for attempts that were never admitted; `number` counts the attempts on the unit from 1 (0 without
    a unit); `note` says what the operator should know about earlier attempts; `fingerprint` stands for the key.
    """

    id: int
    unit: int | None
    number: int
    lot: str
    station: str
    slot: str
    operator: str
    software: str
    state: AttemptState
    hardware_id: str | None
    serial: str | None
    key_version: int | None
    fingerprint: str | None
    image: str | None
    note: str
    started: datetime
    ended: datetime | None
    code: str | None
    cause: str | None

    def place(self) -> str:
        """Where and when, for messages: 'slot A of station S, attempt 4, flashing since 2026-11-20 12:26:28 UTC'."""
        moment = (self.ended or self.started).astimezone(UTC)
        joint = "at" if self.ended else "since"
        when = f"{self.state} {joint} {moment:%Y-%m-%d %H:%M:%S} UTC"
        return f"slot {self.slot} of station {self.station}, attempt {self.id}, {when}"

    def as_json(self) -> dict[str, object]:
        """The attempt as plain JSON values."""
        return {
            "attempt": self.id,
            "unit": self.unit,
            "number": self.number,
            "lot": self.lot,
            "station": self.station,
            "slot": self.slot,
            "operator": self.operator,
            "software": self.software,
            "state": str(self.state),
            "hardware_id": self.hardware_id,
            "serial": self.serial,
            "key_version": self.key_version,
            "fingerprint": self.fingerprint,
            "image": self.image,
            "note": self.note,
            "started": as_text(self.started),
            "ended": as_text(self.ended) if self.ended else None,
            "code": self.code,
            "cause": self.cause,
        }


@dataclass(frozen=True, slots=True)
class KnownHostKey:
    """A host key that a unit showed; `mac` is twelve lower-case hex digits."""

    mac: str
    algorithm: str
    fingerprint: str
    policy: str
    station: str
    slot: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Restore:
    """A unit that was left with half of an image; `data` is what flashing needs to put the old content back."""

    id: int
    attempt: int
    hardware_id: str | None
    station: str
    slot: str
    data: Mapping[str, Any]
    since: datetime


@dataclass(frozen=True, slots=True)
class PassedUnit:
    """A passed unit with all that an upload needs but the key, which is derived again. MACs in colon form.

    `key_parts` are the values that the key was made of beside addresses (Identity.key_parts).
    `row` is the state of its newest upload row, `upload` that row's file; UNLISTED and None before the first.
    """

    unit: int
    attempt: int
    lot: str
    hardware_id: str
    device_name: str
    bulk_identification_code: str
    macs: Mapping[str, str]
    serial: str | None
    categories: Mapping[str, str]
    key_version: int
    fingerprint: str
    image: str | None
    station: str
    slot: str
    passed_at: datetime
    row: RowState
    upload: str | None
    key_parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookDue:
    """A passed unit whose after-pass hook has not succeeded yet; `tries` counts what was tried."""

    attempt: int
    lot: str
    hardware_id: str
    tries: int
    detail: str
    last_at: datetime
    unit: PassedUnit


@dataclass(frozen=True, slots=True)
class UploadFile:
    """One file for one portal submission: `units` in the order of its rows, `companions` by name and SHA-256."""

    name: str
    number: int
    sha256: str
    units: tuple[int, ...]
    companions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload as the ledger knows it."""

    name: str
    number: int
    lot: str
    sha256: str
    companions: Mapping[str, str]
    at: datetime
    station: str
    units: tuple[int, ...]
    operator: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class LotSummary:
    """A lot with its counts: attempts, units and upload rows by state, units by stage and outcome; and what stopped
    it, if it is stopped.
    """

    lot: LotRecord
    attempts: Mapping[str, int]
    units: Mapping[str, int]
    rows: Mapping[str, int]
    stages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole ledger at a glance; `attempts` are the latest, newest first."""

    location: str
    lots: tuple[LotSummary, ...]
    attempts: tuple[Attempt, ...]

    def as_json(self) -> dict[str, object]:
        """The overview as plain JSON values."""
        return {
            "ledger": self.location,
            "lots": [
                {
                    "lot": summary.lot.name,
                    "product": summary.lot.binding.product,
                    "bound_at": as_text(summary.lot.bound_at),
                    "attempts": dict(summary.attempts),
                    "units": dict(summary.units),
                    "rows": dict(summary.rows),
                    "stages": {stage: dict(counts) for stage, counts in summary.stages.items()},
                    "stopped": summary.stopped,
                }
                for summary in self.lots
            ],
            "attempts": [attempt.as_json() for attempt in self.attempts],
        }
