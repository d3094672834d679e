"""A transcript that keeps everything, for tests that look at what was written."""

from __future__ import annotations


class Kept:
    def __init__(self) -> None:
        self.out = bytearray()
        self.back = bytearray()
        self.notes: list[str] = []
        self.secrets: list[str] = []
        self.order: list[str] = []

    def sent(self, data: bytes) -> None:
        self.out += data
        self.order.append("sent")

    def received(self, data: bytes) -> None:
        self.back += data
        self.order.append("received")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def secret(self, value: str) -> None:
        self.secrets.append(value)
        self.order.append("secret")
