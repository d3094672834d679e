"""Registration over real HTTPS: every documented answer has its verdict, and whatever else comes is never a success."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.clouds.errors import CloudError, CloudThrottled, CloudUnreachable
from factory.clouds.xyte.device import DeviceKey
from factory.clouds.xyte.entry import BULK_LIMIT, Entry
from factory.clouds.xyte.verdicts import OutcomeUnknown, XyteRefused
from factory.rehearsal.clouds.faults import CloudFault
from factory.secrets import Secret
from tests.clouds.rawserver import Talk, cut, http, raw_server
from tests.clouds.xyte.conftest import World, request

GOOD = b'{"id":"d-1","access_key":"0123456789abcdef0123456789abcdef","hub_url":"https://hub"}'
KEY = Secret("5b6a2f3c-0d1e-4f2a-9b8c-7d6e5f4a3b2c")


def asked(folder: Path, *answers: bytes | Talk, tries: list[float] | None = None) -> tuple[DeviceKey | CloudError, int]:
    slept: list[float] = [] if tries is None else tries
    with raw_server(folder, *answers) as server:
        with Entry(server.url, KEY, ca=server.ca, timeout=3, sleep=slept.append) as entry:
            try:
                found: DeviceKey | CloudError = entry.register(request())
            except CloudError as error:
                found = error
                assert KEY.reveal() not in str(error)
        return found, len(server.requests)


def test_both_methods(world: World) -> None:
    key = world.clouds.xyte.create_key(world.clouds.xyte.create_model("by mac", "mac-sn"))
    bare = {name: value for name, value in request(2).items() if name != "cloud_id"}
    with world.entry() as entry, world.entry(key=Secret(key)) as by_mac:
        first, second = entry.register(request(1, details={"lot": "L"}, sub_model="10in")), by_mac.register(bare)
    found = world.clouds.xyte.device(first.id)
    assert (found["sn"], found["details"], found["sub_model"]) == ("SN1", {"lot": "L"}, "10in")
    assert found["name"] == "Panel 1" and first.hub_url.startswith("https://") and "mqtt_hub_url" in first.hubs
    assert world.clouds.xyte.device(second.id)["cloud_id"] is None
    for made in (first, second):
        assert made.access_key.reveal() not in repr(made)
        assert world.clouds.xyte.holder(made.id, made.access_key.reveal())[0]


def test_a_smart_child_names_its_parent(world: World) -> None:
    with world.entry() as entry:
        parent = entry.register(request(1))
        child = entry.register(request(2, parent_id=parent.id))
        with pytest.raises(XyteRefused) as caught:
            entry.register(request(3, parent_id="00000000-0000-4000-8000-000000000000"))
    assert world.clouds.xyte.device(child.id)["parent"] == parent.id
    assert caught.value.code == "xyte.data"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (http("400 Bad", b'{"error":"Hardware key is invalid"}'), "xyte.hardware-key", "The line stops"),
        (http("422 No", b'{"error":"Cloud id has already been taken"}'), "xyte.taken", "quarantine"),
        (http("422 No", b'{"error":"Sn has already been taken"}'), "xyte.taken", "quarantine"),
        (http("422 No", b'{"error":"Nano has already been taken"}'), "xyte.taken", "quarantine"),
        (http("422 No", b'{"error":"Firmware version can\'t be blank"}'), "xyte.data", "product.toml"),
        (http("401 No", b'{"error":"Not authorized"}'), "xyte.not-authorized", "deleted"),
        (http("403 No", b'{"error":"Only allowed"}'), "xyte.refused", "look at the words"),
        (http("404 No", b"<html>gone</html>"), "xyte.refused", "look at the words"),
    ],
)
def test_a_clear_no(tmp_path: Path, answer: bytes, code: str, words: str) -> None:
    found, count = asked(tmp_path, answer)
    assert isinstance(found, XyteRefused) and (found.code, count) == (code, 1)
    assert words in found.hint


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", b"{}"),
        http("200 OK", b'{"error":"something","id":null}'),
        http("201 Made", b'{"id":"null","access_key":"abc"}'),
        http("201 Made", b'{"id":"d-1"}'),
        http("201 Made", b'{"id":"d-1","access_key":"with blank"}'),
        http("200 OK", b"<html>Welcome to the hotel</html>", Content_Type="text/html"),
        http("200 OK", b"[1,2]"),
        http("302 Found", Location="https://elsewhere"),
        http("201 Made", b'{"id":"d-1","id":"d-2","access_key":"hush-hush"}'),
        http("408 Request Timeout", b"<html>late</html>"),
        http("201 Made", b'{"id":"d-1","access_key":"\\ud800"}'),
    ],
)
def test_what_is_neither_yes_nor_no_is_unknown_and_asked_once(tmp_path: Path, answer: bytes) -> None:
    found, count = asked(tmp_path, answer)
    assert isinstance(found, OutcomeUnknown) and count == 1 and "resolve" in found.hint
    assert "hush" not in found.message


@pytest.mark.parametrize(
    "first", [http("500 Oops", b"<html>"), http("502 Bad"), cut, b"HTTP/1.1 201 OK\r\nContent-Len"]
)
def test_one_more_try_after_a_fault_and_then_what_came(tmp_path: Path, first: bytes | Talk) -> None:
    found, count = asked(tmp_path, first, http("201 Made", GOOD))
    assert isinstance(found, DeviceKey) and (found.id, count) == ("d-1", 2)


@pytest.mark.parametrize(
    "second", [http("422 No", b'{"error":"Sn has already been taken"}'), http("503 Oops"), cut, http("400 Bad", b"{}")]
)
def test_after_a_fault_a_no_proves_nothing(tmp_path: Path, second: bytes | Talk) -> None:
    found, count = asked(tmp_path, cut, second)
    assert isinstance(found, OutcomeUnknown) and count == 2


def test_too_many_requests_are_waited_for(tmp_path: Path) -> None:
    slept: list[float] = []
    found, count = asked(tmp_path, http("429 Slow", Retry_After="3"), http("201 Made", GOOD), tries=slept)
    assert isinstance(found, DeviceKey) and count == 2 and slept[0] >= 3
    found, _ = asked(tmp_path, http("429 Slow"))
    assert isinstance(found, CloudThrottled)


def test_nobody_there(tmp_path: Path) -> None:
    with Entry("https://127.0.0.1:1", KEY, sleep=lambda _: None) as entry, pytest.raises(CloudUnreachable):
        entry.register(request())


def test_children(world: World, tmp_path: Path) -> None:
    model = world.clouds.xyte.create_model("sensor")
    child = {"model_id": model, "sn": "C1", "firmware_version": "1.0.0"}
    with world.entry() as entry:
        parent = entry.register(request(1))
        made = entry.register_child(parent.id, parent.access_key, child)
        assert [one["id"] for one in world.clouds.xyte.children(parent.id)] == [made.id]
        for key, change, code in (
            (Secret("f" * 32), {}, "xyte.not-authorized"),
            (parent.access_key, {"model_id": parent.id}, "xyte.model"),
        ):
            with pytest.raises(XyteRefused) as caught:
                entry.register_child(parent.id, key, {**child, **change})
            assert caught.value.code == code and key.reveal() not in str(caught.value)
    with raw_server(tmp_path, cut) as server, Entry(server.url, KEY, ca=server.ca, sleep=lambda _: None) as entry:
        with pytest.raises(OutcomeUnknown):
            entry.register_child("p", parent.access_key, child)
        assert len(server.requests) == 1, "a second try would make a second child"


def test_bulk(world: World) -> None:
    with world.entry() as entry:
        keys = entry.register_bulk([request(number) for number in (1, 2)])
        assert [isinstance(one, DeviceKey) for one in keys] == [True, True]
        world.clouds.faults.set(CloudFault.HALF_REJECTED, count=1, path="bulk_create")
        mixed = entry.register_bulk([request(number) for number in (3, 4)])
        assert isinstance(mixed[0], DeviceKey) and isinstance(mixed[1], OutcomeUnknown)
        with pytest.raises(ValueError, match=str(BULK_LIMIT)):
            entry.register_bulk([request(number) for number in range(BULK_LIMIT + 1)])


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'[{"id":"a","access_key":"b"}]', b'[{"sn":"SN2","id":"a","access_key":"b"}]']
)
def test_a_bulk_reply_that_does_not_say_which_is_which(tmp_path: Path, body: bytes) -> None:
    with raw_server(tmp_path, http("200 OK", body)) as server, Entry(server.url, KEY, ca=server.ca) as entry:
        (found,) = entry.register_bulk([request(1)])
    assert isinstance(found, OutcomeUnknown)
