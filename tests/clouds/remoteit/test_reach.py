"""What counts as an answer at the end of a connection, and what does not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.clouds.errors import CloudReplyDamaged
from factory.clouds.remoteit import reach as module
from factory.clouds.remoteit.connection import Connection, Proxy, is_service_id, proxy_of
from factory.clouds.remoteit.devices import Device, Listing, Service
from factory.clouds.remoteit.reach import NotReached, reach
from factory.clouds.remoteit.resolve import find_service
from factory.errors import UsageError
from tests.clouds.rawserver import http, raw_server

Talk = Callable[[socket.socket], None]


def speaks(*pieces: bytes, hears: bytes = b"") -> Talk:
    def talk(stream: socket.socket) -> None:
        heard = b""
        while hears and hears not in heard:
            heard += stream.recv(4096)
        for piece in pieces:
            stream.sendall(piece)
            time.sleep(0.05)

    return talk


def silent(stream: socket.socket) -> None:
    stream.recv(1)
    stream.recv(65536)
    time.sleep(2)


@contextlib.contextmanager
def served(talk: Talk) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                stream, _ = listener.accept()
                with stream:
                    talk(stream)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def at(port: int, *, reverse: bool = False) -> Connection:
    return Connection("C", "80:00:00:00:00:00:00:91", Proxy(f"x://127.0.0.1:{port}", "127.0.0.1", port, reverse), 60)


@pytest.fixture(autouse=True)
def _short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.3)


@pytest.mark.parametrize(
    ("talk", "kind", "said"),
    [
        (speaks(b"SSH-2.0-dropbear_2022.83\r\n"), "ssh", "SSH-2.0-dropbear_2022.83"),
        (speaks(b"SSH-2", b".0-Open", b"SSH_9.2\r\n"), "ssh", "SSH-2.0-OpenSSH_9.2"),
        (speaks(b"Welcome\r\nto the machine\r\n", b"SSH-2.0-x\r\n"), "ssh", "SSH-2.0-x"),
        (speaks(b"SSH-2.0-\x1b[31mred\r\n"), "ssh", "SSH-2.0-?[31mred"),
        (speaks(b"RFB 003.008\n"), "vnc", "RFB 003.008"),
        (
            speaks(b"HTTP/1.1 401 Unauthorized\r\nServer: x\r\n\r\n", hears=b"\r\n\r\n"),
            "http",
            "HTTP/1.1 401 Unauthorized",
        ),
        (
            speaks(b"HTTP/1.0 200 OK\r\n\r\n", hears=b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n"),
            "http",
            "HTTP/1.0 200 OK",
        ),
    ],
)
def test_who_answers(talk: Talk, kind: str, said: str) -> None:
    with served(talk) as port:
        reached = reach(at(port), within=20)
    assert (reached.kind, reached.said) == (kind, said)
    assert reached.as_json()["kind"] == kind


@pytest.mark.parametrize(
    ("talk", "what"),
    [
        (speaks(), "closed without a word"),
        (speaks(b"\x00\x01garbage\n"), "neither SSH, HTTP nor VNC"),
        (speaks(b"SSH-2.0-no line end"), "neither SSH, HTTP nor VNC"),
        (speaks(b"x" * 6000), "neither SSH, HTTP nor VNC"),
        (silent, "nothing came"),
    ],
)
def test_who_does_not(talk: Talk, what: str) -> None:
    with served(talk) as port, pytest.raises(NotReached, match=what) as caught:
        reach(at(port), within=1.5)
    assert caught.value.code == "remoteit.not-reached"
    assert "on the unit" in caught.value.hint


def test_a_port_that_opens_a_moment_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def later() -> None:
        time.sleep(0.4)
        with socket.create_server(("127.0.0.1", port), reuse_port=False) as again:
            stream, _ = again.accept()
            with stream:
                stream.sendall(b"SSH-2.0-late\r\n")
                time.sleep(0.2)

    thread = threading.Thread(target=later, daemon=True)
    thread.start()
    assert reach(at(port), within=20).said == "SSH-2.0-late"
    thread.join(10)
    with pytest.raises(NotReached, match=r"nobody answers there"):
        reach(at(port), within=0.5)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 No", "500 Oops"])
def test_a_reverse_proxy_with_a_service_behind_it(certificate_folder: Path, status: str) -> None:
    with raw_server(certificate_folder, http(status, b"<html>")) as server:
        reached = reach(at(int(server.url.rpartition(":")[2]), reverse=True), ca=server.ca, within=20)
        assert server.requests[0].startswith(b"GET / HTTP/1.1")
        assert b"uthorization" not in server.requests[0]
    assert (reached.kind, reached.said) == ("http", f"HTTP {status[:3]}")


@pytest.mark.parametrize("answer", [http("502 Bad"), http("503 No"), http("504 Late"), b"nonsense\r\n\r\n"])
def test_a_reverse_proxy_without(certificate_folder: Path, answer: bytes) -> None:
    with raw_server(certificate_folder, answer) as server, pytest.raises(NotReached):
        reach(at(int(server.url.rpartition(":")[2]), reverse=True), ca=server.ca, within=20)


@given(st.text())
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    try:
        proxy = proxy_of(text)
    except CloudReplyDamaged:
        return
    assert proxy.host
    assert 0 < proxy.port < 65536
    assert str(proxy).isprintable()


# --- which service is meant ---


def device(identifier: str, hardware_id: str, name: str, *services: str) -> Device:
    made = tuple(Service(f"80:00:00:00:00:00:{identifier}:{at:02X}", one, 22, True) for at, one in enumerate(services))
    return Device(identifier, name, hardware_id, True, False, None, "", made)


class Account:
    """Answers as loosely as the cloud may: a prefix of a hardware id, a part of a name."""

    def __init__(self, *devices: Device) -> None:
        self._devices = devices

    def devices(self, *, state: str | None = None, name: str | None = None, hardware_id: str | None = None) -> Listing:
        found = [
            one
            for one in self._devices
            if (hardware_id is None or one.hardware_id.startswith(hardware_id))
            and (name is None or name.lower() in one.name.lower())
        ]
        return Listing(tuple(found), len(found))


ACCOUNT = Account(
    device("01", "aabb01", "router 1", "ssh", "web"),
    device("02", "aabb012", "router 12", "ssh"),
    device("03", "aabb03", "twin", "ssh"),
    device("04", "aabb04", "twin", "ssh"),
    device("05", "aabb05", "bare"),
    device("06", "aabb06", "double", "ssh", "ssh"),
)


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("80:00:00:00:00:00:00:91", "80:00:00:00:00:00:00:91"),
        ("aabb01/ssh", "80:00:00:00:00:00:01:00"),
        ("aabb01/web", "80:00:00:00:00:00:01:01"),
        ("router 1/web", "80:00:00:00:00:00:01:01"),
        ("router 12", "80:00:00:00:00:00:02:00"),
        ("aabb04", "80:00:00:00:00:00:04:00"),
    ],
)
def test_the_service_that_is_meant(text: str, service: str) -> None:
    assert find_service(ACCOUNT, text).service_id == service


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("aabb", "remoteit.no-device", "no device with the hardware id or name aabb"),
        ("AABB01/ssh", "remoteit.no-device", "Case matters"),
        ("Router 1/ssh", "remoteit.no-device", "Case matters"),
        ("/ssh", "remoteit.no-device", "DEVICE/SERVICE"),
        ("aabb01", "remoteit.no-service", "There are: ssh, web"),
        ("aabb01/SSH", "remoteit.no-service", "has no service SSH"),
        ("aabb05", "remoteit.no-service", "when it comes online"),
        ("twin/ssh", "remoteit.ambiguous", "2 devices are called twin: aabb03, aabb04"),
        ("double/ssh", "remoteit.ambiguous", "has 2 services ssh: 80:00"),
    ],
)
def test_what_is_not_clear_is_asked_for(text: str, code: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_service(ACCOUNT, text)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_service_ids() -> None:
    assert is_service_id("80:00:00:3f:AE:00:00:11")
    for text in ("80:00:00:3f:AE:00:00", "80:00:00:3f:AE:00:00:11 ", "b8:27:eb:12:34:56", "80:00:00:3f:AE:00:00:1g"):
        assert not is_service_id(text)
