"""The client against the simulated cloud, and against a server that answers what no cloud should."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.clouds.errors import (
    CloudError,
    CloudRefused,
    CloudReplyDamaged,
    CloudReplyLost,
    CloudThrottled,
    CloudUnreachable,
)
from factory.clouds.remoteit.account import RemoteItAccount
from factory.clouds.remoteit.connection import Mode, connection_of
from factory.clouds.remoteit.credentials import Credentials
from factory.clouds.remoteit.devices import page_of
from factory.clouds.remoteit.reasons import advice
from factory.errors import Exit, UsageError
from factory.rehearsal.clouds.faults import CloudFault
from factory.secrets import Secret
from tests.clouds.rawserver import RawServer, Talk, cut, http, raw_server
from tests.clouds.remoteit.conftest import World

CONNECT, STOP, GRAPHQL = "/device/connect", "/device/connect/stop", "/graphql/v1"
WRONG = base64.b64encode(b"not the secret of this account").decode()


def count(world: World, route: str) -> int:
    return sum(number for name, number in world.clouds.counters().items() if name == f"POST {route}")


def test_whoami(world: World) -> None:
    for with_length in (True, False):
        with world.account(with_length=with_length) as account:
            person = account.whoami()
        assert person.email == world.clouds.account.email
        assert person.ahead is not None
        assert abs(person.ahead) < 30


@pytest.mark.parametrize("fault", [CloudFault.THROTTLED, CloudFault.HTML_ERROR])
def test_a_query_is_asked_again(world: World, fault: CloudFault) -> None:
    world.clouds.faults.set(fault, 2, GRAPHQL)
    with world.account() as account:
        assert account.whoami().email == world.clouds.account.email
    assert len(world.slept) == 2
    assert (min(world.slept) >= 1) == (fault is CloudFault.THROTTLED), "Retry-After: 1"


def test_a_cloud_that_stays_down_is_told(world: World) -> None:
    world.clouds.faults.set(CloudFault.HTML_ERROR, 50, GRAPHQL)
    with world.account() as account, pytest.raises(CloudReplyDamaged, match=r"HTTP 502 and a page of HTML"):
        account.whoami()
    world.clouds.faults.clear()
    world.clouds.faults.set(CloudFault.THROTTLED, 50, GRAPHQL)
    with world.account() as account, pytest.raises(CloudThrottled, match=r"asked 5 times") as caught:
        account.whoami()
    assert caught.value.exit_code is Exit.NOT_STARTED


def test_garbage_is_told(world: World) -> None:
    world.clouds.faults.set(CloudFault.GARBAGE, 1, GRAPHQL)
    with world.account() as account, pytest.raises(CloudReplyDamaged, match=r"HTTP 200 and no JSON"):
        account.whoami()


def test_a_slow_cloud_is_not_waited_for_for_ever(world: World) -> None:
    world.clouds.faults.set(CloudFault.SLOW, 1, GRAPHQL)
    with world.account(timeout=0.5) as account:
        assert account.whoami().email
    assert len(world.slept) == 1


def test_a_wrong_key(world: World) -> None:
    for changed in (replace(world.credentials, secret=Secret(WRONG)), replace(world.credentials, key_id="OTHERKEY")):
        with world.account(changed) as account, pytest.raises(CloudRefused, match=r"signature|access key") as caught:
            account.whoami()
        assert (caught.value.code, caught.value.status, caught.value.exit_code) == ("remoteit.unauthorized", 401, 2)
        assert "still active in the portal" in caught.value.hint
        assert caught.value.hint.startswith(("The secret is not this access key's", "The cloud does not know this"))
    assert world.slept == []


def test_a_clock_that_is_off_is_named(world: World) -> None:
    world.clouds.faults.set(CloudFault.WRONG_CLOCK, 1, GRAPHQL)
    with world.account() as account, pytest.raises(CloudRefused, match=r"clock is 3[56]\d\d s behind") as caught:
        account.whoami()
    assert (caught.value.code, caught.value.exit_code) == ("remoteit.clock", Exit.USAGE)
    assert "timedatectl" in caught.value.hint


def test_a_key_without_developer_key_cannot_connect(world: World) -> None:
    with (
        world.account(replace(world.credentials, developer_key=None)) as account,
        pytest.raises(UsageError, match=r"has no R3_DEVELOPER_API_KEY"),
    ):
        account.connect("80:00:00:00:00:00:00:91", Mode.LATCHING)
    with world.account(replace(world.credentials, developer_key=Secret("other"))) as account:
        with pytest.raises(CloudRefused, match=r"missing api token") as caught:
            account.connect("80:00:00:00:00:00:00:91", Mode.LATCHING)
        assert "R3_DEVELOPER_API_KEY" in caught.value.hint


def test_devices(world: World) -> None:
    first, second = world.new_ids(2)
    code = world.publish(first, second)
    world.boot(code, first)
    world.clouds.remoteit.set_unit(first, cloned=True)
    with world.account() as account:
        found = {device.hardware_id: device for device in account.devices().devices}
        assert [one.hardware_id for one in account.devices(state="active").devices if one.hardware_id == first] == [
            first
        ]
        assert second not in {one.hardware_id for one in account.devices(state="active").devices}
        assert [one.hardware_id for one in account.devices(name=f"UNIT {second}").devices] == [second]
    assert found[first].online
    assert found[first].cloned
    assert [(one.name, one.port, one.enabled) for one in found[first].services] == [
        ("ssh", 22, True),
        ("web", 80, True),
    ]
    assert not found[second].online
    assert found[second].last_reported == ""
    created = found[second].created
    assert created is not None
    assert abs((datetime.now(UTC) - created).total_seconds()) < 600


def test_devices_come_by_pages_of_a_thousand(world: World) -> None:
    ids = world.new_ids(2100)
    for start in range(0, len(ids), 1000):
        world.publish(*ids[start : start + 1000])
    before = count(world, GRAPHQL)
    with world.account() as account:
        listing = account.devices()
    assert listing.whole
    assert {one.hardware_id for one in listing.devices} >= set(ids)
    assert count(world, GRAPHQL) - before == 3


def test_an_organization_is_asked_by_its_id(world: World) -> None:
    guid = world.clouds.query("SELECT guid FROM account")[0]["guid"]
    with world.account(account=guid) as account:
        assert account.devices().whole
    with world.account(account="none") as account, pytest.raises(CloudRefused, match=r"no such account"):
        account.devices()


@pytest.fixture
def service(world: World) -> str:
    (unit,) = world.new_ids(1)
    world.boot(world.publish(unit), unit)
    with world.account() as account:
        return account.devices(hardware_id=unit).devices[0].services[0].id


def test_connect_and_stop(world: World, service: str) -> None:
    with world.account() as account:
        for mode, ip in ((Mode.LATCHING, None), (Mode.PUBLIC, None), (Mode.RESTRICTED, "127.0.0.1")):
            opened = account.connect(service, mode, ip=ip)
            assert (opened.service_id, opened.seconds, opened.proxy.reverse) == (service, 600, False)
            account.stop(service, opened.id)
        with pytest.raises(CloudRefused, match=r"no such connection") as caught:
            account.stop(service, opened.id)
    assert "ended already" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "reason", "hint"),
    [
        ("80:00:00:00:00:00:00:01", r"\[0806\] device not found", "Has the unit registered?"),
        ("80:00", "bad device address", "looks like 80:00"),
    ],
)
def test_refusals_say_what_to_do(world: World, address: str, reason: str, hint: str) -> None:
    with world.account() as account, pytest.raises(CloudRefused, match=reason) as caught:
        account.connect(address, Mode.LATCHING)
    assert hint in caught.value.hint
    assert (caught.value.status, caught.value.exit_code) == (200, Exit.FAILED)


def test_a_unit_that_is_offline(world: World, service: str) -> None:
    unit = world.clouds.query("SELECT hardware_id FROM remoteit_services WHERE uid = ?", service)[0]["hardware_id"]
    world.clouds.remoteit.set_unit(unit, online=False)
    with world.account() as account, pytest.raises(CloudRefused, match=r"offline") as caught:
        account.connect(service, Mode.LATCHING)
    assert "switched on" in caught.value.hint


@pytest.mark.parametrize("fault", [CloudFault.LOST_REPLY, CloudFault.ERROR_AFTER_COMMIT])
def test_connect_is_never_asked_twice(world: World, service: str, fault: CloudFault) -> None:
    before = count(world, f"/apv/v27{CONNECT}")
    world.clouds.faults.set(fault, 1, CONNECT)
    with world.account() as account, pytest.raises(CloudError) as caught:
        account.connect(service, Mode.LATCHING)
    assert caught.value.sent
    if fault is CloudFault.LOST_REPLY:
        assert "A connection may be open" in caught.value.hint
    assert count(world, f"/apv/v27{CONNECT}") - before == 1


def test_connect_waits_where_the_cloud_says_so(world: World, service: str) -> None:
    world.clouds.faults.set(CloudFault.THROTTLED, 1, CONNECT)
    with world.account() as account:
        opened = account.connect(service, Mode.LATCHING)
        account.stop(service, opened.id)
    assert len(world.slept) == 1


@pytest.mark.parametrize("fault", [CloudFault.LOST_REPLY, CloudFault.ERROR_AFTER_COMMIT])
def test_stop_is_asked_again_and_what_was_ended_is_ended(world: World, service: str, fault: CloudFault) -> None:
    with world.account() as account:
        opened = account.connect(service, Mode.LATCHING)
        world.clouds.faults.set(fault, 1, STOP)
        account.stop(service, opened.id)
    assert len(world.slept) == 1


def test_a_host_that_is_not_there(world: World) -> None:
    with world.account(server="https://127.0.0.1:1") as account, pytest.raises(CloudUnreachable):
        account.whoami()
    assert len(world.slept) == 4


# --- a server that answers what no cloud should ---

CREDENTIALS = Credentials("KEYID", Secret(base64.b64encode(b"x" * 30).decode()), Secret("DEVELOPERKEY"), "a test")
SERVICE = "80:00:00:00:00:00:00:91"
GOOD: dict[str, Any] = {
    "status": "true",
    "connectionid": "C1",
    "connection": {"deviceaddress": SERVICE, "expirationsec": "28797", "proxy": "https://xppoobalo.p18.rt3.io"},
}


@contextmanager
def against(folder: Path, *answers: bytes | Talk) -> Iterator[tuple[RemoteItAccount, RawServer]]:
    with (
        raw_server(folder, *answers) as server,
        RemoteItAccount.open(CREDENTIALS, server=server.url, ca=server.ca, sleep=lambda _: None) as account,
    ):
        yield account, server


def ok(document: object) -> bytes:
    return http("200 OK", json.dumps(document).encode())


def page(*items: object, more: bool = False, last: object = None, total: object = 1) -> bytes:
    listed = {"items": list(items), "hasMore": more, "last": last, "total": total}
    return ok({"data": {"login": {"devices": listed}}})


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (ok([]), "no JSON object"),
        (ok({}), "data is no object"),
        (ok({"data": None}), "data is no object"),
        (ok({"data": {"login": None}}), "login is no object"),
        (ok({"data": {"login": {"devices": []}}}), "devices is no object"),
        (page(total=None), "total is missing"),
        (page(total="many"), "total is no whole number"),
        (page(total=True), "total is no whole number"),
        (page("a"), "items is no list of objects"),
        (page({"id": None}), "id is missing"),
        (page({"id": 5}), "id is no text"),
        (page({"id": "a", "name": "\ud800"}), "name holds half a character"),
        (page({"id": "a", "created": "yesterday"}), "created is no time: yesterday"),
        (page({"id": "a", "online": "yes"}), "online is neither true nor false"),
        (page({"id": "a", "endpoint": 1}), "endpoint is no object"),
        (page({"id": "a", "endpoint": {"cloned": "no"}}), "cloned is neither true nor false"),
        (page({"id": "a", "services": [{"id": "s", "port": "x"}]}), "port is no whole number: x"),
        (page(more=True, last=None), "last is missing"),
        (page(more=True, last="a"), "the pages of devices do not end"),
        (page({"id": "a"}, more=True, last="a"), "the pages of devices do not end"),
    ],
)
def test_devices_that_are_not_as_documented(certificate_folder: Path, answer: bytes, what: str) -> None:
    with against(certificate_folder, answer) as (account, _), pytest.raises(CloudReplyDamaged, match=what):
        account.devices()


def test_a_device_with_the_least(certificate_folder: Path) -> None:
    with against(certificate_folder, page({"id": "a", "state": "active"})) as (account, _):
        (device,) = account.devices().devices
    assert (device.online, device.cloned, device.services, device.hardware_id) == (True, False, (), "")


def test_pages_that_overlap_count_once(certificate_folder: Path) -> None:
    pages = (page({"id": "a"}, more=True, last="a", total=3), page({"id": "a"}, {"id": "b"}, total=3))
    with against(certificate_folder, *pages) as (account, server):
        listing = account.devices()
    assert ([one.id for one in listing.devices], listing.whole) == (["a", "b"], False)
    assert b'"after": "a"' in server.requests[1]
    assert b"state" not in server.requests[0].partition(b"items")[0], "what is not asked for is not mentioned"


@pytest.mark.parametrize("document", [{"errors": [{"message": "no"}]}, {"errors": [{"message": "no"}], "data": {}}])
def test_200_with_errors_is_an_error(certificate_folder: Path, document: object) -> None:
    with (
        against(certificate_folder, ok(document)) as (account, _),
        pytest.raises(CloudRefused, match=r"(?m)refused: no$"),
    ):
        account.whoami()


@pytest.mark.parametrize("errors", [{"a": 1}, ["text"], "text", [{}], [{"message": None}]])
def test_errors_of_any_shape_are_errors(certificate_folder: Path, errors: object) -> None:
    with against(certificate_folder, ok({"errors": errors, "data": {}})) as (account, _), pytest.raises(CloudRefused):
        account.whoami()


@pytest.mark.parametrize("status", [False, "false", None, 1, "yes"])
def test_200_with_a_status_that_is_not_true_is_an_error(certificate_folder: Path, status: object) -> None:
    with (
        against(certificate_folder, ok(GOOD | {"status": status, "reason": "[0861] x"})) as (account, _),
        pytest.raises(CloudRefused, match=r"\[0861\] x") as caught,
    ):
        account.connect(SERVICE, Mode.LATCHING)
    assert "DEVICE/SERVICE" in caught.value.hint


def test_a_refusal_without_a_body(certificate_folder: Path) -> None:
    for answer in (http("401 No", b"<html>"), http("401 No"), http("403 No", b"{}")):
        with (
            against(certificate_folder, answer) as (account, _),
            pytest.raises(CloudRefused, match=r"without a reason") as caught,
        ):
            account.whoami()
        assert caught.value.code == "remoteit.unauthorized"
        assert caught.value.hint.startswith("Is the access key of")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ITEM = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "name", "hardwareId", "state", "online", "services", "endpoint"), JSON)
)
LISTED = st.fixed_dictionaries(
    {}, optional={"items": st.lists(ITEM, max_size=3) | JSON, "hasMore": JSON, "last": JSON, "total": JSON}
)
CONNECTION = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("deviceaddress", "expirationsec", "proxy", "connectionid"), JSON)
)


@given(LISTED)
def test_any_page_is_read_or_damaged(listed: dict[str, Any]) -> None:
    with contextlib.suppress(CloudReplyDamaged):
        page_of({"login": {"devices": listed}}, None)


@given(st.fixed_dictionaries({}, optional={"connection": CONNECTION | JSON, "connectionid": JSON}))
def test_any_connection_is_read_or_damaged(answer: dict[str, Any]) -> None:
    with contextlib.suppress(CloudReplyDamaged):
        assert connection_of(answer, SERVICE).id


def test_both_forms_of_proxy(certificate_folder: Path) -> None:
    with against(certificate_folder, ok(GOOD)) as (account, server):
        opened = account.connect(SERVICE, Mode.PUBLIC)
        request = server.requests[0]
    assert (opened.id, opened.seconds, str(opened.proxy)) == ("C1", 28797, "https://xppoobalo.p18.rt3.io")
    assert opened.proxy.reverse
    assert b"POST /apv/v27/device/connect HTTP/1.1" in request
    assert b"developerkey: DEVELOPERKEY" in request
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {
        "deviceaddress": SERVICE, "wait": "true", "hostip": "0.0.0.0",
    }  # fmt: skip
    port = GOOD | {"connection": GOOD["connection"] | {"proxy": "http://proxy18.rt3.io:38575"}}
    with against(certificate_folder, ok(port)) as (account, _):
        proxy = account.connect(SERVICE, Mode.LATCHING).proxy
    assert (proxy.host, proxy.port, proxy.reverse) == ("proxy18.rt3.io", 38575, False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"proxy": "http://proxy18.rt3.io"}, "neither https"),
        ({"proxy": "ftp://a:1"}, "neither https"),
        ({"proxy": "https://a b:1x"}, "no address"),
        ({"proxy": "https://u@host"}, "no address"),
        ({"proxy": None}, "proxy is missing"),
        ({"expirationsec": "soon"}, "expirationsec is no whole number"),
        ({"deviceaddress": "80:00:00:00:00:00:00:92"}, "another service"),
    ],
)
def test_a_connection_that_cannot_be_used_is_ended(
    certificate_folder: Path, change: dict[str, object], what: str
) -> None:
    answer = GOOD | {"connection": GOOD["connection"] | change}
    with against(certificate_folder, ok(answer), ok({"status": "true"})) as (account, server):
        with pytest.raises(CloudReplyDamaged, match=what):
            account.connect(SERVICE, Mode.LATCHING)
        assert b"/apv/v27/device/connect/stop" in server.requests[1]
        assert json.loads(server.requests[1].partition(b"\r\n\r\n")[2]) == {
            "deviceaddress": SERVICE, "connectionid": "C1",
        }  # fmt: skip
    with against(certificate_folder, ok(answer), http("500 No")) as (account, _):
        with pytest.raises(CloudReplyDamaged, match=what) as caught:
            account.connect(SERVICE, Mode.LATCHING)
        assert "Connection C1 may still be open" in caught.value.hint


def test_a_connection_without_an_id(certificate_folder: Path) -> None:
    answer = {"status": "true", "connection": GOOD["connection"]}
    with (
        against(certificate_folder, ok(answer)) as (account, _),
        pytest.raises(CloudReplyDamaged, match=r"connectionid is missing"),
    ):
        account.connect(SERVICE, Mode.LATCHING)


def test_modes_and_addresses() -> None:
    from factory.clouds.remoteit.connection import host_ip

    assert host_ip(Mode.RESTRICTED, "203.0.113.7") == "203.0.113.7"
    for mode, ip in (
        (Mode.RESTRICTED, None), (Mode.RESTRICTED, "0.0.0.0"), (Mode.RESTRICTED, "255.255.255.255"),
        (Mode.RESTRICTED, "here"), (Mode.LATCHING, "203.0.113.7"), (Mode.PUBLIC, "203.0.113.7"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            host_ip(mode, ip)
        assert caught.value.code == "remoteit.ip"


@pytest.mark.parametrize(
    "ask", [RemoteItAccount.whoami, RemoteItAccount.devices, lambda account: account.connect(SERVICE, Mode.LATCHING)]
)
@pytest.mark.parametrize("status", ["200 OK", "401 No", "500 No"])
def test_no_secret_in_errors_and_logs(
    certificate_folder: Path, ask: Callable[[RemoteItAccount], object], status: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = CREDENTIALS.values()
    echo = " and ".join(secrets)
    body = json.dumps({"status": "false", "reason": f"bad token {echo}", "errors": [{"message": echo}]}).encode()
    with against(certificate_folder, http(status, body)) as (account, _):
        with pytest.raises(CloudRefused) as caught:
            ask(account)
        shown = f"{caught.value!s} {caught.value!r} {caught.value.reason} {account!r} {caplog.text}"
    assert "[secret]" in shown
    for secret in secrets:
        assert secret not in shown


def test_a_lost_reply_of_a_query_is_asked_again(certificate_folder: Path) -> None:
    who = ok({"data": {"login": {"id": "1", "email": "a@b"}}})
    with against(certificate_folder, cut, cut, who) as (account, server):
        assert account.whoami().email == "a@b"
        dates = {line for request in server.requests for line in request.split(b"\r\n") if line.startswith(b"Date")}
    assert len(server.requests) == 3
    assert dates
    with against(certificate_folder, cut) as (account, server), pytest.raises(CloudReplyLost) as caught:
        account.connect(SERVICE, Mode.LATCHING)
    assert len(server.requests) == 1
    assert caught.value.sent


def test_what_each_reason_asks_for() -> None:
    for reason in ("[0102] The username", "[0806] x", "[0807] x", "[0861] x", "Bad device address", "missing api token",
                   "missing user", "no matching bulk project", "the device is offline"):  # fmt: skip
        assert advice(reason) != advice("something new"), reason
