"""Secrets: references in files, masked values in memory, and the redactor that keeps them out of transcripts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from factory.errors import UsageError

_SCHEMES = ("env", "file", "keyring")


class SecretError(UsageError):
    """A secret's reference is malformed, or what it points at is missing, empty or unusable."""

    code = "secret"


class Secret:
    """A secret value that shows nothing of itself; `reveal()` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it where the bytes are needed and nowhere before."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: `env:NAME`, `file:PATH` (relative to the file that names it) or `keyring:SERVICE/USER`."""

    scheme: str
    target: str

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """Parse a reference. Raises SecretError, which never repeats the text: it may be a secret itself."""
        scheme, colon, target = text.partition(":")
        if not colon or scheme not in _SCHEMES or not target:
            raise SecretError(
                "a secret is given by reference, and this is none",
                hint="Write env:NAME, file:PATH or keyring:SERVICE/USER; never the secret itself.",
            )
        return cls(scheme, target)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}"

    def resolve(self, base: Path) -> Secret:
        """Fetch the secret; `base` is the folder that relative `file:` paths start from. Raises SecretError."""
        if self.scheme == "env":
            value = os.environ.get(self.target, "")
        elif self.scheme == "file":
            value = self._from_file(base / Path(self.target).expanduser())
        else:
            value = self._from_keyring()
        if not value:
            raise SecretError(f"the secret {self} is empty or not set", hint=f"Set {self.target}.")
        return Secret(value)

    def _from_file(self, path: Path) -> str:
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise SecretError(f"cannot read the secret {self}: {reason}", hint=f"Looked at {path}.") from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise SecretError(
                f"the secret {self} can be read by others (mode {stat.S_IMODE(mode):04o})",
                hint=f"Run: chmod 600 {path}",
            )
        return text.rstrip("\r\n")

    def _from_keyring(self) -> str:
        try:
            import keyring
        except ImportError as error:
            raise SecretError(
                f"the secret {self} needs the keyring library",
                hint="Install oem-factory[keyring], or use env: or file:.",
            ) from error
        service, _, user = self.target.partition("/")
        return keyring.get_password(service, user) or ""


class Redactor:
    """Replaces known secrets in a stream of bytes, also where one straddles two pieces.

    `feed` returns what can be shown already and keeps back as many bytes as the beginning of a secret may be;
    `flush` returns the rest.
    """

    MASK = b"[secret]"

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._secrets: list[bytes] = []
        self._pending = b""
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | bytes) -> None:
        """Know one more secret from now on. Longest first, so that a secret within another leaves no tail."""
        value = secret.encode() if isinstance(secret, str) else secret
        if value and value not in self._secrets:
            self._secrets.append(value)
            self._secrets.sort(key=len, reverse=True)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream; return what is safe to show."""
        joined = self._replace(self._pending + data)
        keep = self._possible_beginning(joined)
        cut = len(joined) - keep
        self._pending = joined[cut:]
        return joined[:cut]

    def flush(self) -> bytes:
        """Return what was kept back, at the end of the stream."""
        rest, self._pending = self._pending, b""
        return rest

    def text(self, text: str) -> str:
        """Redact one whole text, such as an error message."""
        return self._replace(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def _replace(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, self.MASK)
        return data

    def _possible_beginning(self, data: bytes) -> int:
        longest = max((len(secret) - 1 for secret in self._secrets), default=0)
        for length in range(min(longest, len(data)), 0, -1):
            tail = data[-length:]
            if any(secret.startswith(tail) for secret in self._secrets):
                return length
        return 0
