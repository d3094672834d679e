"""What a worker does: rows in, images out. Pure but for the folder that it may write to; everything is picklable."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from factory.config import BulkRegistration, Product
from factory.errors import FactoryError
from factory.identity import Identifier, KeySource
from factory.images import Builder
from factory.images.pack import image_record
from factory.images.shards import write_sharded
from factory.lots.build_rows import Wanted
from factory.values import (
    BulkIdentificationCode,
    Category,
    DeviceName,
    Facts,
    HardwareId,
    Identity,
    InvalidValue,
    Mac,
    RegistrationKey,
    Work,
)

_DERIVED = "{{ derive(hardware_id) }}"
_NAMED = "{{ hardware_id }}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no image: plain texts, since not every exception survives the way back from a worker."""

    row: int
    hardware_id: str
    message: str
    hint: str
    code: str


@dataclass(frozen=True, slots=True)
class Made:
    """What a worker made of a chunk, up to the first failure: ids, and the joined records with their lengths, which
    are empty when it wrote the images to a folder. `notes` are by row.
    """

    names: tuple[bytes, ...]
    lengths: tuple[int, ...]
    data: bytes = field(repr=False)
    notes: tuple[str, ...]
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """The batch as a worker needs it. `folder` is where it writes images to, None for records."""

    builder: Builder
    identifier: Identifier
    keys: KeySource
    product: str
    code: str
    key_expression: str
    name_expression: str
    folder: Path | None

    @classmethod
    def of(cls, product: Product, builder: Builder, keys: KeySource, folder: Path | None) -> Task:
        """The task of one product. Raises UsageError for an expression that cannot be compiled."""
        section, registration = product.identity, product.registration
        identifier = Identifier.open(section, registration, keys, product.product.name)
        code = registration.bulk_identification_code if isinstance(registration, BulkRegistration) else ""
        return cls(
            builder, identifier, keys, product.product.name, code, section.registration_key, section.device_name, folder
        )

    def frozen(self) -> bytes:
        """The task as it travels. The master secret is in it: it goes to the workers of this batch and nowhere else."""
        return pickle.dumps(self)

    def make(self, rows: Iterable[Wanted]) -> Made:
        """Make the images of some rows."""
        names: list[bytes] = []
        records: list[bytes] = []
        notes: list[str] = []
        failure: Failure | None = None
        for row in rows:
            try:
                image = self.builder.build(self.identity(row))
                if self.folder is None:
                    records.append(image_record(image))
                else:
                    write_sharded(image, self.folder)
            except (FactoryError, InvalidValue) as error:
                failure = Failure(row.row, row.hardware_id, error.message, error.hint, error.code)
                break
            names.append(row.hardware_id.encode("ascii"))
            if image.note:
                notes.append(f"row {row.row}, {row.hardware_id}: {image.note}")
        return Made(tuple(names), tuple(map(len, records)), b"".join(records), tuple(notes), failure)

    def identity(self, row: Wanted) -> Identity:
        """Who the unit of a row is. Raises InvalidValue, IdentityRefused and SecretError."""
        if row.identity is not None:
            return row.identity
        hardware_id = HardwareId.parse(row.hardware_id)
        derived = not row.key
        return Identity(
            hardware_id,
            self._key(hardware_id) if derived else RegistrationKey.parse(row.key),
            DeviceName.parse(self._name(row)),
            BulkIdentificationCode(self.code),
            {name: Mac.parse(mac) for name, mac in row.macs},
            row.serial,
            {letter: Category.parse(text) for letter, text in row.categories},
            key_version=row.version if row.version is not None else self.keys.version if derived else 0,
            key_parts=dict(row.parts),
        )

    def _key(self, hardware_id: HardwareId) -> RegistrationKey:
        if self.key_expression.strip() == _DERIVED:
            return self.keys.derive(self.product, hardware_id)
        return self.identifier.registration_key(hardware_id, Facts({}, {}), Work("", {}, {}))

    def _name(self, row: Wanted) -> str:
        if row.name:
            return row.name
        if self.name_expression.strip() == _NAMED:
            return row.hardware_id
        raise InvalidValue(
            "has no device name, and [identity] device_name cannot be worked out from a sheet",
            code="NAME-NONE",
            hint="Fill DEVICE_NAME in the sheet.",
        )


@lru_cache(maxsize=2)
def _thawed(frozen: bytes) -> Task:
    """A worker compiles the templates once, not once per chunk."""
    task = pickle.loads(frozen)  # noqa: S301 - it comes from the process that started this one's work
    if not isinstance(task, Task):
        raise TypeError(f"not a task: {type(task).__name__}")
    return task


def work(frozen: bytes, rows: Sequence[Wanted]) -> Made:
    """One chunk, as any executor calls it."""
    return _thawed(frozen).make(rows)
