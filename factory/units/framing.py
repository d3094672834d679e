"""What goes over a serial wire between station and agent: numbered requests up, checked frames down.

Every way in which a wire damages bytes ends in a frame that fails its length or hash, and is asked for again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from factory.units.terminal import plain

DIGITS = 20  # of a hash, in the lines of the agent
LINE = 480  # characters of payload per line up: whole lines stay under 512
_HEX = re.compile(rb" *[0-9a-f]{2}(?: *[0-9a-f]{2})* *")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}|=|==")


class Damaged(Exception):  # noqa: N818 - caught inside this room and turned into another try
    """A frame or its content is not what the unit sent."""


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash tool of the unit and the same in Python; `none` means that everything is compared twice."""

    tool: str
    of: Callable[[bytes], str]

    @property
    def checks(self) -> bool:
        """False where the unit has no hash tool at all."""
        return self.tool != "none"

    @property
    def cut(self) -> bool:
        """True where only the first DIGITS of what the tool says travel: a line must fit into a small FIFO."""
        return len(self.of(b"")) > DIGITS

    def short(self, data: bytes) -> str:
        """The hash as the agent's lines carry it: 80 bits are plenty against damage."""
        return self.of(data)[:DIGITS]


def _cksum(data: bytes) -> str:
    """POSIX cksum: a CRC with the data's length appended, most significant bit first."""
    length, tail = len(data), b""
    while length:
        tail += bytes([length & 0xFF])
        length >>= 8
    # The same polynomial as zlib's, but unreflected and started at zero: mirror the bits, undo zlib's start value.
    mirrored = (data + tail).translate(_MIRROR)
    reflected = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return str(int(f"{reflected:032b}"[::-1], 2) ^ 0xFFFFFFFF)


_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
HASHES = (
    Hash("sha256sum", lambda data: hashlib.sha256(data).hexdigest()),
    Hash("md5sum", lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest()),
    Hash("cksum", _cksum),
)
NO_HASH = Hash("none", lambda _: "-")


@dataclass(frozen=True, slots=True)
class Codec:
    """How bytes become text on the wire: what the unit runs to encode and decode, and the same here."""

    name: str
    encoder: str  # shell commands from stdin to stdout
    decoder: str  # shell commands that take $1 to stdout
    encode: Callable[[bytes], bytes]
    keep: re.Pattern[bytes]  # which lines of an answer are payload and not noise
    decode: Callable[[bytes], bytes]
    width: int  # characters per line that the encoder prints
    most: int = 1024 * 1024  # bytes of an answer


# What base64 consists of stays as it is; a reply's noise is masked by the same alphabet.
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
_OCTAL = tuple(bytes([byte]) if byte in _PLAIN else b"\\%03o" % byte for byte in range(256))


def _octal(data: bytes) -> bytes:
    return b"".join([_OCTAL[byte] for byte in data])


