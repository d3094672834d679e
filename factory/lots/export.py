"""Export: a lot's passed units as the portal's upload files, and as a workbook for people."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from factory.config import Product
from factory.errors import Exit, FactoryError, UsageError
from factory.files import make_folder, read_bytes
from factory.identity import KeySource
from factory.ledger import LotRecord, PassedUnit, UploadFile
from factory.ledger.sshsig import SigningKey
from factory.lots.manifest import Manifests, complete_newest, write_manifest
from factory.lots.rows import code_of, upload_table
from factory.sheets import REMOTEIT_BULK, Part, encode_csv, write_csv
from factory.sheets.xlsx import write_xlsx
from factory.values import Event, RowState

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class ExportError(FactoryError):
    """A lot cannot be exported; nothing was recorded. `code` is `export.CAUSE`."""

    code = "export"
    exit_code = Exit.FAILED


class Lots(Protocol):
    """Where the product of a lot is asked."""

    def lot(self, lot: str) -> LotRecord:
        """The lot. Raises UsageError for one that is not there."""


class Uploads(Lots, Manifests, Protocol):
    """What an export wants from the ledger."""

    def passed_units(self, lot: str, *, states: Collection[RowState] | None = None) -> tuple[PassedUnit, ...]:
        """The passed units of a lot in the order of their passing."""

    def next_upload(self, lot: str) -> int:
        """The number of the lot's next upload file, from 1."""

    def stages_due(self, lot: str, names: Sequence[str], waiting: Collection[PassedUnit]) -> Mapping[int, str]:
        """Which of these units have not done every stage, and the first that each waits for."""

    def events_about(self, names: Collection[str]) -> tuple[Event, ...]:
        """The events that these names of files stand for."""

    def mark_exported(
        self, lot: str, files: Sequence[UploadFile], *, stages: Sequence[str] = (), folder: str | None = None
    ) -> Event:
        """Record upload files in one transaction. Raises UsageError for a unit that is in a live upload, or that has
        not done every stage.
        """


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: upload files in order, the workbook for people, how many units are in them, and the
    manifest with the hashes of all. `waiting` says how many units were left out, by the stage that they wait for.
    """

    lot: str
    files: tuple[Path, ...]
    workbook: Path
    rows: int
    manifest: Path
    waiting: Mapping[str, int] = field(default_factory=dict)


def export(
    ledger: Uploads,
    product: Product,
    lot: str,
    out: Path,
    *,
    only_rejected: bool = False,
    key: SigningKey | None = None,
) -> Exported:
    """Write the upload files of a lot's passed units that are in no upload yet, then record them in the ledger; with
    `only_rejected` of those that the portal refused.

    The files are there, read back and compared, before the ledger says so: an export that is cut short is simply
    done again, and where only the manifest was missing it is written first. They hold registration keys and have mode
    0600. The manifest is written last, signed with `key`: it names the end of the ledger's chain of events after the
    export.

    Units that have not done every [[stage]] of the product are left out.

    Raises ExportError: no unit waits (`export.nothing`; `export.stages` where all wait for a stage), the lot is another
    product's (`export.product`), a unit's key does not come out as it was when the unit passed (`export.key`), two rows
    would collide (`export.duplicate`), another file is in the way (`export.exists`). Also SheetError, FileError,
    SecretError, UsageError and what the ledger raises.
    """
    code_of(product)  # a cloud without uploads is told so before the ledger is asked
    require_product(ledger, product, lot)
    complete_newest(ledger, lot, out, key)
    # A unit that was made again stands in no live row: it has to be published anew.
    waiting = (RowState.REJECTED,) if only_rejected else (RowState.UNLISTED, RowState.NEEDS_REPUBLISH)
    passed = ledger.passed_units(lot, states=waiting)
    due = ledger.stages_due(lot, product.stages, passed)
    units = tuple(unit for unit in passed if unit.unit not in due)
    late = dict(sorted(Counter(due.values()).items()))
    if not units:
        raise _nothing(ledger, lot, late, only_rejected=only_rejected)
    keys = KeySource.open(product.identity.key, product.folder)
    table = upload_table(units, product, keys)
    rows: list[tuple[str, ...]] = list(table.itertuples(index=False, name=None))
    number = ledger.next_upload(lot)
    parts = encode_csv(rows, REMOTEIT_BULK)
    names = [_name(lot, number + index) for index in range(len(parts))]
    make_folder(out)
    for name, part in zip(names, parts, strict=True):
        require_free(out / name, part)
    files = tuple(write_csv(part, REMOTEIT_BULK, out / name) for name, part in zip(names, parts, strict=True))
    workbook = write_xlsx(rows, REMOTEIT_BULK, out / f"{Path(names[0]).stem}.xlsx")
    companions = {workbook.name: _sha256(read_bytes(workbook))}
    uploads = [
        UploadFile(path.name, number + index, _sha256(part.content), _units_of(part, units), companions)
        for index, (path, part) in enumerate(zip(files, parts, strict=True))
    ]
    try:
        ledger.mark_exported(lot, uploads, stages=product.stages, folder=str(out.resolve()))
    except UsageError:
        _take_away(ledger, (*files, workbook))
        raise
    manifest = write_manifest(ledger, lot, names[0], out, key)
    return Exported(lot, files, workbook, len(rows), manifest, late)


def _take_away(ledger: Uploads, files: Sequence[Path]) -> None:
    """Remove the files of an export that the ledger refused, because somebody was quicker: nobody shall upload them.
    What the quicker one wrote into this very folder stays.
    """
    kept: set[str] = set()
    for event in ledger.events_about({path.name for path in files}):
        if event.kind == "upload.exported" and event.data.get("folder") == str(files[0].parent.resolve()):
            kept |= {path.name for path in files}
    for path in files:
        if path.name not in kept:
            path.unlink()


def require_product(ledger: Lots, product: Product, lot: str) -> None:
    """Raise UsageError (`export.product`) unless this is the product that the lot was made as."""
    bound = ledger.lot(lot).binding.product
    if bound != product.product.name:
        raise UsageError(
            f"lot {lot} was made as product {bound}, and {product.folder / 'product.toml'} is {product.product.name}",
            hint="Name the product file of the lot.",
            code="export.product",
        )


def _nothing(ledger: Uploads, lot: str, late: Mapping[str, int], *, only_rejected: bool) -> ExportError:
    if late:
        many = sum(late.values())
        told = ", ".join(f"{count} for stage {stage}" for stage, count in late.items())
        message = f"{many} passed unit{'s' if many > 1 else ''} of lot {lot} wait: {told}; no other waits for an upload"
        hint = "Only units that did every [[stage]] of the product go out."
        return ExportError(message, hint=hint, code="export.stages")
    if only_rejected:
        hint = "Take the portal's answer in first: factory sheet verdicts FILE --lot LOT."
        return ExportError(f"the portal has refused no unit of lot {lot}", hint=hint, code="export.nothing")
    listed = len(ledger.passed_units(lot))
    if listed:
        message = f"every passed unit of lot {lot} ({listed}) is in an upload already"
        return ExportError(message, hint="`factory ledger trace` names the upload of a unit.", code="export.nothing")
    message = f"no unit of lot {lot} stands as passed"
    hint = "Only passed units go out: not those in rework, in quarantine or scrapped (`factory ledger show`)."
    return ExportError(message, hint=hint, code="export.nothing")


def require_free(path: Path, part: Part) -> None:
    """Raise ExportError (`export.exists`) when another content is at `path`.

    The same bytes may be there from an export that was cut short; anything else is somebody's upload file.
    """
    if path.exists() and read_bytes(path) != part.content:
        raise ExportError(
            f"{path} is there, with another content",
            hint="Another ledger's? Then name another folder. Or an export that was cut short left it, and the ledger "
            "knows nothing of it: if nobody uploaded it, delete it and export again. Nothing was written.",
            code="export.exists",
        )


def _units_of(part: Part, units: Sequence[PassedUnit]) -> tuple[int, ...]:
    return tuple(unit.unit for unit in units[part.first : part.first + len(part.rows)])


def _name(lot: str, number: int) -> str:
    return f"{_UNSAFE.sub('_', lot)}-upload-{number:03d}.csv"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
