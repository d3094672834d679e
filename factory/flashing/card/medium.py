"""An opened card: whole sectors written and read past the page cache, and what its errors mean.

A file can stand in for a card in tests and benchmarks (`open_file`); nothing that a bench file says leads there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from factory.config import CardReader
from factory.flashing.card.disk import CardRefused, Disk, Host, find_disk, gone
from factory.flashing.errors import FlashError

BLKROGET, BLKRRPART, BLKFLSBUF, BLKSSZGET, BLKGETSIZE64 = 0x125E, 0x125F, 0x1261, 0x1268, 0x80081272  # linux/fs.h
DIRECT, FLUSHED = "direct read", "flushed buffers, proved uncached"
_GONE = frozenset((errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.EBADF))
_FULL = frozenset((errno.ENOSPC, errno.EFBIG, errno.EDQUOT))
_HINT = "Try another card; if that fails as well, another reader or USB port."


class Medium:
    """What is written to. `sector` is the smallest piece in bytes, `size` the whole; `why_buffered` is empty where
    every byte goes past the page cache (O_DIRECT), else the system's reason why not.
    """

    def __init__(
        self, descriptor: int, name: str, size: int, sector: int, *, why_buffered: str = "",
        is_gone: Callable[[], bool] = bool, is_device: bool = False,
    ) -> None:  # fmt: skip
        self._descriptor, self._is_gone, self._is_device = descriptor, is_gone, is_device
        self.name, self.size, self.sector, self.why_buffered = name, size, sector, why_buffered

    def write(self, offset: int, data: memoryview) -> None:
        """Write whole sectors. Raises FlashError (`card.full`, `card.pulled`, `card.write`)."""
        done = 0
        while done < len(data):
            try:
                done += os.pwrite(self._descriptor, data[done:], offset + done)
            except OSError as error:
                raise self._failed("written", offset + done, error) from error

    def read(self, offset: int, into: memoryview) -> int:
        """Read whole sectors; how many bytes came, fewer than asked at the end only. Raises FlashError."""
        done = 0
        while done < len(into):
            try:
                got = os.preadv(self._descriptor, [into[done:]], offset + done)
            except OSError as error:
                raise self._failed("read", offset + done, error) from error
            if got == 0:
                break
            done += got
        return done

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Any bytes, wherever they lie. Raises FlashError."""
        start = offset - offset % self.sector
        end = min(offset + length + -(offset + length) % self.sector, self.size)
        if end <= start:
            return b""
        with mmap.mmap(-1, end - start) as buffer, memoryview(buffer) as view:
            got = self.read(start, view)
            return bytes(view[offset - start : min(got, offset - start + length)])

    def sync(self) -> None:
        """Have the card keep what it was given. Raises FlashError."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._failed("synced", 0, error) from error

    def uncache(self, ranges: Iterator[tuple[int, int]]) -> str:
        """Make the next read come from the card, and say how that is known; `ranges` are the (offset, length) that
        were written. Raises FlashError (`card.not-verifiable`) where it cannot be known.
        """
        self.sync()
        if not self.why_buffered:
            return DIRECT
        if self._is_device:
            fcntl.ioctl(self._descriptor, BLKFLSBUF)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        probe = bytearray(self.sector)
        for offset, length in ranges:
            for place in (offset, offset + length - self.sector):
                if self._is_cached(place, probe):
                    raise self._unverifiable("what was written stays in this computer's memory")
        return FLUSHED

    def _is_cached(self, offset: int, probe: bytearray) -> bool:
        """True when a read that may not wait for the card brings something all the same."""
        try:
            return os.preadv(self._descriptor, [probe], offset, os.RWF_NOWAIT) > 0
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._unverifiable(f"this system cannot tell what is cached: {error.strerror}") from error

    def reread_table(self) -> str:
        """Let the kernel read the partition table again; why it would not, empty when it did."""
        if not self._is_device:
            return ""
        try:
            fcntl.ioctl(self._descriptor, BLKRRPART)
        except OSError as error:
            return f"the system did not read the new partition table: {error.strerror}"
        return ""

    def require_same(self) -> None:
        """Raise FlashError (`card.pulled`) when the medium is not the one that was opened."""
        if self._is_gone():
            raise FlashError(f"{self.name}: the card was pulled", hint=_PULLED, code="card.pulled")

    def close(self) -> None:
        """Give the card back."""
        os.close(self._descriptor)

    def _failed(self, what: str, offset: int, error: OSError) -> FlashError:
        if error.errno in _GONE or self._is_gone():
            return FlashError(f"{self.name}: the card was pulled at byte {offset}", hint=_PULLED, code="card.pulled")
        if error.errno in _FULL:
            message = f"{self.name} is full at byte {offset}: {error.strerror}"
            return FlashError(message, hint="Take a larger card, or a smaller image.", code="card.full")
        message = f"{self.name} cannot be {what} at byte {offset}: {error.strerror}"
        return FlashError(message, hint=_HINT, code="card.io")

    def _unverifiable(self, why: str) -> FlashError:
        message = f"{self.name} cannot be read past the page cache ({self.why_buffered}), and {why}"
        return FlashError(message, hint="Use another reader or another station.", code="card.not-verifiable")


@contextlib.contextmanager
def open_card(reader: CardReader, host: Host | None = None) -> Iterator[Medium]:
    """Open the card in a reader for this program alone. Looked at before and after: what is opened is what was
    found fit. Raises CardRefused, and nothing was written then.
    """
    host = host or Host()
    disk = find_disk(reader, host)
    descriptor, why = _opened(reader, disk)
    try:
        if os.fstat(descriptor).st_rdev != disk.number or find_disk(reader, host) != disk:
            message = f"card {reader.name} ({reader.path}): another device came while it was opened"
            raise CardRefused(message, hint="Try again.", code="card.pulled")
        size = struct.unpack("Q", fcntl.ioctl(descriptor, BLKGETSIZE64, bytes(8)))[0]
        sector = struct.unpack("I", fcntl.ioctl(descriptor, BLKSSZGET, bytes(4)))[0]
        if struct.unpack("I", fcntl.ioctl(descriptor, BLKROGET, bytes(4)))[0]:
            raise _refused(reader, "read-only", "the card is read-only", "Look at its write-protect switch.")
        if size != disk.size:
            raise _refused(reader, "pulled", f"the card had {disk.size} bytes and now has {size}", "Try again.")
        yield Medium(
            descriptor, f"card {reader.name}", size, sector, why_buffered=why,
            is_gone=lambda: gone(disk, host), is_device=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_file(path: Path, *, sector: int = 512, direct: bool = True) -> Iterator[Medium]:
    """A regular file of the card's size that stands in for a card. For tests and benchmarks."""
    flags = os.O_RDWR | os.O_CLOEXEC
    why = "" if direct else "not asked for"
    try:
        descriptor = os.open(path, flags | (os.O_DIRECT if direct else 0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        descriptor, why = os.open(path, flags), _reason(error)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is no regular file")
        yield Medium(descriptor, f"file {path.name}", status.st_size, sector, why_buffered=why)
    finally:
        os.close(descriptor)


def _opened(reader: CardReader, disk: Disk) -> tuple[int, str]:
    # Of a block device O_EXCL without O_CREAT means: fail while it, or a partition of it, is mounted or held.
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(disk.device, flags | os.O_DIRECT), ""
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise _not_opened(reader, disk, error) from error
        why = _reason(error)
    try:
        return os.open(disk.device, flags), why
    except OSError as error:
        raise _not_opened(reader, disk, error) from error


def _not_opened(reader: CardReader, disk: Disk, error: OSError) -> CardRefused:
    if error.errno == errno.EBUSY:
        return _refused(reader, "busy", f"{disk.device} is in use", "Unmount it; is another program writing to it?")
    if error.errno in _GONE:
        return _refused(reader, "empty", "there is no card in the reader", "Insert a card.")
    if error.errno == errno.EROFS:
        return _refused(reader, "read-only", "the card is read-only", "Look at its write-protect switch.")
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "Whoever works at the station must be allowed to write to it: usually the group `disk`, or a udev rule."
        return _refused(reader, "rights", f"no right to write to {disk.device}", hint)
    return _refused(reader, "busy", f"{disk.device} cannot be opened: {error.strerror}", _HINT)


def _reason(error: OSError) -> str:
    return f"O_DIRECT: {error.strerror}"


def _refused(reader: CardReader, what: str, message: str, hint: str) -> CardRefused:
    return CardRefused(f"card {reader.name} ({reader.path}): {message}", hint=hint, code=f"card.{what}")


_PULLED = "What it holds is worth nothing. Insert it, or another, and write it again."
