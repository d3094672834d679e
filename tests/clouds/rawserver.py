"""A tiny HTTPS server of the tests' own: it answers with the very bytes that a test wrote, or in its own way."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from factory.rehearsal.clouds.tls import Certificates, certificates

Talk = Callable[[ssl.SSLSocket, bytes], None]


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    named = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
    lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in named.items()), f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\nConnection: close\r\n\r\n" + body


@dataclass
class RawServer:
    """Answers the n-th request with the n-th of `answers` (bytes, or a function that talks), the last for ever."""

    certificates: Certificates
    answers: list[bytes | Talk]
    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    @property
    def ca(self) -> Path:
        return self.certificates.ca

    def serve(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(plain, context), daemon=True).start()

    def _talk(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(30)
            with context.wrap_socket(plain, server_side=True) as stream:
                request = _request(stream)
                self.requests.append(request)
                answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if callable(answer):
                    answer(stream, request)
                else:
                    stream.sendall(answer)


def _request(stream: ssl.SSLSocket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += stream.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def raw_server(folder: Path, *answers: bytes | Talk) -> Iterator[RawServer]:
    made = certificates(folder, folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(made, list(answers), url=f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=server.serve, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def cut(stream: ssl.SSLSocket, _: bytes) -> None:
    """Close without a word."""


def trickle(stream: ssl.SSLSocket, _: bytes) -> None:
    """A reply that never ends and never pauses for long."""
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _number in range(600):
        stream.sendall(b" ")
        time.sleep(0.05)
