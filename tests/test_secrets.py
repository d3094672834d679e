"""Secrets: references, masked values, and a redactor that no cut of the stream gets past."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factory.secrets import Redactor, Secret, SecretError, SecretRef

HIDDEN = "correct-horse-battery"


def test_a_secret_shows_nothing_and_travels() -> None:
    secret = Secret(HIDDEN)
    assert HIDDEN not in f"{secret} {secret!r} {[secret]}"
    assert pickle.loads(pickle.dumps(secret)).reveal() == HIDDEN
    assert secret == Secret(HIDDEN) and secret != Secret("other") and len({secret, Secret(HIDDEN)}) == 1


@pytest.mark.parametrize("text", [HIDDEN, "", "env:", ":xyz", "http://xyz", "ENV:XYZ", "file"])
def test_what_is_no_reference_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        SecretRef.parse(text)
    assert text in ("", "env:", "file") or text not in str(caught.value)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNIT_PASSWORD", HIDDEN)
    reference = SecretRef.parse("env:UNIT_PASSWORD")
    assert reference.resolve(tmp_path).reveal() == HIDDEN and str(reference) == "env:UNIT_PASSWORD"
    monkeypatch.setenv("UNIT_PASSWORD", "")
    with pytest.raises(SecretError, match="empty or not set"):
        reference.resolve(tmp_path)


def test_from_a_file_beside_the_one_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "master.secret"
    path.write_text(HIDDEN + "\r\n")
    path.chmod(0o600)
    assert SecretRef.parse("file:master.secret").resolve(tmp_path).reveal() == HIDDEN


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.secret"
    path.write_text(HIDDEN)
    path.chmod(0o640)
    with pytest.raises(SecretError, match="mode 0640") as caught:
        SecretRef.parse("file:master.secret").resolve(tmp_path)
    assert "chmod 600" in caught.value.hint and HIDDEN not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"\n"])
def test_a_missing_or_useless_file_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "master.secret"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(SecretError):
        SecretRef.parse("file:master.secret").resolve(tmp_path)


# Few letters, so that secrets overlap, repeat and lie within each other.
letters = st.binary(max_size=7).map(lambda data: bytes(97 + byte % 3 for byte in data))
secrets = st.lists(letters.filter(bool), min_size=1, max_size=4)


def spans(known: list[bytes], data: bytes) -> list[tuple[int, int]]:
    found = {(at, at + len(one)) for one in known for at in range(len(data)) if data.startswith(one, at)}
    runs: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if runs and start < runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


def masked(known: list[bytes], data: bytes) -> bytes:
    shown, at = b"", 0
    for start, end in spans(known, data):
        shown += data[at:start] + Redactor.MASK
        at = end
    return shown + data[at:]


@given(secrets, st.lists(letters, max_size=12))
@example([b"abc", b"bca"], [b"ab", b"ca"])  # overlapping
@example([b"ab", b"abccc"], [b"ab", b"ccc"])  # one begins the other
@example([b"aa"], [b"a", b"a", b"a", b"a"])
def test_every_cut_of_the_stream_masks_the_same_bytes(known: list[bytes], pieces: list[bytes]) -> None:
    redactor = Redactor(known)
    shown = b"".join(redactor.feed(piece) for piece in pieces) + redactor.flush()
    data = b"".join(pieces)
    assert shown == masked(known, data)
    assert not any(one in part for part in shown.split(Redactor.MASK) for one in known)


@given(st.binary(max_size=60))
def test_a_stream_without_secrets_passes_whole_and_at_once(data: bytes) -> None:
    redactor = Redactor()
    assert redactor.feed(data) == data and redactor.flush() == b""


def test_no_more_is_kept_back_than_a_secret_may_need() -> None:
    redactor = Redactor([HIDDEN])
    assert redactor.feed(b"login: root, corr") == b"login: root, "
    assert redactor.feed(b"idor") == b"corridor"


def test_a_secret_learned_later_is_masked_from_then_on() -> None:
    redactor = Redactor()
    redactor.add(HIDDEN)
    redactor.add("")
    assert redactor.feed(f"a {HIDDEN} b".encode()) == b"a [secret] b"


def test_whole_texts_do_not_disturb_the_stream() -> None:
    redactor = Redactor([HIDDEN])
    assert redactor.feed(b"corr") == b""
    assert redactor.text(f"failed with {HIDDEN}\udcff") == "failed with [secret]\udcff"
    assert redactor.feed(b"ect-horse-battery.") == b"[secret]."


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "master.secret").mkdir()
    with pytest.raises(SecretError, match="Is a directory"):
        SecretRef.parse("file:master.secret").resolve(tmp_path)
