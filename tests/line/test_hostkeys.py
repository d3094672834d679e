from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import Slot, SshSection
from factory.line.hostkeys import SlotHostKeys
from factory.rehearsal.faults import Fault
from factory.units.protocol import HostKey, UnitError
from tests.ledger.made import opened
from tests.line.floor import LOT, SSH, Floor, outcomes, plan

FIRST = HostKey("ssh-ed25519", "SHA256:" + "A" * 43)
OTHER = HostKey("ssh-ed25519", "SHA256:" + "B" * 43)
MACS = ("b8:27:eb:00:00:01",)


def slot(policy: str, fingerprint: str | None = None) -> Slot:
    return Slot.model_validate(
        {"name": "A", "ssh": SshSection(host="192.0.2.1", fingerprint=fingerprint), "host_key": policy}
    )


def test_a_pinned_key_is_the_only_one(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        keys = SlotHostKeys(ledger, slot("pinned", FIRST.fingerprint))
        keys.seen_at_connect("A", FIRST)
        with pytest.raises(UnitError, match="No password was sent") as caught:
            keys.seen_at_connect("A", OTHER)
        assert caught.value.code == "line.host-key-pinned"


def test_within_one_attempt_a_key_per_unit_stays_the_same(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        keys = SlotHostKeys(ledger, slot("per-unit"))
        keys.seen_at_connect("A", FIRST)
        keys.seen_at_connect("A", FIRST)
        with pytest.raises(UnitError) as caught:
            keys.seen_at_connect("A", OTHER)
        assert caught.value.code == "line.host-key-changed"


def test_a_known_mac_with_a_new_key_is_an_alarm_and_another_mac_is_none(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        SlotHostKeys(ledger, slot("per-unit")).seen_on_unit("A", FIRST, MACS)
        SlotHostKeys(ledger, slot("per-unit")).seen_on_unit("A", OTHER, ("b8:27:eb:00:00:02",))
        with pytest.raises(UnitError) as caught:
            SlotHostKeys(ledger, slot("per-unit")).seen_on_unit("A", OTHER, MACS)
        assert caught.value.code == "line.host-key-alarm"


def test_keys_per_boot_may_change(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        keys = SlotHostKeys(ledger, slot("per-boot"))
        for key in (FIRST, OTHER):
            keys.seen_at_connect("A", key)
            keys.seen_on_unit("A", key, MACS)


def test_a_unit_with_a_new_key_is_stopped_before_the_flash(tmp_path: Path) -> None:
    """Failed once, comes back with the same MACs and another key: an alarm, and nothing is written."""
    with Floor(tmp_path, [plan(1, SSH, Fault.LEFTOVER_FILES)]) as floor:
        assert outcomes(floor.run(1))["slot-01"][0] == "failed"
        unit = floor.unit(1)
        before = sorted(path.name for path in (unit.root / "etc/connectd").iterdir())
        unit.inject(Fault.NEW_HOST_KEY)
        unit.reboot()
        unit.wait_until_settled()
        summary = floor.run(1)
        assert outcomes(summary) == {"slot-01": ("failed", "line.host-key-alarm")}
        assert sorted(path.name for path in (unit.root / "etc/connectd").iterdir()) == before
        assert any(event.kind == "hostkey.alarm" for event in floor.events)
        assert floor.ledger.passed_units(LOT) == ()