def _from_hex(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii"))


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


# printf takes octal escapes in its format; every POSIX shell has it.
_PRINTF = 'printf "$1"'
BASE64 = Codec("base64", "base64", 'printf "%s\\n" "$1" | base64 -d', base64.b64encode, _BASE64, _from_base64, 76)
OD = Codec("od", "od -An -v -tx1", _PRINTF, _octal, _HEX, _from_hex, 48)
HEXDUMP = Codec("hexdump", 'hexdump -v -e "16/1 \\"%02x\\" \\"\\n\\""', _PRINTF, _octal, _HEX, _from_hex, 32)
XXD = Codec("xxd", "xxd -p -c 32", _PRINTF, _octal, _HEX, _from_hex, 64)
# The last resort needs no program at all. `read` loses NUL bytes, so it is for answers that are text.
_SPELL = """p=0; w=$(printf "\\nx"); y=${w%x}
while IFS= read -r w && w=$w$y || [ -n "$w" ]; do
while [ -n "$w" ]; do printf %02x "\\"$w"; w=${w#?}; p=$((p+1)); if [ $p = 32 ]; then p=0; echo; fi; done
done; [ $p = 0 ] || echo"""
SHELL = Codec("printf", _SPELL, _PRINTF, _octal, _HEX, _from_hex, 64, most=16 * 1024)
CODECS = (BASE64, OD, HEXDUMP, XXD, SHELL)


def pieces(text: bytes) -> Iterator[bytes]:
    """Cut encoded text into lines' worth; an escape may be cut in two, the unit joins the lines before it decodes."""
    for start in range(0, len(text), LINE):
        yield text[start : start + LINE]


@dataclass(frozen=True, slots=True)
class Frame:
    """A checked answer of the agent: `kind` R (reply), E (echo), N, G, K, F (short ones, with `value`)."""

    kind: str
    number: str
    value: str = ""
    body: bytes = b""


class FrameReader:
    """Takes lines as they come and returns frames; what belongs to none is handed to `noise`.

    A frame opens with `MARK( number kind` and ends with `MARK) number kind length hash`; short ones are the end
    line alone, with their value twice.
    """

    def __init__(self, mark: str, codec: Codec, check: Hash, *, limit: int) -> None:
        self._open = re.compile(rb"^" + mark.encode() + rb"\( (\d+) ([RE])$")
        self._close = re.compile(rb"^" + mark.encode() + rb"\) (\d+) ([RENGKF]) (\S+) (\S+)$")
        self._codec = codec
        self._check = check
        self._limit = limit
        self._lines: list[bytes] = []
        self._size = 0
        self.inside: tuple[bytes, bytes] | None = None
        self._cut_off = b""
        self.noise = bytearray()

    def take(self, raw: bytes) -> Frame | None:
        """Take one line without its end. Raises Damaged where a frame ends that is not whole."""
        interrupted = _KERNEL.search(raw)
        if interrupted:
            # printk cuts a line in two wherever it stands: the next line is the rest of this one.
            self._cut_off = (self._cut_off + raw[: interrupted.start()])[-self._limit :]
            self._hear(raw[interrupted.start() :])
            return None
        line, self._cut_off = plain(self._cut_off + raw), b""
        opened = self._open.match(line)
        if opened:
            self.inside, self._lines, self._size = (opened[1], opened[2]), [], 0
            return None
        closed = self._close.match(line)
        if closed:
            return self._finish(closed)
        if self.inside is not None and (line == b"." or self._keeps(line)):
            self._size += len(line)
            if self._size <= self._limit:
                self._lines.append(line)
        elif line:
            self._hear(line)
        return None

    def _hear(self, line: bytes) -> None:
        self.noise = (self.noise + masked(line) + b"\n")[-4096:]

    def _keeps(self, line: bytes) -> bool:
        pattern = _UP if self.inside is not None and self.inside[1] == b"E" else self._codec.keep
        return pattern.fullmatch(line) is not None or line == b"too-large"

    def _finish(self, closed: re.Match[bytes]) -> Frame | None:
        number, kind, first, second = (part.decode("ascii", "replace") for part in closed.groups())
        if kind not in "RE":
            if first != second:
                raise Damaged("a short frame differs from its repetition")
            return Frame(kind, number, first)
        inside, lines = self.inside, self._lines
        self.inside, self._lines = None, []
        if inside != (closed[1], closed[2]):
            raise Damaged("a frame's beginning is missing")
        if self._size > self._limit:
            return Frame(kind, number, "too-large")
        bodies = [b"".join(lines)] if kind == "E" else [b"\n".join(lines), _rewrapped(lines, self._codec.width)]
        for body in bodies:
            if first == str(len(body)) and second == self._check.short(number.encode() + b":" + body):
                return Frame(kind, number, body=body)
        raise Damaged("length or hash of a frame is wrong")


def _rewrapped(lines: list[bytes], width: int) -> bytes:
    """The lines as the encoder breaks them, wherever noise has broken them since."""
    parts = b"".join(lines).split(b".")
    wrapped = [b"\n".join(part[at : at + width] for at in range(0, len(part), width)) for part in parts]
    return b"\n.\n".join(wrapped).rstrip(b"\n")


_KERNEL = re.compile(rb"(?:<\d{1,2}>)?\[ *\d+\.\d{3,9}\] ")
_UP = re.compile(rb"[A-Za-z0-9+/=\\]+")


def masked(noise: bytes) -> bytes:
    """Noise as it may be shown: without what could be a piece of an encoded answer, and so of a key in it."""
    return _ENCODED.sub(b"~", noise)


_ENCODED = re.compile(rb"(?:[0-9a-f]{2} ?){6,}|[A-Za-z0-9+/=\\]{12,}")


def parse_reply(body: bytes, codec: Codec) -> tuple[int, bytes, bytes]:
    """Split a reply into exit status, stdout and stderr. Raises Damaged where it has not that form."""
    out, dot, err = body.partition(b".")
    if not dot:
        raise Damaged("a reply without its separator")
    try:
        output = codec.decode(out.replace(b"\n", b"").replace(b" ", b""))
        error = codec.decode(err.replace(b"\n", b"").replace(b" ", b""))
    except (binascii.Error, ValueError) as reason:
        raise Damaged("a reply that does not decode") from reason
    content, _, status = output.rpartition(b"S")
    if not re.fullmatch(rb"\d{1,3}\n", status):
        raise Damaged("a reply without exit status")
    return int(status), content, error
