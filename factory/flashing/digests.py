"""How the content of a file on the unit is compared without reading it back: by the best hash the unit has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from factory.units.protocol import Tools

_PROGRAMS = {"sha256sum": "sha256", "sha512sum": "sha512", "sha1sum": "sha1", "md5sum": "md5"}


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash program of the unit and its algorithm. A weak one will do: damage is looked for, not an attacker, who
    would be root on the unit and answer as he likes.
    """

    program: str
    algorithm: str

    def of(self, content: bytes) -> str:
        """The hash that the unit's program prints for this content."""
        return hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()

    def labelled(self, value: str) -> str:
        """The hash for a record: plain for SHA-256, else with its algorithm in front."""
        return value if self.algorithm == "sha256" else f"{self.algorithm}:{value}"

    @property
    def name(self) -> str:
        """What a receipt calls it: 'hash' for SHA-256, else with the algorithm."""
        return "hash" if self.algorithm == "sha256" else f"{self.algorithm} hash"


def best_digest(tools: Tools) -> Digest | None:
    """The strongest hash the unit offers, None where it has none and content is compared by streaming it again."""
    for program, algorithm in _PROGRAMS.items():
        if program in tools:
            return Digest(program, algorithm)
    return None


def known_programs() -> str:
    """The programs that are looked for, for a message."""
    return ", ".join(_PROGRAMS)
