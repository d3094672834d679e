"""A workbook's archive, judged before anything opens it: what it is, what it declares, what it really holds.

Sources: spreadsheet reference, section 5: neither reader caps sizes, and a header's sizes can lie.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from factory.sheets.finding import Trouble
from factory.sheets.reading.source import Unreadable

MOST_ENTRIES = 2_000
MOST_BYTES = 512 * 1024 * 1024
MOST_RATIO = 150
_RATIO_FROM = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DTD = "<!DOCTYPE"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"<\0": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\0<": "utf-16-be"}
_LOCAL = struct.Struct("<4s22xHH")


@dataclass(slots=True)
class Archive:
    """A workbook whose archive has been judged; `parts` reads one entry in chunks, never more than it declares."""

    raw: bytes
    entries: dict[str, zipfile.ZipInfo]

    def parts(self, name: str) -> Iterator[bytes]:
        """The content of an entry in pieces. Raises Unreadable when it is not what the archive declares."""
        return _inflated(self.raw, self.entries[name])

    def read(self, name: str, most: int = 16 * 1024 * 1024) -> bytes:
        """A small entry as a whole. Raises Unreadable when it is larger than `most` bytes."""
        if self.entries[name].file_size > most:
            raise _bomb(f"{name} declares {_megabytes(self.entries[name].file_size)}")
        return b"".join(self.parts(name))


def judge_archive(raw: bytes) -> Archive:
    """Judge the bytes of what should be an .xlsx workbook. Raises Unreadable with the reason in its trouble."""
    if raw.startswith(_OLE):
        locked = "EncryptedPackage".encode("utf-16-le") in raw
        raise Unreadable(Trouble("XLS-PASSWORD" if locked else "XLS-OLD"))
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            listed = file.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, UnicodeDecodeError, EOFError) as error:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"its archive cannot be read: {error}"})) from error
    entries = {entry.filename: entry for entry in listed}
    _judge_kind(entries, raw)
    _judge_sizes(listed, entries, len(raw))
    archive = Archive(raw, entries)
    _judge_content(archive)
    return archive


def _judge_kind(entries: dict[str, zipfile.ZipInfo], raw: bytes) -> None:
    if any(entry.flag_bits & 1 for entry in entries.values()):
        raise Unreadable(Trouble("XLS-PASSWORD"))
    if "mimetype" in entries and b"application/vnd.oasis.opendocument" in raw[:400]:
        raise Unreadable(Trouble("XLS-ODS"))
    if "xl/workbook.bin" in entries:
        raise Unreadable(Trouble("XLS-BINARY"))
    if any(name.lower().endswith("vbaproject.bin") for name in entries):
        raise Unreadable(Trouble("XLS-MACRO"))
    linked = [name for name in entries if name.startswith("xl/externalLinks/")]
    if linked:
        raise Unreadable(Trouble("XLS-LINK", {"what": f"{len(linked)} part(s) such as {linked[0]}"}))
    if "[Content_Types].xml" not in entries or "xl/workbook.xml" not in entries:
        if any(name.endswith(".iwa") for name in entries):
            what = "a Numbers document"
        else:
            what = "an archive without a workbook in it"
        raise Unreadable(Trouble("FILE-TYPE", {"what": what, "hint": "Save the sheet as an .xlsx workbook."}))


def _judge_sizes(listed: list[zipfile.ZipInfo], entries: dict[str, zipfile.ZipInfo], size: int) -> None:
    declared = sum(entry.file_size for entry in listed)
    packed = sum(entry.compress_size for entry in listed)
    if len(entries) != len(listed):
        raise _bomb("it has two entries of one name")
    if len(listed) > MOST_ENTRIES:
        raise _bomb(f"it has {len(listed)} entries")
    if declared > MOST_BYTES or (declared > _RATIO_FROM and declared > MOST_RATIO * size):
        raise _bomb(f"it declares {_megabytes(declared)} from {_megabytes(size)}")
    if packed > size:
        raise _bomb("its entries overlap")


def _judge_content(archive: Archive) -> None:
    """Read every XML part once, with its declared size as the cap: a DTD or a lie about sizes refuses the file."""
    for name in archive.entries:
        if name.startswith("xl/worksheets/sheet"):
            continue  # read, and judged the same way, where the sheet is scanned
        if name.lower().endswith((".xml", ".rels", ".vml")):
            for _ in watched(archive, name):
                pass


def watched(archive: Archive, name: str) -> Iterator[bytes]:
    """The pieces of an XML part, refused at the first DTD. Raises Unreadable."""
    tail, mark = b"", b""
    for piece in archive.parts(name):
        mark = mark or _DTD.encode(_UTF16.get(piece[:2], "ascii"))
        if mark in piece or mark in tail + piece[: len(mark)]:
            raise _bomb(f"DTD in {name}")
        tail = piece[-len(mark) :]
        yield piece


def _inflated(raw: bytes, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    from isal import isal_zlib

    if raw[entry.header_offset : entry.header_offset + 4] != b"PK\x03\x04":
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"{entry.filename} is not where the archive says"}))
    _, name, extra = _LOCAL.unpack_from(raw, entry.header_offset)
    start = entry.header_offset + 30 + name + extra
    packed = memoryview(raw)[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        pieces: Iterator[bytes] = (bytes(packed[at : at + _CHUNK]) for at in range(0, len(packed), _CHUNK))
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        pieces = _inflate(packed, entry.filename)
    else:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"{entry.filename} is packed in an unknown way"}))
    real, checksum = 0, 0
    for piece in pieces:
        real += len(piece)
        if real > entry.file_size:
            raise _bomb(f"{entry.filename} holds more than it declares")
        checksum = isal_zlib.crc32(piece, checksum)
        yield piece
    if real != entry.file_size or checksum != entry.CRC:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"{entry.filename} is damaged"}))


def _inflate(packed: memoryview, name: str) -> Iterator[bytes]:
    from isal import isal_zlib
    from isal.igzip_lib import IsalError

    inflater = isal_zlib.decompressobj(-15)
    rest: bytes | memoryview = packed
    try:
        while not inflater.eof:
            piece = inflater.decompress(rest, _CHUNK)
            rest = inflater.unconsumed_tail
            if not piece and not rest:
                break
            yield piece
    except IsalError as error:  # type: ignore[misc]  # a class, made in C without a stub
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"{name} is damaged"})) from error


def _bomb(why: str) -> Unreadable:
    return Unreadable(Trouble("XLS-BOMB", {"why": why}))


def _megabytes(size: int) -> str:
    if size < 100_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB" if size < 10_000_000 else f"{size // 1_000_000} MB"
