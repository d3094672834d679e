"""The account side: signatures, GraphQL, REST, and connections that really forward."""

from __future__ import annotations

import contextlib
import email.utils
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings
from tests import programs
from tests.rehearsal.clouds.conftest import Talker

WHOAMI = b'{"query":"{login{email id}}"}'
LEAST = "(request-target) host date"
DEVICES = """query($after: ID, $size: Int, $state: String) {
  login { devices(size: $size, after: $after, state: $state) {
    total hasMore last
    items { id name hardwareId state online services { id name port title } endpoint { cloned } }
} } }"""


@pytest.mark.parametrize("headers", [None, LEAST, f"{LEAST} content-type", f"{LEAST} content-length"])
def test_the_client_chooses_what_it_signs(talker: Talker, headers: str | None) -> None:
    reply = talker.signed("POST", "/graphql/v1", WHOAMI, headers=headers)
    assert reply.json() == {"data": {"login": {"email": talker.clouds.account.email, "id": talker.clouds.account.guid}}}


def _reason(reply: httpx2.Response) -> str:
    assert reply.status_code == 401
    assert email.utils.parsedate_to_datetime(reply.headers["date"])
    assert reply.json()["status"] == "false"
    return str(reply.json()["reason"])


def test_what_is_not_the_accounts(talker: Talker) -> None:
    stale = email.utils.formatdate(time.time() - 900, usegmt=True)

    def asked(**changes: Any) -> str:
        return _reason(talker.signed("POST", "/graphql/v1", WHOAMI, **changes))

    assert "match" in asked(secret="QUFBQQ==")
    assert "stale" in asked(date=stale)
    assert "no HTTP date" in asked(date="yesterday")
    assert "not signed: date" in asked(headers="(request-target) host")
    assert "no Authorization" in _reason(talker.http.post("/graphql/v1", content=WHOAMI))
    for header in ("Bearer x", "Signature x", 'Signature keyId="me",signature="!"', 'Signature keyId="me'):
        _reason(talker.http.post("/graphql/v1", content=WHOAMI, headers={"authorization": header}))


def test_a_changed_body_is_seen_where_it_is_signed(talker: Talker) -> None:
    longer = talker.signed("POST", "/graphql/v1", WHOAMI, sent_body=WHOAMI + b" ")
    assert "match" in _reason(longer)
    digest = {"digest": "SHA-256=Bi9Tt4Ljk0mMOzmDmDvFLrVSi3H9rV4J9+q3N5H8qtM="}
    changed = talker.signed("POST", "/graphql/v1", WHOAMI, headers=f"{LEAST} digest", extra=digest)
    assert "digest" in _reason(changed)
    unsigned = talker.signed("POST", "/graphql/v1", WHOAMI, sent_body=WHOAMI + b" ", headers=LEAST)
    assert unsigned.status_code == 200


def test_the_path_with_its_query_is_signed_and_rest_wants_the_developer_key(talker: Talker) -> None:
    path = "/apv/v27/device/list/all?cache=false"
    assert talker.signed("GET", path).json()["status"] == "true"
    assert "api token" in _reason(talker.signed("GET", path, extra={"developerkey": "other"}))


def _seven(talker: Talker) -> list[str]:
    ids = [talker.new_id() for _ in range(7)]
    talker.lot(*ids)
    return ids


def test_devices_are_paged_by_the_last_id(talker: Talker) -> None:
    ids = _seven(talker)
    found: list[str] = []
    after = None
    for _ in range(1000):
        page = talker.graphql(DEVICES, {"size": 3, "after": after})["data"]["login"]["devices"]
        found += [item["hardwareId"] for item in page["items"]]
        if not page["hasMore"]:
            break
        assert page["last"] == page["items"][-1]["id"]
        after = page["last"]
    assert len(found) == len(set(found)) == page["total"]
    assert set(ids) <= set(found)


def _one(hwid: str, wanted: str) -> str:
    return f'{{ login {{ devices(hardwareId: "{hwid}") {{ {wanted} }} }} }}'


