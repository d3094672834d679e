"""Signatures: OpenSSH is the oracle, both ways."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.ledger.sshsig import PublicKey, SignatureError, SigningKey, verify
from factory.secrets import Secret
from tests.programs import require

NAMESPACE = "factory-checkpoint"
MESSAGE = b'{"schema":"factory.checkpoint/1"}\n'


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "signing"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "S1", "-f", str(path)], check=True)
    return path


def _key(path: Path) -> SigningKey:
    return SigningKey(Secret(path.read_text().strip()))


def test_openssh_verifies_what_we_sign(key_file: Path, tmp_path: Path) -> None:
    key = _key(key_file)
    (tmp_path / "m.sig").write_text(key.sign(MESSAGE, NAMESPACE))
    (tmp_path / "allowed").write_text(f"S1 {key.public.text}\n")
    ask = [require("ssh-keygen"), "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "S1", "-n", NAMESPACE]
    ask += ["-s", str(tmp_path / "m.sig")]
    assert subprocess.run(ask, input=MESSAGE, capture_output=True, check=False).returncode == 0
    assert subprocess.run(ask, input=MESSAGE + b"x", capture_output=True, check=False).returncode != 0
    assert key.public == PublicKey.parse(key_file.with_suffix(".pub").read_text())
    said = subprocess.run([require("ssh-keygen"), "-l", "-f", str(key_file)], capture_output=True, check=True).stdout
    assert key.public.fingerprint.encode() in said


def test_we_verify_what_openssh_signs(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(MESSAGE)
    sign = [require("ssh-keygen"), "-q", "-Y", "sign", "-f", str(key_file), "-n", NAMESPACE, str(tmp_path / "m")]
    subprocess.run(sign, check=True, capture_output=True)
    signature = (tmp_path / "m.sig").read_text()
    assert signature == _key(key_file).sign(MESSAGE, NAMESPACE)
    public = PublicKey.parse(key_file.with_suffix(".pub").read_text())
    assert verify(MESSAGE, signature, NAMESPACE, [public]) == public


@pytest.mark.parametrize(
    ("message", "namespace", "allowed", "code"),
    [
        (MESSAGE + b" ", NAMESPACE, True, "signature.changed"),
        (MESSAGE, "factory-manifest", True, "signature.namespace"),
        (MESSAGE, NAMESPACE, False, "signature.stranger"),
    ],
)
def test_what_is_refused(key_file: Path, message: bytes, namespace: str, allowed: bool, code: str) -> None:
    key = _key(key_file)
    signature = key.sign(MESSAGE, NAMESPACE)
    with pytest.raises(SignatureError) as caught:
        verify(message, signature, namespace, [key.public] if allowed else [PublicKey(b"\1" * 32)])
    assert caught.value.code == code


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_signature_is_refused_and_never_a_crash(key_file: Path, data: st.DataObject) -> None:
    key = _key(key_file)
    good = key.sign(MESSAGE, NAMESPACE)
    at = data.draw(st.integers(0, len(good) - 2))
    other = data.draw(st.characters(min_codepoint=1, max_codepoint=0x2FF).filter(lambda one: one != good[at]))
    bad = good[:at] + other + good[at + 1 :]
    if "".join(bad.split()) == "".join(good.split()):
        return  # only a line was folded elsewhere
    with pytest.raises(SignatureError):
        verify(MESSAGE, bad, NAMESPACE, [key.public])


@given(st.text())
def test_any_text_is_no_signature(text: str) -> None:
    with pytest.raises(SignatureError):
        verify(MESSAGE, text, NAMESPACE, [])


def test_keys_of_another_kind_are_refused_without_a_word_of_them(tmp_path: Path) -> None:
    path = tmp_path / "rsa"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(path)], check=True)
    locked = tmp_path / "locked"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "pass1", "-f", str(locked)], check=True)
    for text in (path.read_text(), locked.read_text(), "nonsense"):
        with pytest.raises(UsageError) as caught:
            SigningKey(Secret(text.strip()))
        assert caught.value.code == "signature.key"
        assert text.splitlines()[-1][:20] not in str(caught.value)
    with pytest.raises(UsageError):
        PublicKey.parse(path.with_suffix(".pub").read_text())
    assert "PRIVATE" not in repr(SigningKey)
