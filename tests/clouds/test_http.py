"""One request over real TLS: bounded, and told apart whether it left; and when it is asked again."""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from factory.clouds.errors import (
    CloudError,
    CloudRefused,
    CloudReplyDamaged,
    CloudReplyLost,
    CloudThrottled,
    CloudUnreachable,
    said,
)
from factory.clouds.http import Https, Reply, require_server, trusted
from factory.clouds.repeat import Repeat, repeated
from factory.errors import Exit, UsageError
from tests.clouds.rawserver import cut, http, raw_server, trickle


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, {key.replace("_", "-"): value for key, value in headers.items()}, b"{}", 1000.0)


def test_any_status_is_a_reply(tmp_path: Path) -> None:
    with (
        raw_server(tmp_path, http("503 Busy", b'{"a": "\xc3\xa4"}', X_One="1")) as server,
        Https(server.url, ca=server.ca) as https,
    ):
        got = https.once("POST", "/a%20b?c=d", body=b"{}", headers={"X-Two": "2"})
    assert (got.status, got.json(), got.headers["x-one"]) == (503, {"a": "ä"}, "1")
    assert server.requests[0].startswith(b"POST /a%20b?c=d HTTP/1.1\r\n")
    assert b"x-two: 2" in server.requests[0].lower()


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with raw_server(tmp_path, http("302 Found", Location="https://127.0.0.1:1/")) as server:
        with Https(server.url, ca=server.ca) as https:
            assert https.once("GET", "/").status == 302
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (cut, "no whole reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "no whole reply"),
        (b"nonsense\r\n\r\n", "no whole reply"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no whole reply"),
        (http("200 OK", b"this is no gzip", Content_Encoding="gzip"), "no whole reply"),
    ],
)
def test_a_reply_that_is_not_whole_is_lost(tmp_path: Path, answer: bytes, why: str) -> None:
    with (
        raw_server(tmp_path, answer) as server,
        Https(server.url, ca=server.ca) as https,
        pytest.raises(CloudReplyLost, match=why) as caught,
    ):
        https.once("POST", "/", body=b"{}")
    assert caught.value.sent
    assert caught.value.exit_code is Exit.NOT_STARTED


def test_a_reply_that_trickles_ends_in_time(tmp_path: Path) -> None:
    with raw_server(tmp_path, trickle) as server, Https(server.url, ca=server.ca, timeout=0.6) as https:
        began = time.monotonic()
        with pytest.raises(CloudReplyLost, match=r"no answer within 0.6 s"):
            https.once("GET", "/")
        assert time.monotonic() - began < 15


def test_silence_ends_in_time(tmp_path: Path) -> None:
    with (
        raw_server(tmp_path, lambda stream, _: time.sleep(3)) as server,
        Https(server.url, ca=server.ca, timeout=0.4) as https,
        pytest.raises(CloudReplyLost, match=r"no answer within"),
    ):
        https.once("GET", "/")


def test_a_reply_is_bounded(tmp_path: Path) -> None:
    with (
        raw_server(tmp_path, http("200 OK", b"x" * 5000)) as server,
        Https(server.url, ca=server.ca, largest=4999) as https,
        pytest.raises(CloudReplyDamaged, match=r"more than 4999 bytes"),
    ):
        https.once("GET", "/")


def test_what_was_not_sent_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        Https(f"https://127.0.0.1:{port}") as https,
        pytest.raises(CloudUnreachable, match=r"cannot be reached") as caught,
    ):
        https.once("POST", "/", body=b"{}")
    assert not caught.value.sent


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with (
        raw_server(tmp_path, http("200 OK")) as server,
        Https(server.url) as https,
        pytest.raises(CloudUnreachable, match=r"certificate of .* is not trusted") as caught,
    ):
        https.once("GET", "/")
    assert (caught.value.code, caught.value.sent, server.requests) == ("cloud.tls", False, [])
    assert "--ca" in caught.value.hint


