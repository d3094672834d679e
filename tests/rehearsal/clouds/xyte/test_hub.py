"""What a device asks with its key, what the maker asks with the partner key, and the recovery from a lost reply."""

from __future__ import annotations

import email.utils
import logging
import time

import httpx2
import pytest

from factory.rehearsal.clouds.faults import CloudFault
from tests.rehearsal.clouds.xyte.conftest import Maker, told

ONLINE = {"status": "online", "telemetries": {"eol": True}}


def test_telemetry_of_an_unclaimed_device(maker: Maker) -> None:
    device = maker.device()
    reply = maker.ask("POST", device, "/telemetry", ONLINE)
    assert reply.status_code == 201
    assert reply.json() == {
        "config_version": 0, "command": False, "info_version": 1, "new_licenses": False, "latest_fw_version": None,
        "latest_fw_file_id": None, "space_data_version": 0, "success": True, "device_id": device["id"],
    }  # fmt: skip
    maker.ask("POST", device, "/telemetry", {"status": "error", "telemetries": {"eol": None, "n": 1.5, "t": "x"}})
    assert maker.clouds.xyte.device(device["id"])["state"] == {"n": 1.5, "t": "x", "status": "error"}
    maker.ask("POST", device, "/telemetry", {"status": "offline", "telemetries": {}, "override": True})
    assert maker.clouds.xyte.device(device["id"])["state"] == {"status": "offline"}
    maker.clouds.xyte.set_device(device["id"], claimed="Customer", latest_firmware="1.5.0")
    answer = maker.ask("POST", device, "/telemetry", {**ONLINE, "timestamp": "2026-11-20T10:00:00Z"}).json()
    assert (answer["space_data_version"], answer["latest_fw_version"]) == (1, "1.5.0")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"status": "online"}, "Missing 'telemetries' object"),
        ({"status": "online", "telemetries": []}, "Missing 'telemetries' object"),
        ([], "Missing 'telemetries' object"),
        ({"telemetries": {}}, "Status is invalid"),
        ({"status": "up", "telemetries": {}}, "Status is invalid"),
        ({"status": "online", "telemetries": {"a": {}}}, "Telemetries is invalid"),
        ({"status": "online", "telemetries": {"a": 2**31}}, "Telemetries is invalid"),
        ({"status": "online", "telemetries": {"a": 1e39}}, "Telemetries is invalid"),
        ({"status": "online", "telemetries": {"a": "\u00e4" * 501}}, "Telemetries is invalid"),
        ({"status": "online", "telemetries": {}, "override": 1}, "Override is invalid"),
        ({"status": "online", "telemetries": {}, "timestamp": "now"}, "Timestamp is invalid"),
    ],
)
def test_telemetry_that_is_none(maker: Maker, body: object, text: str) -> None:
    assert told(maker.ask("POST", maker.device(), "/telemetry", body)) == (422, text)


def test_telemetry_of_more_than_128_kb(maker: Maker) -> None:
    body = {"status": "online", "telemetries": {f"n{number}": "x" * 1000 for number in range(140)}}
    assert told(maker.ask("POST", maker.device(), "/telemetry", body))[0] == 413


def test_information(maker: Maker) -> None:
    device = maker.device()
    found = maker.ask("GET", device).json()
    assert found["partner"] == {"sn": device["sn"], "mac": device["mac"], "vendor": "Practice maker", "model": "Panel"}
    assert (found["id"], found["name"], found["firmware_version"]) == (device["id"], device["name"], "1.4.0")
    assert (found["claimed"], found["last_seen"], found["state"]) == (None, None, {"status": "offline"})
    assert "cloud_id" not in found
    maker.ask("POST", device, "/telemetry", ONLINE)
    maker.clouds.xyte.set_device(device["id"], claimed="Customer", config={"volume": 3})
    found = maker.ask("GET", device).json()
    assert (found["claimed"], found["state"]) == ("Customer", {"eol": True, "status": "online"})
    assert (found["config"]["version"], found["config"]["volume"]) == (1, 3)
    assert found["last_seen"].endswith("+00:00")


