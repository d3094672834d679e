"""Registering with a ledger and a key store: nothing is lost, nothing is asked twice, and no key shows."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from factory.clouds.xyte.check import check_device
from factory.clouds.xyte.cloud_id import new_cloud_id, qr_payload
from factory.clouds.xyte.device import DeviceKey
from factory.clouds.xyte.entry import Entry
from factory.clouds.xyte.hub import Partner
from factory.clouds.xyte.store import KeySealed, KeyStore
from factory.clouds.xyte.verdicts import OutcomeUnknown, XyteRefused
from factory.errors import FactoryError
from factory.files import FileError
from factory.ledger import Refused
from factory.lots.resolve import by_hand, instructions, open_records, resolve
from factory.qr import pictures
from factory.rehearsal.clouds.faults import CloudFault
from factory.secrets import Secret
from factory.values import CloudId, CloudState, Work
from tests.clouds.xyte.conftest import World, request
from tests.ledger.made import LOT, facts


def states(world: World) -> list[str]:
    return [str(record.state) for record in world.ledger.registrations(LOT)]


def test_registered_and_known_again(world: World) -> None:
    whose = world.unit(1)
    key = world.registrar().register(request(1), whose)
    (kept,) = world.store.kept()
    assert (kept.device, kept.fingerprint, kept.path.stat().st_mode & 0o777) == (key.id, key.fingerprint, 0o600)
    again = world.registrar().register(request(1), whose)  # another process: from the store, and looked at
    assert again == key and world.clouds.counters()["GET /v1/devices/{id}"] >= 2
    told = " ".join(str(event.data) for unit in world.ledger.trace("SN1").units for event in unit.events)
    assert "cloud.registered" not in told and key.id in told
    assert key.access_key.reveal() not in told and world.key.reveal() not in told
    database = b"".join(path.read_bytes() for path in world.folder.glob("ledger.db*"))
    assert key.access_key.reveal().encode() not in database and world.key.reveal().encode() not in database


def test_other_values_than_before_are_a_mismatch(world: World) -> None:
    whose = world.unit(1)
    world.registrar().register(request(1), whose)
    with pytest.raises(FactoryError) as caught:
        world.registrar().register(request(1, mac="00:1b:77:00:00:99"), whose)
    assert caught.value.code == "xyte.mismatch" and states(world) == ["registered"]


def test_deleted_in_the_cloud_it_registers_again(world: World) -> None:
    whose = world.unit(1)
    first = world.registrar().register(request(1), whose)
    world.clouds.xyte.delete(first.id)
    second = world.registrar().register(request(1), whose)
    assert second.id != first.id and states(world) == ["removed", "registered"]


def test_the_batch_ends_at_its_count_and_the_station_stops(world: World) -> None:
    registrar = world.registrar()
    for number in (1, 2, 3):
        registrar.register(request(number), world.unit(number))
    for number in (4, 5):
        with pytest.raises(FactoryError) as caught:
            registrar.register(request(number), world.unit(number))
        assert caught.value.code == "xyte.key-used-up"
    assert len(world.clouds.xyte.devices()) == 3


def test_one_serial_number_for_two_units(world: World) -> None:
    registrar = world.registrar()
    registrar.register(request(1), world.unit(1))
    with pytest.raises(Refused) as caught:
        registrar.register(request(2, sn="SN1"), world.unit(2))
    assert caught.value.code == "ledger.cloud-sn" and len(world.clouds.xyte.devices()) == 1


def test_sealed_keys_are_written_and_not_read_back(world: World) -> None:
    identity = pyrage.x25519.Identity.generate()
    sealed = KeyStore(world.folder / "sealed", str(identity.to_public()))
    whose = world.unit(1)
    registrar = world.registrar(sealed)
    key = registrar.register(request(1), whose)
    assert registrar.register(request(1), whose) == key, "the process that registered it still knows it"
    with pytest.raises(KeySealed) as caught:
        world.registrar(sealed).register(request(1), whose)
    assert "office" in caught.value.message and not list(sealed.findings())
    office = KeyStore(world.folder / "sealed", None, Secret(f"# created\n{identity}\n"))
    assert world.registrar(office).register(request(1), whose) == key
    other = KeyStore(world.folder / "sealed", None, Secret(str(pyrage.x25519.Identity.generate())))
    with pytest.raises(KeySealed, match="cannot be opened"):
        other.open(next(iter(other.kept())).token)


def test_without_room_for_the_key_nothing_is_asked(world: World) -> None:
    (world.folder / "device-keys").write_text("in the way")
    with pytest.raises(FileError):
        world.registrar().register(request(1), world.unit(1))
    assert world.clouds.xyte.devices() == [] and states(world) == []


class Full(KeyStore):
    def put(self, token: str, key: DeviceKey) -> object:  # type: ignore[override]
        raise FileError("cannot write: no space left")


def test_a_key_that_cannot_be_kept_is_a_lost_one(world: World) -> None:
    with pytest.raises(OutcomeUnknown, match="could not be kept"):
        world.registrar(Full(world.folder / "device-keys")).register(request(1), world.unit(1))
    (record,) = world.ledger.registrations(LOT)
    assert record.state is CloudState.UNKNOWN and record.device == world.clouds.xyte.devices()[0]["id"]


@pytest.mark.parametrize("fault", [CloudFault.LOST_REPLY, CloudFault.ERROR_AFTER_COMMIT])
def test_a_lost_reply_is_resolved_with_the_partner_key(world: World, fault: CloudFault) -> None:
    whose, registrar = world.unit(1), world.registrar()
    world.clouds.faults.set(fault, count=1, path="/v1/devices")
    with pytest.raises(OutcomeUnknown, match="its reply was lost"):
        registrar.register(request(1), whose)
    before = world.clouds.counters()["POST /v1/devices"]
    with pytest.raises(OutcomeUnknown):
        registrar.register(request(1), whose)
    assert world.clouds.counters()["POST /v1/devices"] == before, "never asked again by itself"
    records = open_records(world.ledger, registrar, LOT)
    assert "SN1" in instructions(records)[2]
    with Partner(world.clouds.url, Secret(world.clouds.xyte.partner_key), ca=world.clouds.ca) as partner:
        (done,) = resolve(world.ledger, partner, records)
    assert done.removed and "deleted" in done.what and world.clouds.xyte.devices() == []
    registrar.register(request(1), whose)
    assert states(world) == ["removed", "registered"] and open_records(world.ledger, registrar, LOT) == []


def test_a_claimed_device_is_never_deleted(world: World) -> None:
    registrar, whose = world.registrar(), world.unit(1)
    world.clouds.faults.set(CloudFault.LOST_REPLY, count=1, path="/v1/devices")
    with pytest.raises(OutcomeUnknown):
        registrar.register(request(1), whose)
    (device,) = world.clouds.xyte.devices()
    world.clouds.xyte.set_device(device["id"], claimed="A customer")
    records = open_records(world.ledger, registrar, LOT)
    with Partner(world.clouds.url, Secret(world.clouds.xyte.partner_key), ca=world.clouds.ca) as partner:
        (done,) = resolve(world.ledger, partner, records)
        assert not done.removed and "A customer" in done.what and states(world) == ["unknown"]
    with Partner(world.clouds.url, Secret("0" * 64), ca=world.clouds.ca) as stranger:
        (done,) = resolve(world.ledger, stranger, records)
    assert not done.removed and "access key" in done.what
    assert [one.removed for one in by_hand(world.ledger, records, "deleted in the portal")] == [True]


_DIES = """
import os, sys
from pathlib import Path
from factory.clouds.xyte import store
from tests.clouds.xyte.dying import work
store.KeyStore.put = {put}
work(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
"""


@pytest.mark.parametrize(("kept", "state"), [(False, "unknown"), (True, "registered")])
def test_killed_between_the_reply_and_the_ledger(world: World, kept: bool, state: str) -> None:
    """The process dies when it has the key: before it is kept, and after."""
    whose = world.unit(1)
    put = (
        "lambda *_: os._exit(9)" if not kept else "(lambda put: lambda *a: (put(*a), os._exit(9)))(store.KeyStore.put)"
    )
    arguments = [str(world.product.folder / "product.toml"), world.clouds.url, str(world.clouds.ca)]
    run = [sys.executable, "-c", _DIES.format(put=put), *arguments, str(whose.unit), str(whose.attempt)]
    died = subprocess.run(run, check=False, env={**os.environ, "NO_PROXY": "127.0.0.1"}, capture_output=True, text=True)
    assert died.returncode == 9, died.stderr
    assert states(world) == ["intent"] and len(world.clouds.xyte.devices()) == 1
    registrar = world.registrar()
    if kept:
        assert registrar.register(request(1), whose).id == world.clouds.xyte.devices()[0]["id"]
    else:
        with pytest.raises(OutcomeUnknown, match="between the request and the reply"):
            registrar.register(request(1), whose)
    assert states(world) == [state] and len(world.clouds.xyte.devices()) == 1


def test_check(world: World) -> None:
    key = world.registrar().register(request(1), world.unit(1))
    checked = check_device(key, request(1), ca=world.clouds.ca)
    assert checked.good and checked.claimed is False, checked
    assert world.clouds.xyte.device(key.id)["state"]["status"] == "offline"
    wrong = check_device(key, request(1, mac="00:1b:77:00:00:77", firmware_version="9.9.9"), ca=world.clouds.ca)
    assert [finding.code for finding in wrong.findings] == ["XYTE-DIFFERS", "XYTE-DIFFERS"]
    world.clouds.xyte.set_device(key.id, claimed="A customer", latest_firmware="2.0.0")
    codes = {finding.code for finding in check_device(key, request(1), ca=world.clouds.ca).findings}
    assert codes == {"XYTE-CLAIMED", "XYTE-FIRMWARE"}
    world.clouds.xyte.delete(key.id)
    (gone,) = check_device(key, request(1), ca=world.clouds.ca).findings
    assert gone.code == "xyte.not-authorized" and key.access_key.reveal() not in str(gone)


def test_a_reply_without_a_hub_means_the_default_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Entry.register
    monkeypatch.setattr(Entry, "register", lambda entry, told: replace(ask(entry, told), hubs={}))
    registrar = world.registrar()
    key = registrar.register(request(1), world.unit(1))
    assert states(world) == ["registered"] and key.hub_url == ""
    assert check_device(key, request(1), hub=registrar.section.hub, ca=world.clouds.ca).good


def test_cloud_ids_are_made_once(world: World) -> None:
    registrar = world.registrar()
    registrar.section = registrar.section.model_copy(update={"short_code": "abcd"})
    made = registrar.assign(facts(1, serial="SN1"), Work(LOT)).assigned["cloud_id"]
    assert CloudId.parse(made) and made.startswith("abcd") and len(made) == 24 and made.isalnum()
    assert registrar.assign(facts(1), Work(LOT)).assigned["cloud_id"] != made, "not the unit's before its admission"
    assert len({new_cloud_id("abcd").text for _ in range(1000)}) == 1000


def test_a_qr_code_says_the_address_alone() -> None:
    payload = qr_payload("cloud.acme.com", "eX-N5DiKi34LdV5_qsYkEpKp")
    assert payload == "https://cloud.acme.com/c/eX-N5DiKi34LdV5_qsYkEpKp"
    images = pictures(payload)
    assert images["svg"].startswith(b"<?xml") and images["png"].startswith(b"\x89PNG")


def test_a_registered_unit_that_the_cloud_refuses_is_told_so(world: World) -> None:
    with world.entry() as entry:
        entry.register(request(1))
    with pytest.raises(XyteRefused) as caught:
        world.registrar().register(request(1), world.unit(1))
    assert caught.value.code == "xyte.taken" and states(world) == ["refused"]


def test_many_at_once(world: World, tmp_path: Path) -> None:
    registrar = world.registrar()
    work = [(world.unit(number), request(number)) for number in (1, 2)]
    results = registrar.register_many(work)
    assert all(isinstance(one, DeviceKey) for one in results) and states(world) == ["registered", "registered"]
    assert registrar.register_many(work) == results and len(world.clouds.xyte.devices()) == 2
