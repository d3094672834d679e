from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.files import FileError
from factory.line.attempt import _new_path
from factory.line.masking import Masks
from factory.line.transcript import AttemptTranscript

SECRET = "S3CRETS3CRETS3CRET"


def transcript(path: Path = Path("unused"), *secrets: str, limit: int = 1 << 20) -> AttemptTranscript:
    return AttemptTranscript(path, masks=Masks(secrets), header=("slot A",), limit=limit)


def test_it_says_when_which_way_and_what(tmp_path: Path) -> None:
    kept = transcript(tmp_path / "t.txt")
    kept.note("connecting")
    kept.sent(b"id\n")
    kept.received(b"uid=0\r\n\x1b[0m# ")
    kept.save()
    lines = (tmp_path / "t.txt").read_text().splitlines()
    assert lines[0] == "# slot A"
    assert [line[11:] for line in lines[2:]] == ["# connecting\\x0a", "> id\\x0a", "< uid=0\\x0d\\x0a", "< \\x1b[0m# "]
    assert stat.S_IMODE((tmp_path / "t.txt").stat().st_mode) == 0o600


def test_seconds_never_go_back() -> None:
    kept = transcript()
    for _ in range(50):
        kept.note("x")
    seconds = [float(line.split()[0]) for line in kept.render().decode().splitlines()[2:]]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0


@given(cuts=st.lists(st.integers(1, 60), max_size=8), direction=st.booleans())
def test_a_secret_in_pieces_is_masked_whichever_way_it_went(cuts: list[int], direction: bool) -> None:
    kept = transcript(Path("unused"), SECRET)
    data = b"before " + SECRET.encode() + b" middle " + base64.b64encode(b"ab" + SECRET.encode() + b"cd") + b" after"
    position = 0
    for cut in [*cuts, len(data)]:
        (kept.sent if direction else kept.received)(data[position : position + cut])
        # The other direction in between must neither hide nor break it.
        (kept.received if direction else kept.sent)(b"echo")
        position += cut
    kept.sent(data[position:]) if direction else kept.received(data[position:])
    text = "".join(
        line[13:] for line in kept.render().decode().splitlines()[2:] if line[11] == (">" if direction else "<")
    )
    assert SECRET not in text
    assert "RVRTM0NSR" not in text  # the inner letters of its base64
    assert text.startswith("before [secret] middle ")
    assert text.endswith(" after")


def test_a_secret_that_is_known_later_masks_what_came_before(tmp_path: Path) -> None:
    kept = transcript(tmp_path / "t.txt")
    kept.received(f"Registration key is {SECRET}\n".encode())
    kept.secret(SECRET)
    kept.save()
    assert SECRET not in (tmp_path / "t.txt").read_text()


def test_a_secret_in_a_note_or_header_is_masked() -> None:
    kept = AttemptTranscript(Path("unused"), masks=Masks([SECRET]), header=(f"password {SECRET}",))
    kept.note(f"password {SECRET}")
    assert SECRET not in kept.render().decode()


def test_it_keeps_the_beginning_and_the_end_within_its_bound() -> None:
    kept = transcript(limit=2000)
    kept.received(b"first\n")
    for count in range(5000):
        kept.received(b"%06d noise noise\n" % count)
    kept.received(b"x" * 100_000)
    kept.received(b"last\n")
    text = kept.render().decode()
    assert "first" in text
    assert "last" in text
    assert "bytes left out here" in text
    assert len(text) < 6000


def test_the_left_out_bytes_are_counted_exactly() -> None:
    kept = transcript(limit=100)
    kept.received(b"a" * 260)
    assert "160 bytes left out" in kept.render().decode()


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    kept = transcript(tmp_path / "gone" / "t.txt")
    with pytest.raises(FileError, match="cannot create"):
        kept.save()


def test_slots_whose_names_look_alike_have_transcripts_of_their_own(tmp_path: Path) -> None:
    assert _new_path(tmp_path, "A b").name.split("-", 1)[1] != _new_path(tmp_path, "A_b").name.split("-", 1)[1]
