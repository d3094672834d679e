"""One process per station, so that what is open at its start was left by a crash and by nobody else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from factory.errors import UsageError
from factory.ledger.errors import LedgerError


class StationLock:
    """One process per station: held from the start of a line until it ends, also when it is killed.

    The system drops the lock with its process, so a file left over by a crash blocks nobody.
    """

    def __init__(self, ledger: Path, station: str) -> None:
        safe = re.sub(r"[^A-Za-z0-9_-]", lambda match: f"%{ord(match[0]):02X}", station)
        # One lock for one ledger, by whichever link it was opened.
        real = ledger.resolve()
        self._path = real.with_name(f"{real.name}.{safe}.lock")
        self._station = station
        self._descriptor = self._take()

    def release(self) -> None:
        """Give the station back; the file goes first, while nobody else can hold it."""
        try:
            if self.in_place():
                self._path.unlink()
        finally:
            os.close(self._descriptor)

    def in_place(self) -> bool:
        """Whether the lock still binds others: its file stands where they look for it."""
        return self._in_place(self._descriptor)

    def _take(self) -> int:
        while True:
            descriptor = self._open()
            try:
                if self._lock(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._not_taken(error) from error

    def _lock(self, descriptor: int) -> bool:
        """Lock an open file; False when its holder removed it between our open and our lock."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._in_place(descriptor):
                return False
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise UsageError(
                f"station {self._station} is already running in " + (f"process {holder}" if holder else "a process"),
                hint="Stop it first, or give this bench file another station name.",
                code="ledger.station-busy",
            ) from error
        except OSError as error:
            raise self._not_taken(error) from error
        return True

    def _in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _not_taken(self, error: OSError) -> LedgerError:
        return LedgerError(
            f"station {self._station} cannot be taken: {self._path}: {error.strerror}",
            hint="Check the rights and the free space of the ledger's folder.",
            code="ledger.no-access",
        )