def test_a_key_that_is_not_the_devices(maker: Maker) -> None:
    device, other = maker.device(), maker.device()
    for key in (other["access_key"], "", f"Bearer {device['access_key']}", device["access_key"].upper()):
        wrong = {**device, "access_key": key}
        # Documented of Get Device Info alone: 400, in the same words.
        assert told(maker.ask("GET", wrong)) == (400, "Not authorized")
        for method, path in (("POST", "/telemetry"), ("GET", "/config"), ("GET", "/licenses"), ("DELETE", "")):
            assert told(maker.ask(method, wrong, path, ONLINE)) == (401, "Not authorized")
    unknown = {**device, "id": "00000000-0000-0000-0000-000000000000"}
    assert told(maker.ask("POST", unknown, "/telemetry", ONLINE)) == (401, "Not authorized")


def test_a_deleted_device_is_refused_everywhere_and_may_register_again(maker: Maker) -> None:
    for who in ("device", "partner", "rehearsal"):
        device = maker.device()
        if who == "device":
            reply = maker.ask("DELETE", device)
        elif who == "partner":
            reply = maker.partner("DELETE", f"/{device['id']}")
        else:
            reply = maker.http.delete(f"/rehearsal/xyte/devices/{device['id']}")
        assert reply.status_code == 200
        for method, path in (("GET", ""), ("POST", "/telemetry"), ("GET", "/config"), ("DELETE", "")):
            assert told(maker.ask(method, device, path, ONLINE)) == (401, "Not authorized")
        assert told(maker.partner("GET", f"/{device['id']}")) == (404, "Device not found")
        again = maker.device(**{name: device[name] for name in ("sn", "mac", "cloud_id")})
        assert again["id"] != device["id"]
        assert again["access_key"] != device["access_key"]
        assert maker.ask("GET", again).status_code == 200


def test_configuration_by_model_api(maker: Maker) -> None:
    device = maker.device()
    maker.clouds.xyte.set_device(device["id"], config={"volume": 3})
    found = maker.ask("GET", device, "/config").json()
    assert (found["version"], found["config"], found["device_id"]) == (1, {"volume": 3}, device["id"])
    key = maker.clouds.xyte.create_key(maker.clouds.xyte.create_model("Older", api_version="1.0.4"))
    older = maker.device(hardware_key=key)
    maker.clouds.xyte.set_device(older["id"], config={"volume": 4})
    assert maker.ask("GET", older, "/config").json()["volume"] == 4


def test_licences(maker: Maker) -> None:
    device = maker.device()
    assert maker.ask("GET", device, "/licenses").json() == []
    maker.clouds.xyte.set_device(device["id"], licenses=[{"id": "L1", "data": "abc", "signature": "s"}])
    assert maker.ask("POST", device, "/telemetry", ONLINE).json()["new_licenses"] is True
    assert maker.ask("GET", device, "/licenses").json()[0]["device_id"] == device["id"]
    refused = maker.ask("POST", device, "/licenses", {"id": "L1", "state": "mine"})
    assert told(refused) == (403, "Only allowed to set: inuse/removed/error")
    assert told(maker.ask("POST", device, "/licenses", {"id": "L2", "state": "inuse"}))[0] == 404
    assert maker.ask("POST", device, "/licenses", {"id": "L1", "state": "inuse"}).status_code == 200
    assert maker.ask("POST", device, "/telemetry", ONLINE).json()["new_licenses"] is False