def test_a_device_before_and_after_its_first_boot(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    query = _one(hwid, "items { state services { name } endpoint { cloned } }")
    (item,) = talker.graphql(query)["data"]["login"]["devices"]["items"]
    assert item == {"state": "inactive", "services": [], "endpoint": {"cloned": False}}
    talker.boot(bic, hwid)
    talker.clouds.remoteit.set_unit(hwid, cloned=True)
    (item,) = talker.graphql(query)["data"]["login"]["devices"]["items"]
    assert item == {"state": "active", "services": [{"name": "ssh"}, {"name": "web"}], "endpoint": {"cloned": True}}


def test_not_published_devices_are_not_shown(talker: Talker) -> None:
    hwid = talker.new_id()
    talker.lot(hwid, publish=False)
    query = _one(hwid, "total")
    assert talker.graphql(query)["data"]["login"]["devices"]["total"] == 0


def test_aliases_fragments_and_accounts(talker: Talker) -> None:
    query = """query Q($id: String) { me: login { ...who account(id: $id) { devices(size: 1) { total } } } }
      fragment who on User { __typename mail: email }"""
    found = talker.graphql(query, {"id": talker.clouds.account.guid})
    assert found["data"]["me"]["mail"] == talker.clouds.account.email


@pytest.mark.parametrize(
    "query",
    [
        "", "{", "{}", "{ nothing }", "{ login }", "{ login { email { x } } }",
        "{ login { devices(size: 0) { total } } }",
        '{ login { devices(size: "1") { total } } }', "{ login { devices(wrong: 1) { total } } }", "subscription { x }",
        "{ login { ...missing } }", "query($a: Int) { login { email(b: $c) } }",
        "{ login @include(if: true) { email } }",
        "fragment a on B { ...a } { ...a }", "{ a" * 60, "[" * 5000, "mutation { disconnect(connectionId: \"x\") }",
        "query A { login { email } } query B { login { email } }", "{ login { devices(id: 5) { total } } }",
    ],
)  # fmt: skip
def test_errors_of_graphql_come_with_200(talker: Talker, query: str) -> None:
    found = talker.graphql(query)
    assert "data" not in found
    assert found["errors"][0]["message"]


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-echo\r\n")
        while data := self.request.recv(4096):
            self.request.sendall(data)


@contextlib.contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _online(talker: Talker, target: str, service: str = "ssh") -> str:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    talker.boot(bic, hwid)
    talker.clouds.remoteit.set_target(hwid, service, target)
    services = talker.clouds.remoteit.unit(hwid)["services"]
    return str(next(one["uid"] for one in services if one["name"] == service))


def _reach(port: int, source: str = "127.0.0.1") -> bytes:
    """What a connection from that address is greeted with; nothing if it is shut out."""
    with socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0)) as stream:
        stream.settimeout(10)
        try:
            return stream.recv(100)
        except ConnectionError:
            return b""


def test_a_port_proxy_forwards_until_it_is_stopped(talker: Talker) -> None:
    with serving(_Echo) as target:
        uid = _online(talker, target)
        reply = talker.rest("/device/connect", {"deviceaddress": uid, "wait": "true", "hostip": "0.0.0.0"})
        connection = reply["connection"]
        assert reply["status"] == "true"
        assert connection["expirationsec"] == "28800"
        scheme, _, place = connection["proxy"].partition("://")
        host, _, port = place.partition(":")
        assert (scheme, host) == ("http", "127.0.0.1")
        with socket.create_connection((host, int(port)), 10) as stream:
            stream.settimeout(10)
            assert stream.recv(100) == b"SSH-2.0-echo\r\n"
            big = b"x" * 300_000
            threading.Thread(target=stream.sendall, args=(big,), daemon=True).start()
            got = 0
            while got < len(big):
                got += len(stream.recv(65536))
            stop = {"deviceaddress": uid, "connectionid": connection["connectionid"]}
            assert talker.rest("/device/connect/stop", stop) == {
                "status": "true", "connectionid": connection["connectionid"]
            }  # fmt: skip
            assert stream.recv(100) == b""
        with pytest.raises(OSError):
            socket.create_connection((host, int(port)), 5)
        again = talker.signed("POST", "/apv/v27/device/connect/stop", json.dumps(stop).encode())
        assert again.status_code == 401


@pytest.mark.parametrize(
    ("hostip", "first", "second"),
    [("0.0.0.0", True, True), ("127.0.0.1", True, False), ("127.0.0.2", False, True), ("255.255.255.255", True, False)],
)
def test_modes_by_hostip(talker: Talker, hostip: str, first: bool, second: bool) -> None:
    with serving(_Echo) as target:
        uid = _online(talker, target)
        connection = talker.rest("/device/connect", {"deviceaddress": uid, "hostip": hostip})["connection"]
        port = int(connection["proxyport"])
        assert bool(_reach(port, "127.0.0.1")) is first
        assert bool(_reach(port, "127.0.0.2")) is second
        talker.rest("/device/connect/stop", {"deviceaddress": uid, "connectionid": connection["connectionid"]})


