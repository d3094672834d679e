"""Host keys by MAC: units share addresses, so the address proves nothing and the MAC much.

The same address with a new key is normal on a bench; the same MAC with a new key means a swapped, cloned or
re-flashed unit (factory floor reference, section 11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from factory.ledger.attempts import as_attempt
from factory.ledger.claim import MAC
from factory.ledger.errors import HostKeyAlarm
from factory.ledger.journal import append
from factory.ledger.records import Attempt, KnownHostKey, as_text, as_time
from factory.ledger.schema import attempts, host_keys, identity_values
from factory.ledger.store import Writer
from factory.values import Mac

POLICIES = ("pinned", "per-unit", "per-boot")


def known(connection: Connection, macs: Iterable[str]) -> tuple[KnownHostKey, ...]:
    """The keys that units with these MACs showed, in order of first sight."""
    order = (host_keys.c.first_seen, host_keys.c.fingerprint)
    rows = connection.execute(select(host_keys).where(host_keys.c.mac.in_(_plain(macs))).order_by(*order))
    return tuple(_record(row) for row in rows)


def remember(
    writer: Writer,
    *,
    policy: str,
    slot: str,
    algorithm: str,
    fingerprint: str,
    macs: Iterable[str],
    attempt: int | None,
) -> bool | HostKeyAlarm:
    """Keep a key; return whether it is new, or the alarm that was recorded. Placeholder MACs prove nothing."""
    if policy not in POLICIES:
        raise ValueError(f"no host key policy: {policy}")
    plain = _plain(macs)
    before = known(writer.connection, plain)
    data: dict[str, object] = {
        "policy": policy,
        "algorithm": algorithm,
        "fingerprint": fingerprint,
        "macs": [Mac.parse(mac).colons for mac in plain],
    }
    # Keys that change at each boot were never a promise, so they cannot be broken.
    bound = [key for key in before if key.policy != "per-boot"]
    broken = [key for key in bound if not _showed(key.mac, fingerprint, bound)]
    if policy == "per-unit" and broken:
        other = _other(writer.connection, {key.mac for key in broken}, attempt)
        told = {**data, "known": broken[-1].fingerprint, "other": other.id if other else None}
        append(writer, "hostkey.alarm", slot=slot, attempt=attempt, data=told)
        return _alarm(broken, fingerprint, slot, other)
    fresh = [mac for mac in plain if not _showed(mac, fingerprint, before)]
    now = as_text(writer.now)
    for mac in set(plain) - set(fresh):
        same = (host_keys.c.mac == mac) & (host_keys.c.fingerprint == fingerprint)
        writer.connection.execute(update(host_keys).where(same).values(last_seen=now))
    if fresh:
        row = {"fingerprint": fingerprint, "algorithm": algorithm, "policy": policy, "slot": slot}
        row |= writer.signature.columns() | {"first_seen": now, "last_seen": now}
        writer.connection.execute(insert(host_keys), [row | {"mac": mac} for mac in fresh])
        append(writer, "hostkey.seen", slot=slot, attempt=attempt, data=data)
    return bool(fresh)


def _plain(macs: Iterable[str]) -> list[str]:
    parsed = {Mac.parse(mac) for mac in macs}
    return sorted(mac.plain for mac in parsed if mac.defect() is None)


def _showed(mac: str, fingerprint: str, keys: Iterable[KnownHostKey]) -> bool:
    return any(key.mac == mac and key.fingerprint == fingerprint for key in keys)


def _other(connection: Connection, macs: Iterable[str], attempt: int | None) -> Attempt | None:
    """The newest attempt, other than this one, on the unit that owns one of the MACs."""
    owned = (identity_values.c.kind == MAC) & identity_values.c.value.in_(macs)
    query = select(attempts).join(identity_values, identity_values.c.unit == attempts.c.unit).where(owned)
    if attempt is not None:
        query = query.where(attempts.c.id != attempt)
    row = connection.execute(query.order_by(attempts.c.id.desc()).limit(1)).first()
    return as_attempt(row) if row else None


def _alarm(broken: list[KnownHostKey], fingerprint: str, slot: str, other: Attempt | None) -> HostKeyAlarm:
    known = broken[-1]
    macs = tuple(Mac.parse(mac).colons for mac in sorted({key.mac for key in broken}))
    owner = f"; they are those of unit {other.hardware_id}: {other.place()}" if other else ""
    label = f"the label of unit {other.hardware_id}" if other else "the labels of the units"
    return HostKeyAlarm(
        f"another SSH host key for known addresses: the unit in slot {slot} has MAC {' and '.join(macs)} and shows "
        f"{fingerprint}, but {known.fingerprint} ({known.algorithm}) was shown with them in slot {known.slot} of "
        f"station {known.station} at {as_text(known.last_seen)}{owner}",
        hint=f"Nothing was written. Compare with {label}. If these are two boards, one is a clone: put both aside. If "
        "it is the same board, its system was written anew; where units of this kind make new keys by themselves, set "
        'host_key = "per-boot" for the slot.',
        known=known,
        macs=macs,
        other=other,
    )


def _record(row: Row[Any]) -> KnownHostKey:
    return KnownHostKey(
        row.mac,
        row.algorithm,
        row.fingerprint,
        row.policy,
        row.station,
        row.slot,
        as_time(row.first_seen),
        as_time(row.last_seen),
    )
