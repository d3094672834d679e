"""The other values: what they show of themselves, and that they stay JSON."""

from __future__ import annotations

from datetime import UTC, datetime

from factory.secrets import Secret
from factory.values import (
    AttemptState,
    BulkIdentificationCode,
    ConnectdShow,
    DeviceName,
    Event,
    FileEntry,
    HardwareId,
    Identity,
    Mac,
    Manifest,
    Proof,
    Receipt,
    RegistrationKey,
    canonical,
)

KEY = "q3zcb5v7a2mnk4hd"


def identity() -> Identity:
    return Identity(
        HardwareId.parse("b827eb000001"),
        RegistrationKey.parse(KEY),
        DeviceName.parse("unit 1"),
        BulkIdentificationCode.parse("12345678-9ABC-DEF0-1234-56789ABCDEF0"),
        {"wlan0": Mac.parse("b827eb000002"), "eth0": Mac.parse("b827eb000001")},
    )


def test_an_identity_shows_everything_but_its_key() -> None:
    assert KEY not in repr(identity())
    public = canonical(identity().public()).decode()
    assert KEY not in public and "b8:27:eb:00:00:02" in public and "unit 1" in public


def test_what_a_unit_says_of_itself_keeps_its_key_masked() -> None:
    assert KEY not in repr(ConnectdShow("id", Secret(KEY), "code"))


def test_records_are_canonical_json() -> None:
    receipt = Receipt("i", "files", "ssh:x", {"b": "2", "a": "1"}, 10, "sha256sum", 1.2345)
    proof = Proof("soft", "a", "b", ("hardware_id.txt",), True, "ssh:x", 0.0004)
    event = Event("attempt.admitted", "s", datetime(2026, 1, 2, tzinfo=UTC), seq=3)
    manifest = Manifest("i", "tar", "p", "t", identity().public(), (FileEntry("active", 0o700),))
    for record in (receipt, proof, event, manifest):
        canonical(record.as_json())
    assert receipt.as_json()["milliseconds"] == 1234 or receipt.as_json()["milliseconds"] == 1235
    assert event.as_json()["at"] == "2026-01-02T00:00:00.000+00:00"
    assert manifest.as_json()["files"] == [{"path": "active", "mode": "0700", "size": 0, "sha256": None}]


def test_only_ended_attempts_hold_no_lease() -> None:
    ended = {state for state in AttemptState if state.is_final}
    assert ended == {AttemptState.PASSED, AttemptState.FAILED, AttemptState.REFUSED}
