"""`factory ledger checkpoint`, and what `verify` and `doctor` compare with what is kept outside the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory.config import Bench
    from factory.ledger import Ledger
    from factory.ledger.sshsig import PublicKey
    from factory.values import Finding


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("checkpoint")(checkpoint)


def checkpoint(
    context: typer.Context,
    bench: Annotated[Path, typer.Option(help="The bench file: it names the ledger, the folders and the signing key.")],
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write down where every chain of the ledger ends now, signed, outside of the ledger.

    The line does it by itself every so many events and when it stops: [station] checkpoints, checkpoint_copy,
    checkpoint_every, signing_key. Check one later with `factory ledger verify --checkpoint FILE`, or without this
    program: ssh-keygen -Y verify -f allowed_signers -I STATION -n factory-checkpoint -s FILE.sig < FILE

    Example:  factory ledger checkpoint --bench acme/bench.toml
    """
    from factory.config import load_bench
    from factory.ledger.checkpoints import folders_of, signing_key

    session: Session = context.obj
    if json:
        session.json("ledger.checkpoint")
    station = load_bench(bench)
    key = signing_key(station)
    with use_ledger(ledger, station, operator=logged_in(), quiet=json) as book:
        files = book.checkpoint(key, folders_of(station))
    if json:
        signer = key.public.fingerprint if key else None
        session.print_json({"files": [str(path) for path in files], "signed_by": signer})
        return
    for path in files:
        show().print(str(path), soft_wrap=True, markup=False, highlight=False)
    if key is None:
        talk().print("not signed: [station] signing_key is not set", style="yellow", markup=False)
    if len(files) < 2:
        talk().print(
            "kept in one place only: set [station] checkpoint_copy to a folder of another disk",
            style="yellow",
            soft_wrap=True,
            markup=False,
        )


def checkpoint_findings(book: Ledger, files: Sequence[Path], signers: Path | None) -> tuple[Finding, ...]:
    """What the ledger lost or changed since these checkpoints, and signatures that do not hold. Raises CheckpointError,
    UsageError, FileError.
    """
    from factory.ledger.checkpoints import read
    from factory.ledger.sshsig import SignatureError
    from factory.values import Finding, Severity

    allowed = allowed_signers(signers) if signers is not None else ()
    findings: list[Finding] = []
    for path in files:
        try:
            findings += book.against_checkpoint(read(path, allowed)[0])
        except SignatureError as error:
            hint = f"{error.hint} `factory ledger checkpoint` writes a signed one of now.".strip()
            findings.append(Finding("CHECKPOINT-SIGNATURE", Severity.ERROR, path.name, error.message, hint))
    return tuple(findings)


def own_checkpoints(station: Bench) -> tuple[Path, ...]:
    """The newest checkpoint of this station in each of its folders."""
    from factory.ledger.checkpoints import folders_of, newest

    found = (newest(folder, station.station.name) for folder in folders_of(station))
    return tuple(path for path in found if path is not None)


def allowed_signers(path: Path) -> tuple[PublicKey, ...]:
    """The keys of an allowed_signers or .pub file. Raises UsageError where it has none, FileError."""
    from factory.files import read_bytes
    from factory.ledger.sshsig import PublicKey

    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    keys = tuple(PublicKey.parse(line) for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not keys:
        raise UsageError(f"{path} has no key", hint="One line per signer: STATION ssh-ed25519 AAAA...")
    return keys
