"""Registration: the documented replies, the documented refusals, what is unique, keys with counts, bulk, children."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.messages import RefusedError
from factory.rehearsal.clouds.server import SimulatedClouds
from tests.rehearsal.clouds.xyte.conftest import Maker, told


def test_a_device_gets_its_id_and_its_key_once(maker: Maker) -> None:
    asked = maker.request(details={"lot": "2026-47"}, sub_model="Panel 10in")
    reply = maker.http.post("/v1/devices", json=asked)
    assert reply.status_code == 201
    made = reply.json()
    assert list(made) == ["id", "access_key", "hub_url", "hub_url_static_cert", "mqtt_hub_url"]
    assert re.fullmatch(r"[0-9a-f]{32}", made["access_key"])
    assert made["hub_url"] == maker.clouds.url.replace("127.0.0.1", "localhost")
    held = maker.clouds.xyte.device(made["id"])
    assert {name: held[name] for name in asked if name != "hardware_key"} == {
        name: value for name, value in asked.items() if name != "hardware_key"
    }
    state = (maker.clouds.folder / "state.sqlite").read_bytes() + (
        maker.clouds.folder / "state.sqlite-wal"
    ).read_bytes()
    assert made["id"].encode() in state
    assert made["access_key"].encode() not in state


def test_documented_refusals(maker: Maker) -> None:
    first = maker.device()
    assert maker.refusal(hardware_key="00000000-0000-0000-0000-000000000000") == (400, "Hardware key is invalid")
    assert maker.refusal(hardware_key=None) == (400, "Hardware key is invalid")
    assert maker.refusal(cloud_id=first["cloud_id"]) == (422, "Cloud id has already been taken")
    assert maker.refusal(sn=first["sn"]) == (422, "Sn has already been taken")
    assert maker.refusal(firmware_version=None) == (422, "Firmware version can't be blank")
    assert maker.refusal(firmware_version="  ") == (422, "Firmware version can't be blank")
    maker.clouds.faults.set(CloudFault.THROTTLED)
    throttled = maker.register()
    assert throttled.status_code == 429
    assert throttled.headers["retry-after"] == "1"
    maker.clouds.faults.set(CloudFault.HTML_ERROR)
    assert maker.register().text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sn": None}, "Sn can't be blank"),
        ({"cloud_id": None}, "Cloud id can't be blank"),
        ({"cloud_id": "AbCd" + "x" * 15}, "Cloud id is invalid"),
        ({"cloud_id": "AbCd" + "x" * 37}, "Cloud id is invalid"),
        ({"cloud_id": "Ab.d" + "x" * 20}, "Cloud id is invalid"),
        ({"mac": "020000000001"}, "Mac is invalid"),
        ({"mac": "02:00:00:00:00:0g"}, "Mac is invalid"),
        ({"firmware_version": "1.4"}, "Firmware version is invalid"),
        ({"firmware_version": "v1.4.0"}, "Firmware version is invalid"),
        ({"firmware_version": 1}, "Firmware version is invalid"),
        ({"details": "text"}, "Details is invalid"),
        ({"name": "a\nb"}, "Name is invalid"),
        ({"sn": "x" * 256}, "Sn is invalid"),
        ({"parent_id": "00000000-0000-0000-0000-000000000000"}, "Parent must exist"),
        ({"model_id": "x"}, "Unknown field: model_id"),
        ({"custom_model_name": "x"}, "Unknown field: custom_model_name"),
    ],
)
def test_refusals_in_words_of_its_own(maker: Maker, changes: dict[str, object], text: str) -> None:
    assert maker.refusal(**changes) == (422, text)


def test_what_is_unique(maker: Maker) -> None:
    first = maker.device()
    other = maker.clouds.xyte.create_key(maker.clouds.xyte.create_model("Other panel"))
    # Cloud ids: among all models, letter by letter. Serial numbers: within a model. MAC and serial number: everywhere.
    assert maker.refusal(hardware_key=other, cloud_id=first["cloud_id"]) == (422, "Cloud id has already been taken")
    assert maker.register(cloud_id=first["cloud_id"].replace("A", "a")).status_code == 201
    assert maker.register(hardware_key=other, sn=first["sn"]).status_code == 201
    again = {"hardware_key": other, "sn": maker.device()["sn"], "mac": "02:ff:00:00:00:0a"}
    assert maker.register(**again).status_code == 201
    third = maker.clouds.xyte.create_key(maker.clouds.xyte.create_model("Third panel"))
    again |= {"hardware_key": third, "mac": "02:FF:00:00:00:0A"}
    assert maker.refusal(**again) == (422, "Mac has already been taken")
    assert maker.register(mac=first["mac"]).status_code == 201


def test_a_second_key_of_a_model_guards_the_same_serial_numbers(maker: Maker) -> None:
    first = maker.device()
    second = maker.clouds.xyte.create_key(maker.model)
    assert maker.refusal(hardware_key=second, sn=first["sn"]) == (422, "Sn has already been taken")


def test_a_key_with_a_count_and_a_revoked_one(maker: Maker) -> None:
    key = maker.clouds.xyte.create_key(maker.model, expected=2)
    assert maker.refusal(hardware_key=key, firmware_version="x")[0] == 422  # takes nothing from the count
    for _ in range(2):
        device = maker.device(hardware_key=key)
    assert maker.refusal(hardware_key=key) == (400, "Hardware key is invalid")
    model = next(one for one in maker.clouds.xyte.models() if one["id"] == maker.model)
    assert next(one for one in model["keys"] if one["key"] == key)["used"] == 2
    open_key = maker.clouds.xyte.create_key(maker.model)
    maker.clouds.xyte.revoke_key(open_key)
    assert maker.refusal(hardware_key=open_key) == (400, "Hardware key is invalid")
    assert maker.ask("GET", device).status_code == 200
    with pytest.raises(RefusedError):
        maker.clouds.xyte.revoke_key("none")


def test_mac_and_serial_number_models(maker: Maker) -> None:
    model = maker.clouds.xyte.create_model("Sensor", "mac-sn")
    key = maker.clouds.xyte.create_key(model)
    assert maker.refusal(hardware_key=key, mac=None) == (422, "Mac can't be blank")
    assert maker.refusal(hardware_key=key, sn=None) == (422, "Sn can't be blank")
    assert maker.register(hardware_key=key, cloud_id=None).status_code == 201
    assert maker.register(hardware_key=key).status_code == 201


def test_older_model_apis(maker: Maker) -> None:
    key = maker.clouds.xyte.create_key(maker.clouds.xyte.create_model("Old panel", api_version="1.0.1"))
    reply = maker.register(hardware_key=key, sn=None, firmware_version="build 7")
    assert reply.status_code == 201
    assert list(reply.json()) == ["id", "access_key"]
    for version in ("1.0.0", "1.0.8", "2"):
        with pytest.raises(RefusedError):
            maker.clouds.xyte.create_model("No panel", api_version=version)


def test_a_short_code_begins_every_cloud_id(maker: Maker) -> None:
    maker.clouds.xyte.set_short_code("AbCd")
    try:
        assert maker.register().status_code == 201
        assert maker.refusal(cloud_id="ABCD" + "7" * 20) == (422, "Cloud id is invalid")
    finally:
        maker.clouds.xyte.set_short_code("")


def test_bodies_that_are_none(maker: Maker) -> None:
    def post(content: bytes, kind: str = "application/json") -> tuple[int, str]:
        return told(maker.http.post("/v1/devices", content=content, headers={"Content-Type": kind}))

    assert post(b"{}", "text/plain") == (415, "Content-Type must be application/json")
    assert post(b"{") == (400, "Invalid JSON")
    assert post(b'{"a": NaN}')[0] == post(b'{"a": 1e999}')[0] == post(b"[" * 60 + b"]" * 60)[0] == 400
    assert post(b"[]") == (400, "A JSON object is expected")
    assert post(b" " * 1_100_000)[0] == 413
    assert told(maker.http.get("/v1/nothing")) == told(maker.http.patch("/v1/devices")) == (404, "Not found")


def test_bulk_answers_item_by_item_and_says_that_it_is_invented(maker: Maker) -> None:
    items = [maker.request(custom_partner_name="P") for _ in range(25)]
    items[3]["sn"] = items[2]["sn"]
    items[4]["hardware_key"] = "x"
    reply = maker.http.post("/v1/devices/bulk_create", json=items)
    assert reply.headers["x-rehearsal"] == "invented"
    answers = reply.json()
    assert [one["sn"] for one in answers] == [one["sn"] for one in items]
    assert answers[3]["error"] == "Sn has already been taken"
    assert answers[4]["error"] == "Hardware key is invalid"
    made = [one for one in answers if "id" in one]
    assert len(made) == 23
    assert all(maker.clouds.xyte.device(one["id"])["sn"] == one["sn"] for one in made)
    assert told(maker.http.post("/v1/devices/bulk_create", json=[maker.request()] * 26))[0] == 422
    assert told(maker.http.post("/v1/devices/bulk_create", json=[]))[0] == 422
    assert told(maker.http.post("/v1/devices/bulk_create", json={}))[0] == 400


def test_half_of_a_bulk_refused(maker: Maker) -> None:
    maker.clouds.faults.set(CloudFault.HALF_REJECTED, path="/bulk_create")
    answers = maker.http.post("/v1/devices/bulk_create", json=[maker.request() for _ in range(4)]).json()
    assert ["id" in one for one in answers] == [True, False, True, False]


def test_children(maker: Maker) -> None:
    parent = maker.device()
    model = maker.clouds.xyte.create_model("Remote control")
    asked = {"model_id": model, "firmware_version": "0.1.0", "sn": "CHILD-1", "name": "left"}
    reply = maker.ask("POST", parent, "/children", asked)
    assert reply.status_code == 201
    child = reply.json()
    assert list(child) == ["id", "access_key"]
    assert maker.ask("POST", parent, "/children", asked).status_code == 201  # a child's serial number is not checked
    assert told(maker.ask("POST", {**parent, "access_key": "x"}, "/children", asked)) == (401, "Not authorized")
    unknown = maker.ask("POST", parent, "/children", {**asked, "model_id": parent["id"]})
    assert told(unknown) == (404, "Model not found")
    assert unknown.headers["content-type"].startswith("text/plain")
    assert told(maker.ask("POST", parent, "/children", {"model_id": model})) == (422, "Firmware version can't be blank")
    assert told(maker.ask("POST", child, "/children", asked)) == (422, "Parent must be a physical device")
    listed = maker.ask("GET", parent, "/children").json()
    assert [one["sn"] for one in listed] == ["CHILD-1", "CHILD-1"]
    assert listed[0]["model"] == "Remote control"
    good = {"status": "online", "telemetries": {"level": 3}}
    answered = maker.ask("POST", parent, "/children/telemetries", {child["id"]: good})
    assert answered.json()[child["id"]]["success"] is True
    mixed = maker.ask("POST", parent, "/children/telemetries", {child["id"]: {**good, "status": "error"}, "x": good})
    assert mixed.status_code == 422
    assert mixed.json() == {"x": {"error": "Device not found"}}
    assert maker.clouds.xyte.device(child["id"])["state"] == {"level": 3, "status": "online"}


def test_a_smart_child_names_its_parent(maker: Maker) -> None:
    parent = maker.device()
    child = maker.device(parent_id=parent["id"].upper())
    assert maker.clouds.xyte.device(child["id"])["parent"] == parent["id"]
    assert maker.ask("GET", parent, "/children").json() == []  # it has a link of its own


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with SimulatedClouds(tmp_path / "state") as clouds:
        first = Maker(clouds)
        kept, deleted = first.device(), first.device()
        first.partner("DELETE", f"/{deleted['id']}")
        for _ in range(10):
            first.ask("PUT", kept, body={"name": "renamed"})
        first.http.close()
        partner_key = clouds.xyte.partner_key
        files = {file.name: file.read_bytes() for file in clouds.folder.glob("xyte-*")}
    with SimulatedClouds(tmp_path / "state") as clouds:
        again = Maker(clouds)
        assert clouds.xyte.partner_key == partner_key
        assert {file.name: file.read_bytes() for file in clouds.folder.glob("xyte-*")} == files
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in clouds.folder.glob("xyte-*"))
        assert again.ask("GET", kept).json()["name"] == "renamed"
        assert again.ask("PUT", kept, body={"name": "x"}).status_code == 429
        assert again.ask("GET", deleted).status_code == 401
        assert again.refusal(cloud_id=kept["cloud_id"])[0] == 422
        assert again.refusal(hardware_key=first.key, sn=kept["sn"]) == (422, "Sn has already been taken")
        again.http.close()


def test_the_model_of_a_product_and_its_key_in_a_file(tmp_path: Path) -> None:
    with SimulatedClouds(tmp_path / "state") as clouds:
        file = clouds.folder / "xyte-hardware-key"
        practice = file.read_text()
        model = clouds.xyte.prepare("Gateway", "mac-sn", short_code="Zz9", expected=1)
        assert clouds.xyte.prepare("Gateway", "mac-sn", short_code=None, expected=5) == model
        clouds.xyte.write_keys(clouds.folder, model)
        assert file.read_text() != practice
        maker = Maker(clouds)
        key = file.read_text().strip()
        assert maker.register(hardware_key=key, cloud_id=None).status_code == 201
        assert maker.refusal(hardware_key=key, cloud_id=None) == (400, "Hardware key is invalid")
        summary = clouds.summary()["xyte"]
        assert (summary["hardware_key"], summary["short_code"]) == (str(file), "Zz9")
        assert key not in str(clouds.summary())
        maker.http.close()
        kept = file.read_text()
    with SimulatedClouds(tmp_path / "state") as clouds:
        assert file.read_text() == kept
        clouds.xyte.revoke_key(kept.strip())
        clouds.xyte.write_keys(clouds.folder)
        assert file.read_text() != kept
