"""The key store: one file per registered device, sealed to the office where it says how, else with mode 0600."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from factory.clouds.errors import CloudReplyDamaged
from factory.clouds.xyte.device import DeviceKey
from factory.config import Bench, DeviceKeysSection
from factory.errors import FactoryError, UsageError
from factory.files import PRIVATE, FileError, make_folder, read_bytes, write_bytes
from factory.secrets import Secret
from factory.values import Finding, Severity

_NAME = re.compile(
    r"(?P<token>[0-9a-f]{16})_(?P<device>[A-Za-z0-9-]{1,64})_(?P<print>[0-9a-f]{16})\.(?P<kind>age|json)"
)
_SAFE = re.compile(r"[A-Za-z0-9-]{1,64}")
_LARGEST = 64 * 1024


class KeySealed(FactoryError):  # noqa: N818 - reads as what happened
    """The key is there, and this station cannot read it back."""

    code = "xyte.sealed"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the store by its name: what it says without being opened."""

    path: Path
    token: str
    device: str
    fingerprint: str


class KeyStore:
    """A folder with mode 0700. A file's name says whose it is, so that nothing is lost with a crash after it was
    written, also where it cannot be read back.
    """

    def __init__(self, folder: Path, recipient: str | None = None, identity: Secret | None = None) -> None:
        self.folder = folder
        self._recipient = recipient
        self._identity = identity

    @classmethod
    def of(cls, bench: Bench) -> KeyStore:
        """The store that bench.toml names. Raises SecretError for an identity that cannot be fetched."""
        section = bench.device_keys
        identity = None if section.identity is None else section.identity.resolve(bench.folder)
        return cls(bench.folder / section.folder, section.recipient, identity)

    def require_room(self) -> None:
        """Raise FileError unless a file can be written now: a key that comes back cannot be asked for again. Raises
        UsageError for a recipient that is none.
        """
        make_folder(self.folder, mode=0o700)
        probe = self.folder / ".probe"
        write_bytes(probe, self._sealed(b"x" * 4096), mode=PRIVATE)
        probe.unlink(missing_ok=True)

    def put(self, token: str, key: DeviceKey) -> Kept:
        """Keep a key, durably. Raises FileError."""
        if not _SAFE.fullmatch(key.id):
            raise CloudReplyDamaged("Xyte gave the unit an id that is none", code="xyte.no-id")
        kind = "json" if self._recipient is None else "age"
        path = self.folder / f"{token}_{key.id}_{key.fingerprint}.{kind}"
        content = json.dumps({"schema": "factory.device-key/1", **key.as_json()}).encode()
        write_bytes(path, self._sealed(content), mode=PRIVATE)
        return Kept(path, token, key.id, key.fingerprint)

    def find(self, token: str) -> Kept | None:
        """What is kept for a registration, by the names alone."""
        return next((kept for kept in self.kept() if kept.token == token), None)

    def kept(self) -> Iterator[Kept]:
        """Every file of the store."""
        try:
            names = sorted(path for path in self.folder.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise FileError(f"cannot look into {self.folder}: {error.strerror}") from error
        for path in names:
            match = _NAME.fullmatch(path.name)
            if match:
                yield Kept(path, match["token"], match["device"], match["print"])

    def open(self, token: str) -> DeviceKey:
        """Read a key back. Raises KeySealed when it is sealed to somebody else or is not here; FileError."""
        kept = self.find(token)
        if kept is None:
            raise KeySealed(
                f"the access key of the registered unit is not in {self.folder}",
                hint="Another station registered it, or the file was lost. Work the unit where it was registered, or "
                "let `factory xyte resolve` delete the registration in the cloud.",
                code="xyte.no-key",
            )
        content = read_bytes(kept.path, limit=_LARGEST)
        if kept.path.suffix == ".age":
            content = self._opened(content, kept)
        try:
            key = DeviceKey.of(json.loads(content))
        except (ValueError, AttributeError, CloudReplyDamaged):
            key = None
        if key is None or (key.id, key.fingerprint) != (kept.device, kept.fingerprint):
            raise FileError(f"{kept.path} holds no key of device {kept.device}", hint="Was the file changed?")
        return key

    def findings(self) -> Iterator[Finding]:
        """What `factory doctor` says about the store."""
        plain = [kept for kept in self.kept() if kept.path.suffix == ".json"]
        place = str(self.folder)
        if plain:
            what = f"{len(plain)} access keys of registered units lie here unsealed (mode 0600)"
            hint = "Make a key with age-keygen at the office, and put its recipient into [device_keys] of bench.toml."
            yield Finding("KEYS-PLAIN", Severity.WARNING, place, what, hint)
        for kept in self.kept():
            mode = kept.path.stat().st_mode & 0o777
            if mode & 0o077:
                what = f"{kept.path.name} can be read by others (mode {mode:04o})"
                yield Finding("KEYS-MODE", Severity.ERROR, place, what, f"Run: chmod 600 {kept.path}")

    def _sealed(self, content: bytes) -> bytes:
        if self._recipient is None:
            return content
        import pyrage

        try:
            recipient = pyrage.x25519.Recipient.from_str(self._recipient)
        except pyrage.RecipientError as error:
            raise UsageError(
                f"device_keys.recipient is no age recipient: {error}",
                hint="Copy the public key that age-keygen prints, `age1...`.",
                code="xyte.recipient",
            ) from error
        return bytes(pyrage.encrypt(content, [recipient]))

    def _opened(self, content: bytes, kept: Kept) -> bytes:
        import pyrage

        if self._identity is None:
            raise KeySealed(
                f"the access key of device {kept.device} is sealed to the office, and this station cannot read it back",
                hint="Where the office's key is at hand, name it: device_keys.identity in bench.toml. Otherwise let "
                "`factory xyte resolve` delete the registration, and work the unit again.",
            )
        try:
            identity = pyrage.x25519.Identity.from_str(self._identity.reveal().strip().splitlines()[-1])
            return bytes(pyrage.decrypt(content, [identity]))
        except (pyrage.IdentityError, pyrage.DecryptError, IndexError):
            raise KeySealed(
                f"{kept.path.name} cannot be opened with device_keys.identity",
                hint="Is it the identity of the recipient that the file was sealed to?",
            ) from None


def store_findings(bench: Bench) -> list[Finding]:
    """The findings for a bench, without its identity being fetched."""
    section: DeviceKeysSection = bench.device_keys
    return list(KeyStore(bench.folder / section.folder, section.recipient).findings())
