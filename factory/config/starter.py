"""A product folder to start from: the sample with its comments, the templates, and a fresh master secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from factory import resources
from factory.config.load import load_product
from factory.config.toml_text import Setting, with_settings
from factory.errors import UsageError
from factory.files import PRIVATE, make_folder, read_bytes, write_bytes, write_text

MASTER_SECRET = "master.secret"  # noqa: S105 - a file name
BULK = "remoteit-bulk"
KINDS = (BULK, "remoteit-package", "xyte")
_TEMPLATES = {BULK: "connectd", "remoteit-package": "remoteit", "xyte": "xyte"}
_EXTRA = {BULK: ("persistence",)}
_LABEL = "label"
_BENCH = "bench.toml"
_PLAIN, _PROGRAM = 0o644, 0o755
_SECRET_BYTES = 32


def write_product_folder(
    target: Path,
    kind: str = BULK,
    *,
    bulk_identification_code: str | None = None,
    settings: Mapping[str, Setting] | None = None,
) -> Path:
    """Make a product folder of a `kind` at `target` and return the path of its product.toml.

    `settings` are dotted keys of product.toml (`unit.login.user`), put into the file with its comments kept. For
    `remoteit-bulk` a master secret is made with mode 0600 unless one is there, and connectd's persistence kit is put
    beside the templates; with a code the file is loaded, and so checked, without one it holds a placeholder that
    `factory run` refuses. Nothing that exists is overwritten.

    Raises UsageError (unknown kind, something in the way), ConfigError (settings) and FileError.
    """
    if kind not in _TEMPLATES:
        raise UsageError(f"there is no kind of product {kind!r}", hint=f"There are: {', '.join(sorted(_TEMPLATES))}.")
    files = _files(kind)
    _require_room(target, files)
    changes: dict[str, Setting] = dict(settings or {})
    if bulk_identification_code is not None:
        changes["registration.bulk_identification_code"] = bulk_identification_code
    text = files.pop("product.toml").decode("utf-8")
    make_folder(target)
    for name, content in files.items():
        make_folder((target / name).parent)
        write_bytes(target / name, content, mode=_PROGRAM if content.startswith(b"#!") else _PLAIN)
    if kind == BULK and not (target / MASTER_SECRET).exists():
        write_text(target / MASTER_SECRET, secrets.token_hex(_SECRET_BYTES) + "\n", mode=PRIVATE)
    product = target / "product.toml"
    write_text(product, with_settings(text, changes))
    if kind != BULK or "registration.bulk_identification_code" in changes:
        load_product(product)
    return product


def _files(kind: str) -> dict[str, bytes]:
    sample, templates = resources.sample(kind), resources.template_set(_TEMPLATES[kind])
    files = {path.relative_to(sample).as_posix(): read_bytes(path) for path in _below(sample)}
    # A bench is the same for every cloud.
    files.setdefault(_BENCH, read_bytes(resources.sample(BULK) / _BENCH))
    for folder in (templates, resources.template_set(_LABEL)):
        for path in _below(folder):
            files[f"templates/{folder.name}/{path.relative_to(folder).as_posix()}"] = read_bytes(path)
    for name in _EXTRA.get(kind, ()):
        kit = resources.template_set(name)
        files |= {f"{name}/{path.relative_to(kit).as_posix()}": read_bytes(path) for path in _below(kit)}
    return files


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _require_room(target: Path, files: Mapping[str, bytes]) -> None:
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file", hint="Name a folder that is new or empty.")
    taken = [name for name in files if (target / name).exists()]
    if taken:
        raise UsageError(
            f"{target} already has {taken[0]}" + (f" and {len(taken) - 1} more" if len(taken) > 1 else ""),
            hint="Nothing was written. Name a folder that is new or empty.",
            code="init.exists",
        )
