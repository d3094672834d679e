"""Whole lines for Xyte, both ways: what the cloud has then, what lies on the unit, and no secret anywhere."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from factory.line import Outcome
from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.values import CloudState, UnitState
from tests.line.floor import LOT, Floor, by_slot, outcomes, plan

CODE = "acme"


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedClouds]:
    with SimulatedClouds(tmp_path / "clouds") as simulated:
        monkeypatch.setenv("SSL_CERT_FILE", str(simulated.ca))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("XYTE_HARDWARE_KEY", (simulated.folder / "xyte-hardware-key").read_text().strip())
        yield simulated


@contextmanager
def floor_of(
    folder: Path, clouds: SimulatedClouds, units: int, registers: str, recipient: str | None = None, **settings: Any
) -> Iterator[Floor]:
    given = {
        "image.root": "etc/xyte",
        "registration.registers": registers,
        "registration.server": clouds.url,
        "registration.hub": clouds.url,
        "registration.short_code": CODE,
        "registration.firmware_version": "1.4.0",
        "registration.domain": "cloud.acme.com",
        **{name.replace("__", "."): value for name, value in settings.items()},
    }
    with Floor(folder, [plan(number) for number in range(1, units + 1)], settings=given, kind="xyte") as floor:
        if recipient is not None:
            text = floor.bench_file.read_text()
            floor.bench_file.write_text(f'[device_keys]\nrecipient = "{recipient}"\n\n{text}')
            floor.ledger.close()
            floor.open()
        yield floor


def on_unit(floor: Floor, number: int, name: str) -> str:
    return (floor.unit(number).root / "etc/xyte" / name).read_text()


def nothing_shows(floor: Floor, secrets: list[str]) -> None:
    """No secret in any file that the line wrote, but for images and the key store."""
    for path in floor.folder.rglob("*"):
        if not path.is_file() or {"sim", "images", "device-keys", "clouds", "product"} & set(path.parts):
            continue
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_a_lot_that_the_station_registers(tmp_path: Path, clouds: SimulatedClouds) -> None:
    identity = pyrage.x25519.Identity.generate()
    with floor_of(tmp_path, clouds, 4, "station", str(identity.to_public())) as floor:
        summary = floor.run(4)
        assert {row.outcome for row in summary.rows} == {Outcome.PASSED}, outcomes(summary)
        devices = {device["sn"]: device for device in clouds.xyte.devices()}
        keys = []
        for number in range(1, 5):
            told = json.loads(on_unit(floor, number, "identity.json"))
            key = on_unit(floor, number, "access_key").strip()
            keys.append(key)
            device = devices[told["sn"]]
            assert (device["id"], device["cloud_id"], device["mac"]) == (told["id"], told["cloud_id"], told["mac"])
            assert (
                told["hub_url"].startswith("https://")
                and told["cloud_id"].startswith(CODE)
                and len(told["cloud_id"]) == 24
            )
            assert device["firmware_version"] == "1.4.0" and device["claimed"] is None
            assert clouds.xyte.holder(told["id"], key)[0] is not None, "the key on the unit is the device's"
            assert not (floor.unit(number).root / "etc/xyte/hardware_key").exists()
            assert stat.S_IMODE((floor.unit(number).root / "etc/xyte/access_key").stat().st_mode) == 0o600
        sealed = sorted((floor.folder / "device-keys").iterdir())
        assert len(sealed) == 4
        opened = [json.loads(pyrage.decrypt(path.read_bytes(), [identity])) for path in sealed]
        assert {one["access_key"] for one in opened} == set(keys)
        assert not [key for key in keys for path in sealed if key.encode() in path.read_bytes()]
        records = floor.ledger.registrations(LOT)
        assert {record.state for record in records} == {CloudState.REGISTERED}
        hardware_key = floor.product.registration.hardware_key.resolve(tmp_path).reveal()  # type: ignore[union-attr]
        nothing_shows(floor, [*keys, hardware_key])
        assert floor.ledger.verify() == ()


@pytest.mark.parametrize("registers", ["station", "unit"])
def test_a_lot_of_twenty(tmp_path: Path, clouds: SimulatedClouds, registers: str) -> None:
    """On all slots at once; the station asks one thing at a time."""
    with floor_of(tmp_path, clouds, 20, registers) as floor:
        summary = floor.run(20)
        assert summary.passed == 20, outcomes(summary)
        told = [json.loads(on_unit(floor, number, "identity.json")) for number in range(1, 21)]
        assert len({one["cloud_id"] for one in told}) == 20
        there = {(one["sn"], one["mac"], one["cloud_id"]) for one in clouds.xyte.devices()}
        own = {(one["sn"], one["mac"], one["cloud_id"]) for one in told}
        assert there == (own if registers == "station" else set())
        assert clouds.counters().get("POST /v1/devices", 0) == len(there)
        assert floor.ledger.verify() == ()


def test_a_lot_that_registers_itself(tmp_path: Path, clouds: SimulatedClouds) -> None:
    with floor_of(tmp_path, clouds, 3, "unit", registration__expected_units=2) as floor:
        summary = floor.run(3)
        assert (summary.passed, summary.failed) == (2, 1), outcomes(summary)
        late = next(row for row in summary.rows if row.outcome is Outcome.FAILED)
        assert late.code == "xyte.key-used-up"
        assert clouds.xyte.devices() == [], "the cloud hears of a unit at its first start"
        done = [unit.hardware_id for unit in floor.ledger.passed_units(LOT)]
        assert len(done) == 2
        key = floor.product.registration.hardware_key.resolve(tmp_path).reveal()  # type: ignore[union-attr]
        numbers = [int(hardware_id.removeprefix("SN")) for hardware_id in done]
        assert [on_unit(floor, number, "hardware_key").strip() for number in numbers] == [key, key]
        nothing_shows(floor, [key])


def test_a_second_attempt_has_the_same_cloud_id_and_the_same_registration(
    tmp_path: Path, clouds: SimulatedClouds
) -> None:
    with floor_of(tmp_path, clouds, 1, "station") as floor:
        blocked = floor.unit(1).root / "etc/xyte/access_key"
        blocked.mkdir(parents=True)  # no file can be put there
        (row,) = floor.run(1).rows
        assert row.outcome is Outcome.FAILED and (row.code or "").startswith("flash.")
        blocked.rmdir()
        (device,) = clouds.xyte.devices()
        floor.ledger.close()
        floor.open()
        (row,) = floor.run(1).rows
        assert row.outcome is Outcome.PASSED, row
        assert [one["id"] for one in clouds.xyte.devices()] == [device["id"]]
        assert json.loads(on_unit(floor, 1, "identity.json"))["cloud_id"] == device["cloud_id"]
        (finding,) = [one for one in _store(floor) if one.code == "KEYS-PLAIN"]
        assert "unsealed" in finding.message


def _store(floor: Floor) -> list[Any]:
    from factory.clouds.xyte.store import store_findings

    return store_findings(floor.config)


def test_a_lost_reply_is_never_looped_on(tmp_path: Path, clouds: SimulatedClouds) -> None:
    with floor_of(tmp_path, clouds, 1, "station") as floor:
        clouds.faults.set(CloudFault.LOST_REPLY, count=1, path="/v1/devices")
        (row,) = floor.run(1).rows
        assert (row.outcome, row.code) == (Outcome.FAILED, "xyte.unknown"), row
        assert floor.unit(1).boots == 1 and not (floor.unit(1).root / "etc/xyte/access_key").exists()
        (record,) = floor.ledger.registrations(LOT)
        assert record.state is CloudState.UNKNOWN and "already" in record.cause
        asked = clouds.counters()["POST /v1/devices"]
        floor.ledger.close()
        floor.open()
        (row,) = floor.run(1).rows
        assert row.code == "xyte.unknown" and clouds.counters()["POST /v1/devices"] == asked
        assert "CLOUD-UNKNOWN" in {finding.code for finding in floor.ledger.doctor()}


def test_a_unit_that_the_cloud_knows_already_is_put_aside(tmp_path: Path, clouds: SimulatedClouds) -> None:
    with floor_of(tmp_path, clouds, 1, "station") as floor:
        from factory.clouds.xyte.entry import Entry

        key = floor.product.registration.hardware_key.resolve(tmp_path)  # type: ignore[union-attr]
        with Entry(clouds.url, key, ca=clouds.ca) as entry:
            entry.register({"sn": "SN000001", "cloud_id": "acme" + "x" * 20, "firmware_version": "1.0.0"})
        (row,) = floor.run(1).rows
        assert (row.outcome, row.code) == (Outcome.FAILED, "xyte.taken"), row
        assert floor.ledger.trace("SN000001").units[0].state == UnitState.QUARANTINED
        assert floor.ledger.verify() == ()


def test_a_wrong_hardware_key_stops_the_line(
    tmp_path: Path, clouds: SimulatedClouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XYTE_HARDWARE_KEY", "11111111-2222-4333-8444-555555555555")
    with floor_of(tmp_path, clouds, 3, "station") as floor:
        summary = floor.run(99)  # it ends by itself
        assert summary.passed == 0 and {row.code for row in summary.rows} == {"xyte.hardware-key"}
        assert clouds.counters()["POST /v1/devices"] == 1, "nobody asks again with a key that is wrong"


def test_the_package_of_remoteit_through_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRATION_CODE", "CODE-OF-ALL-UNITS-0001")
    settings = {"image.root": "etc/remoteit", "registration.registration_code": "env:REGISTRATION_CODE"}
    with Floor(tmp_path, [plan(1), plan(2)], settings=settings, kind="remoteit-package") as floor:
        summary = floor.run(2)
        assert summary.passed == 2, outcomes(summary)
        written = floor.unit(1).root / "etc/remoteit/registration"
        assert written.read_text() == "CODE-OF-ALL-UNITS-0001\n" and floor.unit(1).boots == 2
        assert len(by_slot(summary)) == 2
        nothing_shows(floor, ["CODE-OF-ALL-UNITS-0001"])
