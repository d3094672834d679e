"""Whatever is sent to any endpoint: an answer that is meant, no 500, no hang."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rehearsal.clouds.conftest import BULK, Talker, a_file, a_row

PORTAL = "/rehearsal/portal"
POSTS = (
    f"{BULK}/device/information/", f"{BULK}/register", f"{BULK}/device/ready/", "/apv/v27/device/component/version",
    f"{PORTAL}/products", f"{PORTAL}/registrations", "/rehearsal/faults",
)  # fmt: skip
_NAMES = """BulkIdentificationCode HardwareId MACAddress CPUId DeviceSecret project_id hardware_id registration_key
    device_address device_secret name services bic type port enabled count path online cloned targets confirm
    deviceaddress hostip connectionid query variables"""
NAMES = tuple(_NAMES.split())
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(max_size=30) | st.sampled_from(
    ["default.", "\ud800", "a\x00b", "80:00:00:00:00:00:00:01", "ssh", "slow"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    leaves, lambda deep: st.lists(deep, max_size=3) | st.dictionaries(texts, deep, max_size=3), max_leaves=6
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
bodies = st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()) | documents.map(
    lambda value: json.dumps(value).encode()
)  # fmt: skip
segments = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


def _meant(talker: Talker, method: str, path: str, body: bytes | None = None) -> None:
    reply = talker.http.request(method, path, content=body)
    talker.clouds.faults.clear()
    assert reply.status_code < 500, (method, path, body, reply.text)


@quick
@given(path=st.sampled_from(POSTS), body=bodies)
def test_bodies(talker: Talker, path: str, body: bytes) -> None:
    _meant(talker, "POST", path, body)


@quick
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"]), first=segments, second=segments,
    body=bodies,
    place=st.sampled_from(
        [
            "{b}/device/friendly/configuration/{0}/{1}/", "{b}/configuration/{0}/{1}/", "/{0}/{1}", "{p}/units/{0}",
            "/apv/v27/project/provisioning/download/{0}", "{p}/registrations/{0}", "{p}/registrations/{0}/publish",
            "{p}/registrations?product={0}&name={1}",
        ]
    ),
)  # fmt: skip
def test_paths(talker: Talker, method: str, first: str, second: str, body: bytes, place: str) -> None:
    head = f"{method} {place.format(first, second, b=BULK, p=PORTAL)} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    answer = _raw(talker, head.encode() + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 ")
    assert int(answer[9:12]) < 500, (head, body, answer)


@quick
@given(st.binary(max_size=300))
def test_bytes_that_are_no_http(talker: Talker, content: bytes) -> None:
    answer = _raw(talker, content + b"\r\n\r\n", end=True)
    assert not answer or int(answer[9:12]) < 500


def _raw(talker: Talker, content: bytes, *, end: bool = False) -> bytes:
    context = ssl.create_default_context(cafile=str(talker.clouds.ca))
    port = int(talker.clouds.url.rpartition(":")[2])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="127.0.0.1") as stream:
        stream.settimeout(30)
        stream.sendall(content)
        if end:
            return stream.recv(4096) if content.strip() else b""
        answer = b""
        while part := stream.recv(65536):
            answer += part
    return answer


@quick
@given(
    body=bodies | st.fixed_dictionaries({"query": texts, "variables": values}).map(lambda one: json.dumps(one).encode())
)
def test_signed_bodies(talker: Talker, body: bytes) -> None:
    for path in ("/graphql/v1", "/apv/v27/device/connect", "/apv/v27/device/connect/stop"):
        reply = talker.signed("POST", path, body)
        assert reply.status_code in (200, 400, 401), reply.text
        assert isinstance(reply.json(), dict)


WORDS = r"""{ } ( ) : login devices items size after id name $a 1 "x" [ ] query mutation fragment on ... ! = null true
  connect serviceId -1 1e400 "\ud800" # account total from state attributes"""
graphql = st.lists(st.sampled_from(WORDS.split()), max_size=25).map(" ".join) | st.builds(
    "{{ login {{ devices({}: {}) {{ total items {{ {} }} }} }} }}".format,
    st.sampled_from(["size", "from", "after", "state", "name", "id", "hardwareId", "sort", "tag"]),
    st.sampled_from(["1", "-1", "0", '"x"', "null", "[1]", '["x"]', "{a: 1}", "1.5", "true", "x", "99999999999999999"]),
    st.sampled_from(["id", "attributes", "tags { name }", "services { id }", "owner { email }", "endpoint { cloned }"]),
)  # fmt: skip


@quick
@given(query=graphql, variables=values)
def test_queries(talker: Talker, query: str, variables: Any) -> None:
    reply = talker.signed("POST", "/graphql/v1", json.dumps({"query": query, "variables": variables}).encode())
    assert reply.status_code == 200, reply.text
    assert ("data" in reply.json()) is not ("errors" in reply.json())


@quick
@given(headers=st.dictionaries(st.sampled_from(["authorization", "date", "developerkey", "digest"]), segments))
def test_signature_headers(talker: Talker, headers: dict[str, str]) -> None:
    signature = f'Signature keyId="{talker.clouds.account.key_id}",{headers.get("authorization", "")}'
    for authorization in (signature, headers.get("authorization", "x")):
        reply = talker.http.post("/apv/v27/device/connect", headers={**headers, "authorization": authorization})
        assert reply.status_code == 401


@quick
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: a_file(a_row("zz")) + text.encode()))
def test_uploads(talker: Talker, content: bytes) -> None:
    bic = talker.clouds.remoteit.products()
    code = bic[0]["bic"] if bic else talker.clouds.remoteit.create_product("any")
    reply = talker.http.post(f"{PORTAL}/registrations", params={"product": code, "name": "any"}, content=content)
    assert reply.status_code in (201, 422)
    if reply.status_code == 201:
        talker.clouds.remoteit.delete(reply.json()["id"])


def test_a_body_without_end_is_cut_off(talker: Talker) -> None:
    assert talker.http.post(f"{BULK}/register", content=b"x" * 1_100_000).status_code == 413


def test_deep_json_and_long_numbers(talker: Talker) -> None:
    for body in (b"[" * 200_000, b'{"name":' * 100_000, b'{"count":' + b"9" * 10_000 + b"}"):
        for path in POSTS:
            _meant(talker, "POST", path, body)