def test_ten_updates_an_hour(maker: Maker) -> None:
    device, parent = maker.device(), maker.device()
    assert told(maker.ask("PUT", device, body={"colour": "red"})) == (400, "Unknown fields")
    assert told(maker.ask("PUT", device, body={"firmware_version": None})) == (422, "Firmware version can't be blank")
    for parent_id in (device["id"], "no id"):
        assert told(maker.ask("PUT", device, body={"parent_id": parent_id})) == (422, "Parent must exist")
    changes = {
        "name": "new", "firmware_version": "1.5.0", "details": {"a": 1}, "space_version": 2, "parent_id": parent["id"],
    }  # fmt: skip
    found = maker.ask("PUT", device, body=changes).json()
    assert (found["name"], found["firmware_version"], found["details"]) == ("new", "1.5.0", {"a": 1})
    assert maker.clouds.xyte.device(device["id"])["parent"] == parent["id"]
    for _ in range(9):
        assert maker.ask("PUT", device, body={"name": "new"}).status_code == 200
    assert maker.ask("PUT", device, body={"name": "new"}).status_code == 429
    assert maker.ask("PUT", parent, body={"name": "new"}).status_code == 200


def test_the_makers_list(maker: Maker) -> None:
    devices = [maker.device() for _ in range(5)]
    listed, page = [], 1
    while page:
        reply = maker.partner("GET", f"?page={page}&per_page=3")
        assert reply.headers["x-rehearsal"] == "invented"
        listed += reply.json()["items"]
        page = reply.json()["next_page"]
    assert [one["id"] for one in listed][-5:] == [one["id"] for one in devices]
    assert listed[-1]["cloud_id"] == devices[-1]["cloud_id"]
    assert maker.partner("GET", "?page=999999").json()["items"] == []
    assert told(maker.partner("GET", "?page=0"))[0] == told(maker.partner("GET", "?per_page=x"))[0] == 422
    for headers in ({}, {"Authorization": "x"}, {"Authorization": f"Bearer {maker.clouds.xyte.partner_key}"}):
        for method, path in (("GET", ""), ("GET", f"/{devices[0]['id']}"), ("DELETE", f"/{devices[0]['id']}")):
            reply = maker.http.request(method, f"/core/v1/partner/devices{path}", headers=headers)
            assert told(reply) == (401, "Not authorized")
    assert maker.clouds.xyte.device(devices[0]["id"])


@pytest.mark.parametrize("fault", [CloudFault.LOST_REPLY, CloudFault.ERROR_AFTER_COMMIT])
def test_the_way_back_from_a_lost_reply(maker: Maker, fault: CloudFault) -> None:
    asked = maker.request()
    maker.clouds.faults.set(fault, path="/v1/devices")
    if fault is CloudFault.LOST_REPLY:
        with pytest.raises(httpx2.TransportError):
            maker.http.post("/v1/devices", json=asked)
    else:
        assert maker.http.post("/v1/devices", json=asked).status_code == 500
    assert told(maker.http.post("/v1/devices", json=asked)) == (422, "Cloud id has already been taken")
    (lost,) = [one for one in maker.clouds.xyte.devices() if one["sn"] == asked["sn"]]
    assert maker.partner("DELETE", f"/{lost['id']}").status_code == 200
    assert maker.http.post("/v1/devices", json=asked).status_code == 201


def test_nothing_secret_is_logged(
    maker: Maker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    device = maker.device()
    maker.ask("POST", device, "/telemetry", ONLINE)
    maker.refusal(sn=device["sn"])
    maker.partner("GET")
    out, err = capfd.readouterr()
    for secret in (device["access_key"], maker.key, maker.clouds.xyte.partner_key):
        assert secret not in caplog.text + out + err


def test_slow_and_wrong_clock(maker: Maker) -> None:
    maker.clouds.faults.set(CloudFault.SLOW)
    maker.clouds.faults.set(CloudFault.WRONG_CLOCK)
    begun = time.monotonic()
    reply = maker.register()
    assert time.monotonic() - begun >= 0.3
    assert email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp() > time.time() + 3000
    assert maker.clouds.xyte.device(reply.json()["id"])["created"] > time.time() + 3000
