"""WHAT HAPPENED: schema and migrations, admission, journal, trace."""

from factory.ledger.errors import HostKeyAlarm, LedgerError, LotChanged, Refused
from factory.ledger.ledger import Ledger
from factory.ledger.opening import open_ledger
from factory.ledger.records import (
    Attempt,
    Binding,
    HookDue,
    KnownHostKey,
    LotRecord,
    LotSummary,
    Overview,
    PassedUnit,
    Restore,
    Trace,
    UnitHistory,
    UploadFile,
    UploadRecord,
)

__all__ = [
    "Attempt",
    "Binding",
    "HookDue",
    "HostKeyAlarm",
    "KnownHostKey",
    "Ledger",
    "LedgerError",
    "LotChanged",
    "LotRecord",
    "LotSummary",
    "Overview",
    "PassedUnit",
    "Refused",
    "Restore",
    "Trace",
    "UnitHistory",
    "UploadFile",
    "UploadRecord",
    "open_ledger",
]
