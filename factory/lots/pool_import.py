"""A supplier's file into a pool: judged whole, and imported whole or not at all."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from factory.config import Product, RulesSection
from factory.errors import UsageError
from factory.ledger.pool_records import PlacedRun, PoolFile, PoolImported
from factory.lots.pool_lines import PoolRefused, read_lines
from factory.values import Finding, Mac, Severity
from factory.values.mac import placeholders
from factory.values.pools import PoolKind, PoolSpec, Run, shown_value


class Pools(Protocol):
    """What an import wants from the ledger."""

    def import_pool(self, spec: PoolSpec, file: PoolFile, runs: Sequence[PlacedRun]) -> PoolImported:
        """Add a supplier's ranges to a pool, all or none."""


@dataclass(frozen=True, slots=True)
class ImportedPool:
    """What an import came to, and what deserves a look although it passed."""

    spec: PoolSpec
    file: PoolFile
    done: PoolImported
    warnings: tuple[Finding, ...]


def spec_of(product: Product, name: str) -> PoolSpec:
    """A pool of a product by its name. Raises UsageError naming those that there are."""
    for pool in product.pool:
        if pool.name == name:
            return pool.spec(product.product.name)
    there = ", ".join(pool.name for pool in product.pool)
    raise UsageError(
        f"product {product.product.name} has no pool {name!r}",
        hint=f"There are: {there}." if there else "Declare it in product.toml: [[pool]].",
        code="pool.unknown",
    )


def import_pool(ledger: Pools, product: Product, name: str, path: Path) -> ImportedPool:
    """Import a supplier's file. Raises PoolRefused with every finding, PoolTaken naming every overlap with what the
    ledger has, UsageError, FileError and LedgerError.
    """
    spec = spec_of(product, name)
    lines = read_lines(path, spec.kind)
    findings = [*lines.findings, *_doubles(lines.runs)]
    runs = _joined(lines.runs)
    known = placeholders()
    findings += [finding for placed in runs for finding in _judged(placed, product.identity.rules, known)]
    if not lines.runs and not findings:
        findings.append(Finding("POOL-EMPTY", Severity.ERROR, "file", "there is no value in it"))
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise PoolRefused(path.name, findings)
    findings += [finding for placed in runs for finding in _left_over(placed, spec)]
    return ImportedPool(spec, lines.file, ledger.import_pool(spec, lines.file, runs), tuple(findings))


def _doubles(runs: Sequence[PlacedRun]) -> Iterator[Finding]:
    """Values that stand in the file twice."""
    widest: PlacedRun | None = None
    for placed in sorted(runs, key=lambda one: (one.run.prefix, one.run.width, one.run.low, -one.run.high)):
        run = placed.run
        if widest is not None and _same_row(widest.run, run) and run.low <= widest.run.high:
            both = Run(run.kind, run.prefix, run.width, run.low, min(run.high, widest.run.high))
            message = f"{both} stands in {widest.place} too"
            yield Finding("POOL-TWICE", Severity.ERROR, placed.place, message, "A value is given once.")
        if widest is None or not _same_row(widest.run, run) or run.high > widest.run.high:
            widest = placed


def _joined(runs: Sequence[PlacedRun]) -> list[PlacedRun]:
    """Runs that follow each other as one: single values of a list make cells only together."""
    joined: list[PlacedRun] = []
    for placed in sorted(runs, key=lambda one: one.run):
        before = joined[-1] if joined else None
        if before is not None and _follows(before.run, placed.run):
            high = max(before.run.high, placed.run.high)
            run = Run(placed.run.kind, placed.run.prefix, placed.run.width, before.run.low, high)
            joined[-1] = PlacedRun(run, before.place)
        else:
            joined.append(placed)
    return joined


def _follows(one: Run, other: Run) -> bool:
    """Whether both may be taken for one run; two blocks of addresses stay two, also side by side."""
    if not _same_row(one, other) or one.high + 1 < other.low:
        return False
    return not Run(one.kind, one.prefix, one.width, one.high, other.low).crosses_block()


def _same_row(one: Run, other: Run) -> bool:
    return (one.kind, one.prefix, one.width) == (other.kind, other.prefix, other.width)


def _judged(placed: PlacedRun, rules: RulesSection, known: Sequence[Mac]) -> Iterator[Finding]:
    """What a unit could not have as its address (spreadsheet reference, section 8); `known` are the placeholders."""
    run = placed.run
    if run.kind is not PoolKind.MAC:
        return
    first = Mac.parse(run.text(run.low))
    if run.crosses_block():
        yield _error("POOL-BLOCK", placed, "leaves the block of its OUI", "No maker owns both: ask the supplier.")
    elif first.is_multicast:
        yield _error("MAC-MC", placed, "has the multicast bit set in its first octet", "These are no units' addresses.")
    elif first.is_local:
        if not rules.allow_locally_administered:
            hint = "Set identity.rules.allow_locally_administered if the product's addresses are made up."
            yield _error("MAC-LAA", placed, "is locally administered; not allowed by this product", hint)
    else:
        yield from _outside(placed, rules.oui)
    low, high = bisect.bisect_left(known, run.low, key=_number), bisect.bisect_right(known, run.high, key=_number)
    for mac in known[low:high]:
        defect = mac.defect()
        why = "" if defect is None else defect[1]
        what = why if run.size == 1 else f"has {mac}, which {why}"
        yield _error("ID-SENTINEL", placed, what, "Leave it out of the range: no unit passes.")


def _number(mac: Mac) -> int:
    return mac.number


def _outside(placed: PlacedRun, blocks: Sequence[str]) -> Iterator[Finding]:
    """Addresses that lie in none of the product's blocks."""
    if not blocks:
        return
    at, run = placed.run.low, placed.run
    for low, high in sorted((int(f"{oui:0<12}", 16), int(f"{oui:f<12}", 16)) for oui in blocks):
        if low <= at <= high:
            at = high + 1
    if at <= run.high:
        what = "is in no address block of this product"
        if run.size > 1:
            what = f"has {shown_value(run.kind, run.text(at))}, which {what}"
        yield _error("MAC-OUI", placed, what, f"Allowed: {', '.join(blocks)}.")


def _left_over(placed: PlacedRun, spec: PoolSpec) -> Iterator[Finding]:
    cut = spec.cut(placed.run)
    left = placed.run.size - cut.cells * spec.count
    if left:
        message = f"{placed.run}: {left} of {placed.run.size} values make no cell of {spec.count}"
        hint = f"A cell begins at a multiple of {spec.align}. They stay unused."
        yield Finding("POOL-LEFT", Severity.WARNING, placed.place, message, hint)


def _error(code: str, placed: PlacedRun, what: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, placed.place, f"{placed.run} {what}", hint)
