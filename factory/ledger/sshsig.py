"""Signatures in OpenSSH's own form (PROTOCOL.sshsig), so that they can be checked without this program.

The command is: ssh-keygen -Y verify -f allowed_signers -I STATION -n NAMESPACE -s FILE.sig < FILE.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from factory.errors import FactoryError, UsageError
from factory.secrets import Secret

_MAGIC = b"SSHSIG"
_HASH = b"sha512"
_KIND = b"ssh-ed25519"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LINE = 70


class SignatureError(FactoryError):
    """A signature is none, is not of this file, or is nobody's who may sign."""

    code = "signature"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key; `text` is the line of a .pub file without its comment."""

    raw: bytes

    @property
    def text(self) -> str:
        """`ssh-ed25519 AAAA...`."""
        return f"{_KIND.decode()} {base64.b64encode(self.blob).decode()}"

    @property
    def blob(self) -> bytes:
        """The key as SSH writes it."""
        return _string(_KIND) + _string(self.raw)

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        """Read a line of a .pub or allowed_signers file. Raises UsageError for anything but an Ed25519 key."""
        words = line.split()
        try:
            at = words.index(_KIND.decode())
            return cls(_key_of(base64.b64decode(words[at + 1], validate=True)))
        except (ValueError, IndexError, binascii.Error) as error:
            raise UsageError("no Ed25519 public key stands in this line", hint="ssh-ed25519 AAAA...") from error


class SigningKey:
    """A private Ed25519 key that signs; it shows nothing of itself."""

    def __init__(self, secret: Secret) -> None:
        """Read an OpenSSH private key without a passphrase. Raises UsageError for anything else."""
        try:
            key = serialization.load_ssh_private_key(secret.reveal().encode() + b"\n", password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # what the library says may hold parts of the key
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(
                "the signing key cannot be used: an OpenSSH private key of kind Ed25519 without passphrase is needed",
                hint='Make one: ssh-keygen -t ed25519 -N "" -C STATION -f station_signing_key',
                code="signature.key",
            )
        self._key = key
        self.public = PublicKey(
            key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        )

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"

    def sign(self, message: bytes, namespace: str) -> str:
        """The armoured signature of a message, for one use only: that of the namespace."""
        name = namespace.encode("ascii")
        signature = _string(_KIND) + _string(self._key.sign(_signed(message, name)))
        body = _MAGIC + struct.pack(">I", 1) + _string(self.public.blob) + _string(name) + _string(b"")
        text = base64.b64encode(body + _string(_HASH) + _string(signature)).decode()
        lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
        return "\n".join((_BEGIN, *lines, _END, ""))


def verify(message: bytes, armoured: str, namespace: str, allowed: Collection[PublicKey]) -> PublicKey:
    """Return the key that signed this message. Raises SignatureError: no signature, another namespace, a message that
    was changed, or a key that is not among the allowed ones.
    """
    try:
        signer, name, signature = _parse(armoured)
    except (ValueError, binascii.Error, struct.error) as error:
        raise SignatureError("this is no signature in OpenSSH's form", code="signature.form") from error
    if name != namespace.encode("ascii"):
        raise SignatureError(
            f"the signature is for {name.decode('ascii', 'backslashreplace')!r}, not for {namespace!r}",
            hint="A signature of one kind of file says nothing about another.",
            code="signature.namespace",
        )
    try:
        Ed25519PublicKey.from_public_bytes(signer.raw).verify(signature, _signed(message, name))
    except InvalidSignature as error:
        raise SignatureError(
            "the signature is not of this file: one of the two was changed",
            hint="Take both from the second place where they are kept.",
            code="signature.changed",
        ) from error
    if signer not in allowed:
        raise SignatureError(
            f"the file was signed by {signer.fingerprint}, which is not among the {len(allowed)} keys that may",
            hint="Add its public key to the allowed signers only if you know whose it is.",
            code="signature.stranger",
        )
    return signer


def _parse(armoured: str) -> tuple[PublicKey, bytes, bytes]:
    lines = [line.strip() for line in armoured.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise ValueError("no armour")
    text = "".join(lines[1:-1])
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("bits behind the end")
    if data[:6] != _MAGIC or struct.unpack(">I", data[6:10])[0] != 1:
        raise ValueError("no signature of version 1")
    parts, rest = [], data[10:]
    for _ in range(5):
        part, rest = _take(rest)
        parts.append(part)
    blob, name, _, algorithm, signature = parts
    kind, rest_of_signature = _take(signature)
    raw, tail = _take(rest_of_signature)
    if rest or tail or kind != _KIND or algorithm != _HASH:
        raise ValueError("another kind of signature")
    return PublicKey(_key_of(blob)), name, raw


def _signed(message: bytes, namespace: bytes) -> bytes:
    """What is signed: the hash of the message, bound to its use."""
    return _MAGIC + _string(namespace) + _string(b"") + _string(_HASH) + _string(hashlib.sha512(message).digest())


def _key_of(blob: bytes) -> bytes:
    kind, rest = _take(blob)
    raw, tail = _take(rest)
    if kind != _KIND or tail or len(raw) != 32:
        raise ValueError("no Ed25519 key")
    return raw


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("cut short")
    return data[4 : 4 + length], data[4 + length :]
