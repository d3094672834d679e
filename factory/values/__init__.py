"""Frozen values without I/O: what the rooms hand to each other."""

from factory.values.canonical import canonical, canonical_with, digest
from factory.values.characters import InvalidValue, ascii_faults, describe, shown
from factory.values.cloud import STATION_FAULTS, UNIT_TAKEN, CloudRecord, CloudState
from factory.values.event import Event
from factory.values.facts import ConnectdShow, Facts, Work
from factory.values.finding import Finding, Severity
from factory.values.identity import Identity
from factory.values.image import FileEntry, Manifest, Proof, Receipt
from factory.values.label import LabelCode, LabelState
from factory.values.mac import Mac
from factory.values.names import (
    BulkIdentificationCode,
    Category,
    CloudId,
    DeviceName,
    HardwareId,
    RegistrationKey,
    SerialNumber,
    sentinel,
)
from factory.values.states import AttemptState, RowState, UnitState

__all__ = [
    "STATION_FAULTS",
    "UNIT_TAKEN",
    "AttemptState",
    "BulkIdentificationCode",
    "Category",
    "CloudId",
    "CloudRecord",
    "CloudState",
    "ConnectdShow",
    "DeviceName",
    "Event",
    "Facts",
    "FileEntry",
    "Finding",
    "HardwareId",
    "Identity",
    "InvalidValue",
    "LabelCode",
    "LabelState",
    "Mac",
    "Manifest",
    "Proof",
    "Receipt",
    "RegistrationKey",
    "RowState",
    "SerialNumber",
    "Severity",
    "UnitState",
    "Work",
    "ascii_faults",
    "canonical",
    "canonical_with",
    "describe",
    "digest",
    "sentinel",
    "shown",
]
