"""Whatever is sent to any of Xyte's addresses: an answer that is meant, in JSON, no 500, no hang."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rehearsal.clouds.xyte.conftest import Device, Maker

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_NAMES = """hardware_key sn mac cloud_id firmware_version name details sub_model parent_id host_address model_id status
    telemetries override timestamp id state expected vendor authentication api_version claimed config licenses
    latest_firmware custom_partner_name"""
NAMES = tuple(_NAMES.split())
CONTROLS = ("claimed", "config", "licenses", "latest_firmware")
texts = st.text(max_size=30) | st.sampled_from(["\ud800", "a\x00b", "1.0.0", "02:00:00:00:00:01", "online", "1.0.7"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    leaves, lambda deep: st.lists(deep, max_size=3) | st.dictionaries(texts, deep, max_size=3), max_leaves=6
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
bodies = st.one_of(
    st.binary(max_size=200), values.map(json.dumps).map(str.encode), documents.map(json.dumps).map(str.encode)
)
segments = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#%/"), min_size=1, max_size=30
)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
JSON = {"Content-Type": "application/json"}


def _asked(maker: Maker, method: str, path: str, body: bytes, key: str = "") -> Any:
    headers = {**JSON, "Authorization": key} if key else JSON
    reply = maker.http.request(method, path, content=body, headers=headers)
    assert reply.status_code < 500, (method, path, body, reply.text)
    document = json.loads(reply.content, parse_constant=lambda name: 1 / 0)
    if reply.status_code >= 400 and "telemetries" not in path:
        assert "error" in document or "reason" in document, (method, path, document)
    return reply.status_code


@quick
@given(changes=documents, bulk=st.booleans())
def test_registrations(maker: Maker, changes: Device, bulk: bool) -> None:
    asked = {**maker.request(), **changes, "hardware_key": maker.key}
    body = json.dumps([asked] if bulk else asked).encode()
    _asked(maker, "POST", "/v1/devices/bulk_create" if bulk else "/v1/devices", body)


@quick
@given(
    method=st.sampled_from(METHODS), body=bodies,
    path=st.sampled_from(
        ["", "/telemetry", "/config", "/licenses", "/children", "/children/telemetries", "/children/x", "/none"]
    ),
)  # fmt: skip
def test_the_hub(maker: Maker, method: str, body: bytes, path: str) -> None:
    device = maker.device()
    _asked(maker, method, f"/v1/devices/{device['id']}{path}", body, device["access_key"])


@quick
@given(changes=documents, name=texts, message=values)
def test_telemetry(maker: Maker, changes: Device, name: str, message: object) -> None:
    parent = maker.device()
    body = json.dumps({"status": "online", "telemetries": {name: message}, **changes}).encode()
    _asked(maker, "POST", f"/v1/devices/{parent['id']}/telemetry", body, parent["access_key"])
    assert maker.ask("GET", parent).status_code == 200
    child = {"model_id": maker.model, "firmware_version": "1.0.0", **changes}
    _asked(maker, "POST", f"/v1/devices/{parent['id']}/children", json.dumps(child).encode(), parent["access_key"])
    body = json.dumps(
        {name: message, **{one["id"]: message for one in maker.clouds.xyte.children(parent["id"])}}
    ).encode()
    _asked(maker, "POST", f"/v1/devices/{parent['id']}/children/telemetries", body, parent["access_key"])


@quick
@given(
    method=st.sampled_from(METHODS), first=segments, second=segments, body=bodies,
    place=st.sampled_from(
        [
            "/v1/{0}", "/v1/devices/{0}", "/v1/devices/{0}/{1}", "/v1/devices/{0}/children/{1}",
            "/core/v1/partner/devices/{0}", "/core/v1/partner/devices?page={0}&per_page={1}", "/core/v1/{0}/{1}",
            "/rehearsal/xyte/models/{0}/keys", "/rehearsal/xyte/keys/{0}", "/rehearsal/xyte/devices/{0}",
            "/rehearsal/xyte/models",
        ]
    ),
)  # fmt: skip
def test_paths(maker: Maker, method: str, first: str, second: str, body: bytes, place: str) -> None:
    _asked(maker, method, place.format(first, second), body, maker.clouds.xyte.partner_key)


@quick
@given(changes=documents)
def test_controls_and_the_page_with_what_they_left(maker: Maker, changes: Device) -> None:
    device = maker.device()
    body = json.dumps({name: changes[name] for name in changes if name in CONTROLS}).encode()
    _asked(maker, "PATCH", f"/rehearsal/xyte/devices/{device['id']}", body)
    _asked(maker, "POST", f"/rehearsal/xyte/models/{maker.model}/keys", json.dumps(changes).encode())
    _asked(maker, "POST", "/rehearsal/xyte/models", json.dumps({"name": "any", **changes}).encode())
    _asked(maker, "GET", "/rehearsal/xyte/devices", b"")
    _asked(maker, "GET", f"/v1/devices/{device['id']}", b"", device["access_key"])
    _asked(
        maker,
        "POST",
        f"/v1/devices/{device['id']}/telemetry",
        b'{"status":"online","telemetries":{}}',
        device["access_key"],
    )
    assert maker.http.get("/").status_code == 200