@pytest.mark.parametrize("tunnels", [True, False])
def test_nothing_was_sent_through_a_proxy_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tunnels: bool
) -> None:
    """It was sent a CONNECT, and the server nothing: refused by the proxy, or its certificate is not trusted."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with raw_server(tmp_path, http("200 OK")) as server, socket.create_server(("127.0.0.1", 0)) as listener:

        def proxy() -> None:
            stream, _ = listener.accept()
            with stream, socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as far:
                assert stream.recv(4096).startswith(b"CONNECT 127.0.0.1:")
                stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if tunnels else b"HTTP/1.1 403 Forbidden\r\n\r\n")
                if tunnels:
                    far.sendall(stream.recv(4096))
                    stream.sendall(far.recv(65536))
                    stream.recv(4096)

        thread = threading.Thread(target=proxy, daemon=True)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY")
        with Https(server.url) as https, pytest.raises(CloudUnreachable) as caught:
            https.once("POST", "/", body=b"{}")
        thread.join(10)
    assert caught.value.code == ("cloud.tls" if tunnels else "cloud.unreachable")
    assert not caught.value.sent
    assert server.requests == []


def test_the_environment_names_whom_to_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(tmp_path, http("200 OK", b"{}")) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        with Https(server.url) as https:
            assert https.once("GET", "/").status == 200
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=r"SSL_CERT_FILE") as caught:
        trusted(None)
    assert caught.value.code == "cloud.ca"
    (tmp_path / "empty.pem").write_text("no certificate\n")
    with pytest.raises(UsageError, match=r"empty.pem: holds no certificate"):
        trusted(tmp_path / "empty.pem")
    assert isinstance(trusted(server.ca), ssl.SSLContext)


@pytest.mark.parametrize(
    "address",
    ["http://api.remote.it", "api.remote.it", "https://", "https://a/b", "https://u:p@a", "https://a?b", "https://a:x",
     "https://a:0", "https://ä", "https://[::1"],
)  # fmt: skip
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_server(address)
    assert caught.value.code == "cloud.server"


@pytest.mark.parametrize("address", ["https://api.remote.it", "https://127.0.0.1:8443/", "https://[::1]:443"])
def test_addresses(address: str) -> None:
    assert require_server(address) == address.rstrip("/")


@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        (b"<!doctype html><h1>502</h1>", "text/html", "a page of HTML"),
        (b"Bad gateway", "text/html", "a page of HTML"),
        (b'{"status": tru', "application/json", "no JSON"),
        (b"", "application/json", "nothing"),
        (b"\xff\xfe\x00", "application/json", "no JSON"),
        (b"[" * 100_000, "application/json", "no JSON"),
        (b"1" * 5000, "application/json", "no JSON"),
        (b'{"a": [{"id": "1", "id": "2"}]}', "application/json", "a key twice"),
    ],
)
def test_what_is_no_json(body: bytes, kind: str, what: str) -> None:
    with pytest.raises(CloudReplyDamaged, match=what):
        Reply(502, {"content-type": kind}, body, 0.0).json()


def test_how_long_to_wait_and_whose_clock() -> None:
    assert reply(429, retry_after="7").retry_after == 7
    assert reply(429, retry_after=email.utils.formatdate(1030, usegmt=True)).retry_after == 30
    assert reply(429, retry_after=email.utils.formatdate(900, usegmt=True)).retry_after == 0
    for nonsense in ("", "soon", "-1", "²", "Mon, 99 Foo 2026 99:99:99 GMT"):
        assert reply(429, retry_after=nonsense).retry_after is None
        assert reply(200, date=nonsense).ahead is None
    assert reply(200, date=email.utils.formatdate(1090, usegmt=True)).ahead == 90


class Answers:
    """Answers in a row, and the waits between them."""

    def __init__(self, *answers: Reply | CloudError) -> None:
        self.answers = list(answers)
        self.waits: list[float] = []

    def once(self, number: int) -> Reply:
        answer = self.answers[number - 1]
        if isinstance(answer, CloudError):
            raise answer
        return answer


LOST, UNREACHED = CloudReplyLost("lost"), CloudUnreachable("unreached", sent=False)


@pytest.mark.parametrize(
    ("policy", "first", "again"),
    [
        (Repeat.QUERY, LOST, True),
        (Repeat.QUERY, UNREACHED, True),
        (Repeat.QUERY, reply(500), True),
        (Repeat.QUERY, reply(503), True),
        (Repeat.QUERY, reply(429), True),
        (Repeat.QUERY, reply(401), False),
        (Repeat.UNSENT, UNREACHED, True),
        (Repeat.UNSENT, reply(429), True),
        (Repeat.UNSENT, LOST, False),
        (Repeat.UNSENT, reply(500), False),
        (Repeat.NEVER, UNREACHED, False),
        (Repeat.NEVER, reply(429), False),
        (Repeat.QUERY, CloudUnreachable("certificate", code="cloud.tls", sent=False), False),
    ],
)
def test_what_is_asked_again(policy: Repeat, first: Reply | CloudError, again: bool) -> None:
    answers = Answers(first, reply(200))
    try:
        got = repeated(answers.once, policy, sleep=answers.waits.append)
    except CloudError as error:
        assert not again
        assert error.tries == 1
    else:
        assert (got.status == 200) == again
        assert got.tries == (2 if again else 1)
    assert len(answers.waits) == again


def test_waits_grow_and_what_the_cloud_asks_for_is_kept() -> None:
    answers = Answers(*[LOST] * 5)
    with pytest.raises(CloudReplyLost) as caught:
        repeated(answers.once, Repeat.QUERY, sleep=answers.waits.append)
    assert caught.value.tries == 5
    assert [0.5 * 2**number * 0.75 <= wait <= 0.5 * 2**number * 1.25 for number, wait in enumerate(answers.waits)]
    assert len(answers.waits) == 4
    answers = Answers(reply(429, retry_after="9"), reply(503, retry_after="11"), reply(200))
    repeated(answers.once, Repeat.QUERY, sleep=answers.waits.append)
    assert answers.waits == [9, 11]


def test_a_cloud_that_wants_an_hour_is_not_waited_for() -> None:
    answers = Answers(reply(429, retry_after="3600"))
    with pytest.raises(CloudThrottled, match=r"too often") as caught:
        repeated(answers.once, Repeat.QUERY, sleep=answers.waits.append)
    assert "Wait 3600 s" in caught.value.hint
    assert answers.waits == []


def test_what_may_pass_by_itself() -> None:
    passing = (LOST, UNREACHED, CloudThrottled("busy", status=429), CloudReplyDamaged("a page", status=502))
    lasting = (
        CloudReplyDamaged("other shape"), CloudReplyDamaged("page", status=404), CloudRefused("no", status=401),
        CloudUnreachable("certificate", code="cloud.tls", sent=False),
    )  # fmt: skip
    assert [error.may_pass for error in passing] == [True] * 4
    assert [error.may_pass for error in lasting] == [False] * 4


def test_what_a_cloud_says_is_fit_for_a_terminal() -> None:
    assert said("a\x1b[31m\nb\t c\ud800") == "a?[31m b c?"
    assert len(said("x" * 1000)) == 300


def test_secrets_are_masked() -> None:
    with Https("https://127.0.0.1:1", secrets=("hush",)) as https:
        assert https.mask("bad token hush!") == "bad token [secret]!"
        assert "hush" not in repr(https)
