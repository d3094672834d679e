"""`factory ledger verify`: whether the ledger is whole, and the files that it names still are what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli import ledger_audit
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory.config import Bench
    from factory.lots.manifest_check import CheckedManifest
    from factory.values import Finding

_FIELDS = ("code", "severity", "place", "message", "hint")


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("verify")(verify)


def verify(
    context: typer.Context,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="Check an upload's manifest, and the files beside it; may be repeated.")
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Also look for every file that the ledger names, and compare its hash.")
    ] = False,
    folder: Annotated[
        list[Path] | None, typer.Option("--in", metavar="DIR", help="With --files: look here, too; may be repeated.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="Compare with a checkpoint that was kept elsewhere; may be repeated.")
    ] = None,
    signers: Annotated[
        Path | None, typer.Option(help="Keys that may sign: an allowed_signers or .pub file of OpenSSH.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check that the ledger is whole: the database, its constraints, the chain of events, the states of all units.

    A chain cannot tell that its end was cut off or that all of it was written anew. Checkpoints can: with --bench those
    of the station are compared, and any other with --checkpoint. A manifest is held against the files beside it, and
    each of its rows against the ledger. With --signers the signatures of both must hold.

    Exits 1 when something is wrong; a file that is only missing is told and is no error.

    Example:  factory ledger verify --bench acme/bench.toml --signers allowed_signers

    Example:  factory ledger verify --bench acme/bench.toml --manifest upload/L-upload-001.manifest.json
    """
    from factory.cli.flash_show import counted
    from factory.config import load_bench
    from factory.lots.manifest_check import check_manifest
    from factory.lots.named_files import file_findings
    from factory.values import Severity

    session: Session = context.obj
    if json:
        session.json("ledger.verify")
    station = load_bench(bench) if bench else None
    anchors = [*(checkpoint or ()), *(ledger_audit.own_checkpoints(station) if station else ())]
    allowed = ledger_audit.allowed_signers(signers) if signers else ()
    looked = None
    with use_ledger(ledger, station, quiet=json) as book:
        findings: list[Finding] = [*book.verify(), *ledger_audit.checkpoint_findings(book, anchors, signers)]
        manifests = [check_manifest(book, path, allowed) for path in manifest or ()]
        findings += (finding for checked in manifests for finding in checked.findings)
        if files:
            transcripts = station.folder / station.station.transcripts if station else None
            looked = file_findings(book, _folders(station, folder or ()), transcripts)
            findings += looked.findings
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    if json:
        told = [{name: str(getattr(finding, name)) for name in _FIELDS} for finding in findings]
        document = {"sound": not wrong, "findings": told, "checkpoints": [str(path) for path in anchors]}
        document["manifests"] = [_as_json(checked) for checked in manifests]
        document["files"] = None if looked is None else {"sound": looked.sound, "missing": looked.missing}
        session.print_json(document)
        raise typer.Exit(Exit.FAILED if wrong else Exit.DONE)
    for finding in findings:
        colour = "red" if finding.severity is Severity.ERROR else "yellow"
        show().print(str(finding), style=colour, soft_wrap=True, markup=False)
    for line in (*map(_said, manifests), *([] if looked is None else [looked.said])):
        talk().print(line, soft_wrap=True, markup=False)
    compared = f", compared with {len(anchors)} checkpoint{'s' if len(anchors) > 1 else ''}" if anchors else ""
    talk().print(counted(len(findings), "finding") if wrong else f"the ledger is sound{compared}", markup=False)
    raise typer.Exit(Exit.FAILED if wrong else Exit.DONE)


def _folders(station: Bench | None, more: Sequence[Path]) -> tuple[Path, ...]:
    from factory.ledger.checkpoints import folders_of

    return (*more, *(folders_of(station) if station is not None else ()))


def _said(checked: CheckedManifest) -> str:
    """What a manifest came to, in one line."""
    if checked.findings and not checked.files:
        return f"{checked.path.name}: no manifest"
    by = f"signed by {checked.signer.fingerprint}" if checked.signer else "its signature was not asked for (--signers)"
    bad = sum(1 for finding in checked.findings if finding.severity == "error")
    return f"{checked.path.name}: {checked.rows} rows of lot {checked.lot}, {by}: {f'{bad} wrong' if bad else 'agrees'}"


def _as_json(checked: CheckedManifest) -> dict[str, object]:
    return {
        "manifest": str(checked.path),
        "lot": checked.lot,
        "files": list(checked.files),
        "rows": checked.rows,
        "signed_by": checked.signer.fingerprint if checked.signer else None,
        "sound": not any(finding.severity == "error" for finding in checked.findings),
    }
