"""WHAT HAPPENED: schema and migrations, admission, journal, trace."""

from factory.ledger.articles import Article, Kind
from factory.ledger.errors import HostKeyAlarm, LedgerError, LotChanged, OrderTaken, Refused, VerdictsRefused
from factory.ledger.flashes import UnitRecord
from factory.ledger.histories import Trace, UnitHistory
from factory.ledger.label_records import LabelRecord, LabelSubject
from factory.ledger.ledger import Ledger
from factory.ledger.manifests import ListedUnit
from factory.ledger.merging.conflicts import Conflict, MergeRefused
from factory.ledger.merging.merge import Merge
from factory.ledger.opening import open_ledger, upgrade_ledger
from factory.ledger.order_records import (
    BY_ID,
    BY_MAC,
    BY_SERIAL,
    NAME,
    Head,
    Holding,
    Imported,
    OrderFile,
    OrderKey,
    OrderRow,
    Skipped,
    Verdict,
    VerdictsTaken,
    folded,
)
from factory.ledger.recalls import Cause, Recall, Recalled
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
    UploadFile,
    UploadRecord,
)
from factory.ledger.rework import PortalRow, UnitChange
from factory.ledger.shift_records import Columns, LotRecords
from factory.ledger.stage_records import LotStop, StagedUnit, StagePlace, StageResult
from factory.ledger.upgrade import Upgrade
from factory.ledger.verdicts import ANSWERS

__all__ = [
    "ANSWERS",
    "BY_ID",
    "BY_MAC",
    "BY_SERIAL",
    "NAME",
    "Article",
    "Attempt",
    "Binding",
    "Cause",
    "Columns",
    "Conflict",
    "Head",
    "Holding",
    "HookDue",
    "HostKeyAlarm",
    "Imported",
    "Kind",
    "KnownHostKey",
    "LabelRecord",
    "LabelSubject",
    "Ledger",
    "LedgerError",
    "ListedUnit",
    "LotChanged",
    "LotRecord",
    "LotRecords",
    "LotStop",
    "LotSummary",
    "Merge",
    "MergeRefused",
    "OrderFile",
    "OrderKey",
    "OrderRow",
    "OrderTaken",
    "Overview",
    "PassedUnit",
    "PortalRow",
    "Recall",
    "Recalled",
    "Refused",
    "Restore",
    "Skipped",
    "StagePlace",
    "StageResult",
    "StagedUnit",
    "Trace",
    "UnitChange",
    "UnitHistory",
    "UnitRecord",
    "Upgrade",
    "UploadFile",
    "UploadRecord",
    "Verdict",
    "VerdictsRefused",
    "VerdictsTaken",
    "folded",
    "open_ledger",
    "upgrade_ledger",
]
