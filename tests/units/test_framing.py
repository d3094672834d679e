from __future__ import annotations

import base64
import hashlib
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.units.agent import agent_text
from factory.units.framing import (
    BASE64,
    CODECS,
    HASHES,
    OD,
    SHELL,
    Codec,
    Damaged,
    FrameReader,
    parse_reply,
    pieces,
)
from factory.units.login import marker, split
from tests import programs

MARK = "ABCEFGHJKL"
BY_TOOL = {check.tool: check for check in HASHES}


def reply(out: bytes, err: bytes = b"", *, number: int = 7, status: int = 0) -> list[bytes]:
    """The lines of a frame, made here by other means than the code under test."""
    body = base64.encodebytes(out + b"S%d\n" % status).decode().strip()
    body += "\n." + (f"\n{base64.encodebytes(err).decode().strip()}" if err else "")
    check = hashlib.sha256(f"{number}:{body}".encode()).hexdigest()[:20]
    text = f"\n{MARK}( {number} R\n{body}\n{MARK}) {number} R {len(body)} {check}\n"
    return text.encode().split(b"\n")


def reader() -> FrameReader:
    return FrameReader(MARK, BASE64, BY_TOOL["sha256sum"], limit=1_000_000)


def read(lines: list[bytes]) -> tuple[int, bytes, bytes] | None:
    frames = reader()
    for line in lines:
        frame = frames.take(line)
        if frame is not None and frame.kind == "R" and frame.number == "7":
            return parse_reply(frame.body, BASE64)
    return None


@given(st.binary(max_size=400), st.binary(max_size=200), st.integers(0, 255))
def test_any_output_comes_back(out: bytes, err: bytes, status: int) -> None:
    assert read(reply(out, err, status=status)) == (status, out, err)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_damage_is_never_taken_for_an_answer(out: bytes, data: st.DataObject) -> None:
    stream = bytearray(b"\n".join(reply(out)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(stream) - 1))
        if data.draw(st.booleans()):
            del stream[place]
        else:
            stream[place] = data.draw(st.integers(0, 255))
    try:
        answer = read(bytes(stream).split(b"\n"))
    except Damaged:
        return
    assert answer is None or answer == (0, out, b"")


@given(st.binary(min_size=60, max_size=300), st.data())
def test_kernel_lines_are_cut_out_wherever_they_stand(out: bytes, data: st.DataObject) -> None:
    stream = b"\n".join(reply(out))
    first, second = sorted((data.draw(st.integers(0, len(stream) - 1)), data.draw(st.integers(0, len(stream) - 1))))
    usb, crng = b"[   12.345678] usb 1-1: new device\r\n", b"<6>[ 9999.000001] random: crng init done\n"
    stream = stream[:first] + usb + stream[first:second] + crng + stream[second:]
    assert read(stream.split(b"\n")) == (0, out, b"")


def test_terminal_codes_carriage_returns_and_foreign_lines_are_noise() -> None:
    lines = [line + b"\r" for line in reply(b"hello" * 40)]
    lines.insert(3, b"\x1b[2J\x1b[31mroot@unit:~# \x1b[0m")
    lines.insert(4, b"mmc0: card 1234 inserted (not base64)")
    assert read(lines) == (0, b"hello" * 40, b"")


def test_a_frame_whose_lines_were_broken_again_is_put_together() -> None:
    lines = reply(b"hello" * 40)
    lines[2:3] = [lines[2][:10], lines[2][10:]]
    assert read(lines) == (0, b"hello" * 40, b"")


def test_a_short_frame_must_say_its_value_twice() -> None:
    frames = reader()
    with pytest.raises(Damaged):
        frames.take(f"{MARK}) 3 K 120 720".encode())
    frame = frames.take(f"{MARK}) 3 K 120 120".encode())
    assert frame is not None and (frame.kind, frame.number, frame.value) == ("K", "3", "120")


def test_an_end_without_a_beginning_is_damage() -> None:
    with pytest.raises(Damaged):
        reader().take(reply(b"x")[-2])


@pytest.mark.parametrize("tool", [check.tool for check in HASHES])
@given(data=st.binary(max_size=200))
def test_hashes_are_those_of_the_unit(tool: str, data: bytes) -> None:
    done = subprocess.run([programs.require(tool)], input=data, capture_output=True, check=True)
    assert BY_TOOL[tool].of(data) == done.stdout.split()[0].decode()


def through(shell: str, codec: Codec, data: bytes) -> bytes:
    """What a unit's shell makes of encoded bytes and encodes again, decoded here."""
    argv = [programs.require(shell), *(["ash"] if shell == "busybox" else []), "-c"]
    script = f'LC_ALL=C\nT() {{ {codec.decoder}; }}\nT "$1" | {{ {codec.encoder}; }}'
    done = subprocess.run([*argv, script, "-", codec.encode(data).decode()], capture_output=True, check=True)
    lines = [line for line in done.stdout.split(b"\n") if line]
    assert all(codec.keep.fullmatch(line) for line in lines)
    assert all(len(line) <= codec.width for line in lines)
    return codec.decode(b"".join(lines).replace(b" ", b""))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_codecs_survive_every_byte_in_every_shell(codec: Codec, shell: str) -> None:
    if codec.name in ("xxd", "hexdump"):
        programs.require(codec.name)
    data = (bytes(range(256)) if codec is not SHELL else bytes(range(1, 256))) * 3
    for each in (data, data + b"\n", b"", b"\n", b"\n\n x", b" \\ \\n\t"):
        assert through(shell, codec, each) == each


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=600))
def test_any_bytes_travel_as_octal(shell: str, data: bytes) -> None:
    """What the unit's printf writes into a file is what was sent."""
    argv = [programs.require(shell), *(["ash"] if shell == "busybox" else []), "-c"]
    done = subprocess.run([*argv, OD.decoder, "-", OD.encode(data).decode()], capture_output=True, check=True)
    assert done.stdout == data
    text = data.replace(b"\0", b"")
    assert through(shell, SHELL, text) == text


@given(st.binary(max_size=3000))
def test_pieces_are_short(data: bytes) -> None:
    for codec in (BASE64, OD):
        cut = list(pieces(codec.encode(data)))
        assert b"".join(cut) == codec.encode(data)
        assert all(len(piece) <= 508 for piece in cut)


def test_an_echo_of_a_split_marker_is_not_the_marker() -> None:
    mark = marker()
    assert mark not in split(mark)
    assert not set(mark) & set("RID")


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_the_agents_text_can_be_typed(codec: object) -> None:
    assert isinstance(codec, type(BASE64))
    text = agent_text(MARK, codec, HASHES[0], tools=frozenset({"stty", "head"}), log_out=True)
    assert not set(text) & set("'!\t")
    assert MARK not in text
    assert max(len(line) for line in text.split("\n")) < 400
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)


@pytest.mark.parametrize("body", [b"", b"QUJD", b"U1gK\n.", b"UzAK", b"!!!\n."])
def test_a_reply_of_another_form_is_damage(body: bytes) -> None:
    with pytest.raises(Damaged):
        parse_reply(body, BASE64)
