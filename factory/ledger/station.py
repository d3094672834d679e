"""One process per station, so that what is open at its start was left by a crash and by nobody else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from factory.errors import UsageError
from factory.ledger.errors import LedgerError


class StationLock:
    """One process per station: held from the start of a line until it ends, also when it is killed."""

    def __init__(self, ledger: Path, station: str) -> None:
        safe = re.sub(r"[^A-Za-z0-9_-]", lambda match: f"%{ord(match[0]):02X}", station)
        self._path = ledger.with_name(f"{ledger.name}.{safe}.lock")
        self._station = station
        self._descriptor = self._take()

    def release(self) -> None:
        """Give the station back; the file goes first, while nobody else can hold it."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _take(self) -> int:
        import fcntl

        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = os.fstat(descriptor)
                # Its holder may have removed the file between our open and our lock.
                if self._path.exists() and os.path.samestat(held, self._path.stat()):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()}\n".encode())
                    return descriptor
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise UsageError(
                    f"station {self._station} is already running in process {holder}",
                    hint="Stop it first, or give this bench file another station name.",
                    code="ledger.station-busy",
                ) from None
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(
                f"station {self._station} cannot be taken: {self._path}: {error.strerror}",
                hint="Check the rights and the free space of the ledger's folder.",
                code="ledger.no-access",
            ) from error
