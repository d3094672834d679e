"""Host keys by MAC: units share addresses, so the address proves nothing and the MAC much.

The same address with a new key is normal on a bench; the same MAC with a new key means a swapped, cloned or
re-flashed unit (factory floor reference, section 11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from factory.ledger.errors import HostKeyAlarm
from factory.ledger.journal import append
from factory.ledger.records import KnownHostKey, as_text, as_time
from factory.ledger.schema import host_keys
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
    if policy == "per-unit" and any(not _showed(mac, fingerprint, bound) for mac in {key.mac for key in bound}):
        append(writer, "hostkey.alarm", slot=slot, attempt=attempt, data={**data, "known": bound[-1].fingerprint})
        return _alarm(bound[-1], fingerprint, slot)
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


def _alarm(before: KnownHostKey, fingerprint: str, slot: str) -> HostKeyAlarm:
    return HostKeyAlarm(
        f"slot {slot}: the unit with MAC {Mac.parse(before.mac).colons} showed host key {fingerprint}; "
        f"{before.fingerprint} was seen in slot {before.slot} of station {before.station} at "
        f"{as_text(before.last_seen)}",
        hint="Another unit with the same addresses (a clone), or its system was written anew. Nothing was written. "
        'If units of this kind make new keys at each boot, set host_key = "per-boot" for the slot.',
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
