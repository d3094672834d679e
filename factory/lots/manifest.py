"""The manifest of an export: what was handed out, by hash, and where the ledger stood. Written last; no secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.config import Product
from factory.files import read_bytes, write_bytes
from factory.ledger import Head, LotRecord
from factory.values import Event, canonical

SCHEMA = "factory.export/1"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of an export: how many rows it has, and the hardware ids of the first and the last."""

    path: Path
    rows: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What an export was made of."""

    lot: LotRecord
    product: Product
    profile: str
    files: Sequence[Listed]
    workbook: Path
    event: Event
    operator: str
    head: Head


def write_manifest(path: Path, facts: Facts) -> Path:
    """Write the manifest as canonical JSON with mode 0644. The hashes are of what is on disk now. Raises FileError."""
    rows = sum(file.rows for file in facts.files)
    document = {
        "schema": SCHEMA,
        "lot": facts.lot.name,
        "product": facts.product.product.name,
        "product_sha256": facts.product.sha256,
        "template_sha256": facts.lot.binding.template_sha256,
        "key_version": facts.lot.binding.key_version,
        "profile": facts.profile,
        "files": [
            {**_file(file.path), "rows": file.rows, "first": file.first, "last": file.last} for file in facts.files
        ],
        "workbook": {**_file(facts.workbook), "rows": rows},
        "rows": rows,
        "exported_at": facts.event.as_json()["at"],
        "station": facts.event.station,
        "operator": facts.operator,
        "ledger_head": {"station": facts.head.station, "seq": facts.head.seq, "sha256": facts.head.hash},
    }
    write_bytes(path, canonical(document) + b"\n")
    return path


def _file(path: Path) -> dict[str, object]:
    content = read_bytes(path, limit=1 << 30)
    return {"name": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
