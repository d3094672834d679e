"""The bytes of a CSV, judged before they are parsed: encoding, byte order mark, NUL, line ends."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from factory.sheets.finding import Trouble
from factory.sheets.reading.source import Unreadable

ENCODING = "plain ASCII"


@dataclass(frozen=True, slots=True)
class JudgedBytes:
    """A CSV as UTF-8 bytes with LF or CR LF line ends, and what was wrong with the bytes it came as."""

    content: bytes
    troubles: tuple[Trouble, ...]


def judge_bytes(raw: bytes) -> JudgedBytes:
    """Find what is wrong with the bytes of a CSV and bring them to UTF-8. A code page is never guessed: what is not
    UTF-8 is read only where the bytes prove it (UTF-16 by its mark or its zeros, Shift_JIS by its kana).
    Raises Unreadable for an empty file.
    """
    if not raw.strip(b"\r\n\t \0\xef\xbb\xbf\xff\xfe"):
        raise Unreadable(Trouble("FILE-EMPTY"))
    troubles: list[Trouble] = []
    raw = _decoded(raw, troubles)
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        troubles.append(Trouble("FILE-NUL", {"count": raw.count(b"\0"), "line": line}))
    return JudgedBytes(_line_ends(raw, troubles), tuple(troubles))


def _decoded(raw: bytes, troubles: list[Trouble]) -> bytes:
    utf16 = _utf16(raw)
    if utf16:
        troubles.append(Trouble("FILE-UTF16", {"encoding": ENCODING}))
        return raw.decode(utf16, "replace").removeprefix("\ufeff").encode("utf-8", "replace")
    if raw.startswith(codecs.BOM_UTF8):
        troubles.append(Trouble("FILE-BOM"))
        raw = raw[3:]
    if raw.isascii():
        return raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        japanese = _shift_jis(raw)
        if japanese is not None:
            troubles.append(Trouble("FILE-SJIS", {"line": line, "encoding": ENCODING}))
            return japanese.encode("utf-8")
        troubles.append(Trouble("FILE-ENC", {"byte": f"0x{raw[error.start]:02X}", "line": line}))
        return raw.decode("utf-8", "replace").encode("utf-8")
    return raw


def _utf16(raw: bytes) -> str | None:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = raw[:512]
    if len(head) >= 8:
        odd, even = head[1::2].count(0), head[0::2].count(0)
        if odd > len(head) * 0.4 and even < len(head) * 0.1:
            return "utf-16-le"
        if even > len(head) * 0.4 and odd < len(head) * 0.1:
            return "utf-16-be"
    return None


def _shift_jis(raw: bytes) -> str | None:
    """The text if the bytes are Shift_JIS and hold Japanese; western code pages rarely decode, and never to kana."""
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    japanese = sum(
        1 for one in text if "\u3040" <= one <= "\u30ff" or "\u4e00" <= one <= "\u9fff" or "\uff00" <= one <= "\uff60"
    )
    others = sum(1 for one in text if one > "\x7f") - japanese
    return text if japanese > others else None


def _line_ends(raw: bytes, troubles: list[Trouble]) -> bytes:
    if b"\r" not in raw:
        return raw
    crlf, lf = raw.count(b"\r\n"), raw.count(b"\n")
    lone = raw.count(b"\r") - crlf
    if lone:
        at = next(at for at in _places(raw, b"\r") if raw[at + 1 : at + 2] != b"\n")
        line = len(raw[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
        troubles.append(Trouble("FILE-CR", {"line": line}))
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if lf != crlf:
        troubles.append(Trouble("FILE-EOL", {"crlf": crlf, "lf": lf - crlf}))
    return raw


def _places(raw: bytes, wanted: bytes) -> list[int]:
    places, at = [], raw.find(wanted)
    while at >= 0:
        places.append(at)
        if raw[at + 1 : at + 2] != b"\n":
            break
        at = raw.find(wanted, at + 1)
    return places