class _Web(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")


def test_a_reverse_proxy_is_a_url(talker: Talker) -> None:
    with serving(_Web) as target:
        uid = _online(talker, target, "web")
        connection = talker.rest("/device/connect", {"deviceaddress": uid, "hostip": "127.0.0.9"})["connection"]
        assert connection["proxy"].startswith("https://")
        context = ssl.create_default_context(cafile=str(talker.clouds.ca))
        assert httpx2.get(connection["proxy"], verify=context, timeout=20).text == "hi"


def test_what_cannot_be_connected(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    unit = talker.clouds.remoteit.unit(hwid)

    def why(uid: str, hostip: str = "0.0.0.0") -> str:
        reply = talker.rest("/device/connect", {"deviceaddress": uid, "hostip": hostip})
        assert reply["status"] == "false"
        return str(reply["reason"])

    assert why("nonsense") == "bad device address"
    assert "[0806]" in why("80:00:00:00:00:00:00:01")
    assert "[0806]" in why(unit["services"][0]["uid"])  # the unit has not registered it yet
    talker.boot(bic, hwid)
    assert "[0861]" in why(unit["uid"])
    assert "host ip" in why(unit["services"][0]["uid"], "me")
    talker.clouds.remoteit.set_unit(hwid, online=False)
    assert "offline" in why(unit["services"][0]["uid"])


def test_a_dead_service_closes_the_connection(talker: Talker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uid = _online(talker, f"127.0.0.1:{port}")
    connection = talker.rest("/device/connect", {"deviceaddress": uid, "hostip": "0.0.0.0"})["connection"]
    assert _reach(int(connection["proxyport"])) == b""


def test_a_connection_expires(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(connection_seconds=0.2)
    with SimulatedClouds(tmp_path_factory.mktemp("expiry"), settings=settings) as clouds, serving(_Echo) as target:
        talker = Talker(clouds)
        uid = _online(talker, target)
        port = int(
            talker.rest("/device/connect", {"deviceaddress": uid, "hostip": "0.0.0.0"})["connection"]["proxyport"]
        )
        until = time.monotonic() + 20
        with pytest.raises(OSError):
            while time.monotonic() < until:
                socket.create_connection(("127.0.0.1", port), 5).close()
                time.sleep(0.05)
        talker.http.close()


def test_connect_and_rename_by_graphql(talker: Talker) -> None:
    with serving(_Echo) as target:
        uid = _online(talker, target)
        query = 'mutation($s: String!) { connect(serviceId: $s, hostIP: "0.0.0.0") { id port url } }'
        made = talker.graphql(query, {"s": uid})["data"]["connect"]
        assert _reach(made["port"]).startswith(b"SSH-2.0")
        query = "mutation($c: String!, $s: String!) { disconnect(connectionId: $c, serviceId: $s) }"
        assert talker.graphql(query, {"s": uid, "c": made["id"]}) == {"data": {"disconnect": True}}
        assert "errors" in talker.graphql(query, {"s": uid, "c": made["id"]})
    hwid = talker.new_id()
    talker.lot(hwid)
    query = 'mutation($s: String!) { renameService(serviceId: $s, name: "other") }'
    assert "data" in talker.graphql(query, {"s": talker.clouds.remoteit.unit(hwid)["uid"]})
    assert talker.clouds.remoteit.unit(hwid)["name"] == "other"


def test_openssl_signs_the_same(talker: Talker) -> None:
    """The documented arithmetic by a program that is not ours: openssl's HMAC with the decoded key, curl's request."""
    openssl, curl, base64 = programs.require("openssl"), programs.require("curl"), programs.require("base64")
    account, url = talker.clouds.account, talker.clouds.url
    script = f"""set -e
key=$(printf %s "$SECRET" | {base64} -d | od -An -tx1 | tr -d ' \\n')
date=$(LC_ALL=C date -u "+%a, %d %b %Y %H:%M:%S GMT")
text="(request-target): post /graphql/v1
host: {url.removeprefix("https://")}
date: $date
content-type: application/json"
signature=$(printf %s "$text" | {openssl} dgst -binary -sha256 -mac HMAC -macopt hexkey:$key | {base64} -w0)
{curl} -sS --cacert {talker.clouds.ca} -X POST -H "Date: $date" -H "Content-Type: application/json" \
 -H "Authorization: Signature keyId=\\"{account.key_id}\\",algorithm=\\"hmac-sha256\\",\
headers=\\"(request-target) host date content-type\\",signature=\\"$signature\\"" \
 {url}/graphql/v1 -d '{{"query":"{{login{{email}}}}"}}'
"""
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"SECRET": account.secret, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == {"data": {"login": {"email": account.email}}}
