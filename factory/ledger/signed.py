"""A file with its signature beside it, NAME.sig: two files that come and are trusted together."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from factory.files import PUBLIC, read_bytes, write_bytes
from factory.ledger.sshsig import PublicKey, SignatureError, SigningKey, verify

_LARGEST_SIGNATURE = 64 * 1024


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(f"{path.name}.sig")


def write_signed(path: Path, content: bytes, key: SigningKey | None, namespace: str, *, mode: int = PUBLIC) -> None:
    """Write a file durably, and before it its signature where there is a key: what is there is signed. Raises
    FileError.
    """
    if key is not None:
        write_bytes(signature_of(path), key.sign(content, namespace).encode("ascii"), mode=mode)
    write_bytes(path, content, mode=mode)


def signer_of(path: Path, content: bytes, namespace: str, allowed: Collection[PublicKey]) -> PublicKey:
    """The key that signed this content of a file. Raises SignatureError, also where no signature is, and FileError."""
    signature = signature_of(path)
    if not signature.exists():
        raise SignatureError(
            f"{path} has no signature beside it ({signature.name})",
            hint="Take it from the second place where it is kept.",
            code="signature.missing",
        )
    text = read_bytes(signature, limit=_LARGEST_SIGNATURE).decode("ascii", "replace")
    return verify(content, text, namespace, allowed)
