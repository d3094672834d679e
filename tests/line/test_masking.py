from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.line.masking import MASK, Masks, spellings
from factory.units.terminal import excerpt

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40)


def test_a_plain_secret_is_masked_in_text_and_bytes() -> None:
    masks = Masks(["hunter22"])
    assert masks.text("login hunter22!") == "login [secret]!"
    assert masks.data(b"hunter22hunter22") == MASK


def test_without_secrets_nothing_changes() -> None:
    assert Masks().data(b"abc\n") == b"abc\n"
    assert Masks([""]).text("abc") == "abc"


@given(secret=SECRETS, before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_no_alignment_of_base64_lets_a_secret_through(secret: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after)
    masked = Masks([secret]).data(b"echo " + encoded + b" | base64 -d")
    assert MASK in masked
    # Whatever stands between the masks, read at any alignment, no longer decodes to the secret's middle.
    middle = secret.encode()[1:-1]
    for run in masked.removeprefix(b"echo ").removesuffix(b" | base64 -d").split(MASK):
        for start in range(4):
            piece = run.rstrip(b"=")[start:]
            piece = piece[: len(piece) // 4 * 4]
            assert middle not in base64.b64decode(piece, validate=True)


@given(secret=SECRETS)
def test_every_spelling_of_base64_is_there_at_each_alignment(secret: str) -> None:
    forms = spellings(secret)
    for offset in range(3):
        letters = base64.b64encode(b"x" * offset + secret.encode() + b"yyy")
        assert any(form in letters for form in forms if form != secret.encode())


def test_a_terminal_that_breaks_the_line_hides_nothing() -> None:
    masks = Masks(["hunter22hunter22"])
    assert b"hunter" not in masks.data(b"$ echo hunt \rer22hun\r\nter22")
    wrapped = base64.encodebytes(b"x" * 50 + b"hunter22hunter22" + b"y" * 50)
    assert b"unter" not in base64.b64decode(masks.data(wrapped).replace(MASK, b"AAAA").replace(b"\n", b"") + b"==")


def test_json_and_hex_spellings_are_masked() -> None:
    secret = 'pa"ss\\wörd'
    masks = Masks([secret])
    assert MASK.decode() in masks.text(json.dumps({"p": secret}))
    assert masks.data(secret.encode().hex().encode()) == MASK


def test_what_a_message_shows_of_a_unit_is_masked() -> None:
    """Messages escape what is not ASCII and write line ends as bars."""
    secret = "p\u00e4ss'w\"$(x)"
    masks = Masks([secret])
    shown = excerpt(f"Password: {secret}\r\nLogin incorrect\r\n".encode())
    assert masks.text(shown) == '"Password: [secret] | Login incorrect"'
    broken = excerpt(secret[:4].encode() + b"\r\n" + secret[4:].encode())
    assert masks.text(broken) == '"[secret]"'


def test_overlapping_secrets_leave_no_tail() -> None:
    assert Masks(["abcdef", "defghi"]).data(b"--abcdefghi--") == b"--[secret]--"
    assert Masks(["abc", "abcdef"]).data(b"abcdef") == b"[secret]"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_short_secret_masks_only_itself(size: int) -> None:
    secret = "qZ7"[:size]
    assert Masks([secret]).data(b"-" + secret.encode() + b"-") == b"-[secret]-"


def test_gzip_is_no_spelling_so_payloads_must_stay_out() -> None:
    """Why payloads are noted by size and hash only: packed bytes hide a secret from every mask."""
    packed = gzip.compress(b"hunter22" * 3)
    assert Masks(["hunter22"]).data(packed) == packed
