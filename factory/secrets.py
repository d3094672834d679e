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
        try:
            return keyring.get_password(service, user) or ""
        except keyring.errors.KeyringError as error:
            raise SecretError(
                f"the keyring cannot give the secret {self}: {type(error).__name__}",
                hint="Unlock the keyring, or use env: or file:. A server or container often has no keyring at all.",
            ) from error


class Redactor:
    """Masks known secrets in a stream of bytes, however the stream is cut into pieces.

    Every byte that is part of a secret is masked, also where secrets overlap or one lies within another; what comes
    out does not depend on the cuts. `feed` returns what can be shown already and keeps back what may still turn out
    to be a secret, at most the longest secret's length beyond a run of overlapping ones; `flush` returns the rest.
    """

    MASK = b"[secret]"

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._secrets: list[bytes] = []
        self._pending = b""
        self._masked = 0  # leading bytes of _pending that a mask already stands for
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | bytes) -> None:
        """Know one more secret from now on; an empty one is none."""
        value = secret.encode() if isinstance(secret, str) else secret
        if value and value not in self._secrets:
            self._secrets.append(value)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What is masked."""
        return tuple(self._secrets)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream; return what is safe to show."""
        self._pending += data
        return self._show(len(self._pending) - self._possible_beginning(self._pending))

    def flush(self) -> bytes:
        """Return what was kept back, at the end of the stream; a secret that was cut short is none."""
        return self._show(len(self._pending))

    def text(self, text: str) -> str:
        """Redact one whole text, such as an error message, whatever is being fed."""
        whole = Redactor(self._secrets)
        data = text.encode("utf-8", "surrogateescape")
        return (whole.feed(data) + whole.flush()).decode("utf-8", "surrogateescape")

    def _show(self, cut: int) -> bytes:
        """Return the pending bytes before `cut` with every run of secrets as one mask, and forget them."""
        shown: list[bytes] = []
        at, masked = self._masked, 0
        for start, end in self._runs():
            if start >= cut:
                break
            if start >= self._masked:
                shown += (self._pending[at:start], self.MASK)
            at = max(at, end)
            masked = max(masked, end - cut)
        shown.append(self._pending[at:cut])
        masked = max(masked, self._masked - cut)
        self._pending, self._masked = self._pending[cut:], max(masked, 0)
        return b"".join(shown)

    def _runs(self) -> list[tuple[int, int]]:
        """Where secrets lie in the pending bytes: overlapping ones joined, in order."""
        found = [(0, self._masked)] if self._masked else []
        for secret in self._secrets:
            start = self._pending.find(secret)
            while start >= 0:
                found.append((start, start + len(secret)))
                start = self._pending.find(secret, start + 1)
        joined: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if joined and start < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return joined

    def _possible_beginning(self, data: bytes) -> int:
        longest = max((len(secret) - 1 for secret in self._secrets), default=0)
        for length in range(min(longest, len(data)), 0, -1):
            tail = data[-length:]
            if any(secret.startswith(tail) for secret in self._secrets):
                return length
        return 0
