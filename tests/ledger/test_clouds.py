"""Registrations with a cloud and cloud ids, on both engines: the rules hold in code and in the database itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from factory.errors import FactoryError
from factory.ledger import Attempt, Ledger, Refused
from factory.values import CloudState
from tests.ledger.made import FINGERPRINT, LOT, admit, bare, facts, identity, opened, refused

SENT = {"sn": "SN1", "name": "Panel 1", "details": {"lot": LOT}}


def begun(ledger: Ledger, token: str, attempt: Attempt, **sent: object) -> None:
    ledger.begin_registration(
        token, unit=attempt.unit, attempt=attempt.id, hardware_id=attempt.hardware_id or "", product="panel", lot=LOT,
        sent={**SENT, **sent},
    )  # fmt: skip


def with_cloud_id(ledger: Ledger, number: int, cloud_id: str, serial: str = "SN1", **changes: object) -> Attempt:
    own = replace(identity(number, serial=serial), registration={"cloud_id": cloud_id})
    return ledger.admit(own, facts(number, serial=serial), lot=LOT, slot="A", fingerprint=None)


def test_a_registration_lives_once(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger:
        one, two = admit(ledger, 1, serial="SN1"), admit(ledger, 2, serial="SN2")
        begun(ledger, "a" * 16, one)
        for attempt, code in ((one, "ledger.cloud-registered"), (two, "ledger.cloud-sn")):
            with pytest.raises(Refused) as caught:
                begun(ledger, "b" * 16, attempt)
            assert caught.value.code == code
        done = ledger.settle_registration("a" * 16, CloudState.REGISTERED, device="d-1", fingerprint="f" * 16)
        assert (done.device, done.fingerprint, done.sent) == ("d-1", "f" * 16, SENT)
        assert one.unit is not None and ledger.registration_of(one.unit) == done
        with pytest.raises(ValueError, match="cannot become"):
            ledger.settle_registration("a" * 16, CloudState.UNKNOWN)
        ledger.settle_registration("a" * 16, CloudState.REMOVED, cause="deleted")
        begun(ledger, "c" * 16, one)
        assert [finding.code for finding in ledger.doctor() if finding.code.startswith("CLOUD")] == ["CLOUD-UNKNOWN"]
        with bare(ledger) as connection:
            copy = (
                "INSERT INTO cloud_registrations (token, unit, hardware_id, product, lot, sn, sent, state, cause, at, "
                "changed, station, operator, software) SELECT :token, unit, hardware_id, :product, lot, :sn, sent, "
                "state, cause, at, changed, station, operator, software FROM cloud_registrations WHERE token = :of"
            )
            of = "c" * 16
            assert refused(connection, copy, token="d", product="other", sn="other", of=of), "one live one per unit"
        assert ledger.verify() == ()


def test_a_hardware_key_is_counted_by_units(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger:
        units = [admit(ledger, number, serial=f"SN{number}").unit or 0 for number in (1, 2, 3)]
        assert [ledger.use_key(unit, FINGERPRINT, 2) for unit in (units[0], units[0], units[1])] == [1, 1, 2]
        with pytest.raises(FactoryError) as caught:
            ledger.use_key(units[2], FINGERPRINT, 2)
        assert caught.value.code == "xyte.key-used-up"
        assert ledger.use_key(units[0], FINGERPRINT, 2) == 2, "who has it may come again"
        assert ledger.use_key(units[2], "another", 2) == 1


def test_a_cloud_id_is_one_units_for_ever(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.cloud_id_of(facts(1, serial="SN1")) is None
        first = with_cloud_id(ledger, 1, "abcd1")
        ledger.failed(first.id, "x", "x")
        assert ledger.cloud_id_of(facts(1)) == ledger.cloud_id_of(facts(9, serial="SN1")) == "abcd1"
        with pytest.raises(Refused) as caught:
            with_cloud_id(ledger, 2, "abcd1", "SN2")
        assert caught.value.code == "ledger.cloud-id-taken"
        with pytest.raises(Refused) as caught:
            with_cloud_id(ledger, 1, "abcd2")
        assert caught.value.code == "ledger.cloud-id-changed"
        assert with_cloud_id(ledger, 1, "abcd1").unit == first.unit
        assert with_cloud_id(ledger, 2, "ABCD1", "SN2").unit != first.unit, "its case counts"
        assert [unit.unit for unit in ledger.trace("abcd1").units if ("cloud-id", "abcd1") in unit.values] == [
            first.unit
        ]
        with bare(ledger) as connection:
            add = "INSERT INTO identity_values (kind, value, unit, name) VALUES ('cloud-id', :value, :unit, '')"
            assert refused(connection, add, value="second", unit=first.unit)
            assert refused(connection, add, value="ABCD1", unit=first.unit)
        assert ledger.verify() == ()
