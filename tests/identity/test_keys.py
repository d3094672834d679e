"""Key derivation: against an independent computation, and nothing that leads back to the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import KeySection
from factory.identity import KeySource
from factory.secrets import Secret, SecretError, SecretRef
from factory.values import HardwareId, RegistrationKey

SECRET = "correct-horse-battery-staple"
ids = st.from_regex(r"[a-z0-9][A-Za-z0-9._-]{3,20}", fullmatch=True).filter(lambda text: set(text) - set("0f.-_"))


def section(version: int = 1, length: int = 32) -> KeySection:
    return KeySection(secret=SecretRef.parse("file:master.secret"), version=version, length=length)


def source(folder: Path, version: int = 1, length: int = 32, secret: str = SECRET) -> KeySource:
    path = folder / "master.secret"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return KeySource.open(section(version, length), folder)


@pytest.mark.parametrize("length", [16, 32, 52])
def test_keys_are_what_anybody_with_the_secret_computes(tmp_path: Path, length: int) -> None:
    mac = hmac.new(SECRET.encode(), b"v3|router|b827eb000001", hashlib.sha256).digest()
    expected = base64.b32encode(mac).decode().lower().rstrip("=")[:length]
    key = source(tmp_path, 3, length).derive("router", HardwareId.parse("b827eb000001"))
    assert key.text == expected and len(key.text) == length


def test_a_key_for_ever() -> None:
    """This very value is on units in the field: a change of it makes every key of every product another one."""
    keys = KeySource(1, 32, Secret("0123456789abcdef"))
    assert keys.derive("router", HardwareId.parse("b827eb000001")).text == "t65ypfkkczeusolrznb7dyk6rpsbjmpo"
    assert keys.fingerprint(RegistrationKey.parse("abcdefgh")) == "a41bcfef6bc22091c0645535257d9e00"


@given(ids, ids)
def test_units_products_versions_and_secrets_have_keys_of_their_own(first: str, second: str) -> None:
    base = KeySource(1, 32, Secret(SECRET))
    one, other = HardwareId.parse(first), HardwareId.parse(second)
    assert (base.derive("p", one) == base.derive("p", other)) == (first == second)
    assert base.derive("p", one) != base.derive("q", one)
    assert base.derive("p", one) != KeySource(2, 32, Secret(SECRET)).derive("p", one)
    assert base.derive("p", one) != KeySource(1, 32, Secret(SECRET + "!")).derive("p", one)


def test_a_fingerprint_tells_keys_apart_and_hides_them(tmp_path: Path) -> None:
    keys = source(tmp_path)
    key = keys.derive("router", HardwareId.parse("b827eb000001"))
    fingerprint = keys.fingerprint(key)
    assert len(fingerprint) == 32 and key.text not in fingerprint
    assert fingerprint == keys.fingerprint(key)
    assert fingerprint != keys.fingerprint(RegistrationKey.parse("another-key"))
    # Keyed: who has the ledger and guesses a key cannot confirm the guess without the secret.
    assert fingerprint != source(tmp_path, secret=SECRET + "!").fingerprint(key)


@pytest.mark.parametrize("secret", ["short", "fifteen-letters"])
def test_a_short_secret_is_refused(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SecretError, match="fewer than 16 bytes") as caught:
        source(tmp_path, secret=secret)
    assert secret not in str(caught.value)


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot read the secret file:master"):
        KeySource.open(section(), tmp_path)


def test_without_a_section_nothing_is_derived(tmp_path: Path) -> None:
    keys = KeySource.open(None, tmp_path)
    assert keys.version == 0
    with pytest.raises(SecretError, match="no secret to derive"):
        keys.derive("router", HardwareId.parse("abc"))
    assert keys.fingerprint(RegistrationKey.parse("abc")) != keys.fingerprint(RegistrationKey.parse("abd"))


def test_it_travels_and_shows_nothing(tmp_path: Path) -> None:
    keys = source(tmp_path)
    assert SECRET not in repr(keys)
    assert pickle.loads(pickle.dumps(keys)).derive("p", HardwareId.parse("abc")) == keys.derive(
        "p", HardwareId.parse("abc")
    )
