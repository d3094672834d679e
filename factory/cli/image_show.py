"""`factory image show`: what lies in an image, whoever made it, and whether it would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session
from factory.cli.session import show as data
from factory.errors import Exit

if TYPE_CHECKING:
    from rich.console import Console

    from factory.images.lint import Judgement, Part
    from factory.images.tree import Member, Tree
    from factory.values import Finding


def add_to(group: typer.Typer) -> None:
    """Add the command to the group `image`."""
    group.command("show")(show)


def show(
    context: typer.Context,
    image: Annotated[
        Path, typer.Argument(help="A folder, tar (also .gz, .zst), cpio, ext4 or squashfs image, or a pack.")
    ],
    hardware_id: Annotated[
        str | None, typer.Option("--id", metavar="HARDWARE_ID", help="Which image of a pack.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what lies in an image, and say whether a unit with it would register as itself.

    Files with modes, owners and hashes; the identity, its keys masked; and everything that a unit's own readiness
    check would flag or overlook: placeholders, sentences instead of values, leftovers of a registered unit, carriage
    returns, codes of the wrong length, rights. Images that other tools made are read as well. Exit code 1: it would
    not do.

    Example:  factory image show images/b827eb000001.tar.gz
    """
    from factory.images.lint import judge
    from factory.images.read_tree import read_tree

    session: Session = context.obj
    if json:
        session.json("image.show")
    tree = read_tree(image, hardware_id)
    judgement = judge(tree)
    if json:
        session.print_json(_document(image, tree, judgement))
    else:
        _print(data(), image, tree, judgement)
    raise typer.Exit(Exit.DONE if judgement.would_do else Exit.FAILED)


def _document(image: Path, tree: Tree, judgement: Judgement) -> dict[str, object]:
    manifest = tree.manifest
    return {
        "image": str(image),
        "format": tree.format,
        "sha256": None if manifest is None else manifest.image,
        "product": None if manifest is None else manifest.product,
        "would_do": judgement.would_do,
        "parts": [{"kind": one.kind, "top": one.top, "identity": dict(one.identity)} for one in judgement.parts],
        "files": [
            {
                "path": member.path,
                "kind": str(member.kind),
                "mode": f"{member.mode:04o}",
                "uid": member.uid,
                "gid": member.gid,
                "size": None if member.content is None else len(member.content),
                "sha256": member.sha256,
                "target": member.target,
            }
            for member in tree.members
        ],
        "findings": [_finding(finding) for finding in judgement.every_finding],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "place": finding.place,
        "message": finding.message,
        "hint": finding.hint,
    }


def _print(console: Console, image: Path, tree: Tree, judgement: Judgement) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=True, pad_edge=False, box=None)
    for heading in ("mode", "owner", "size", "sha256", "path"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for member in tree.members:
        table.add_row(*(Text(_plain(cell)) for cell in _row(member)))
    ours = "" if tree.manifest is None else f", as its manifest says, of {tree.manifest.product}"
    console.print(_plain(f"{image}: {tree.format}{ours}"), markup=False, soft_wrap=True)
    console.print(table)
    for part in judgement.parts:
        _print_part(console, part)
    for finding in judgement.every_finding:
        console.print(_plain(f"{finding.severity}: {finding}"), markup=False, soft_wrap=True)
    console.print("It would do." if judgement.would_do else "It would NOT do.", markup=False)


def _print_part(console: Console, part: Part) -> None:
    console.print(_plain(f"{part.kind} in {part.top or 'its top'}"), markup=False, soft_wrap=True)
    for name, value in part.identity.items():
        console.print(_plain(f"  {name}  {value or '(empty)'}"), markup=False, soft_wrap=True)


def _row(member: Member) -> tuple[str, str, str, str, str]:
    size = "" if member.content is None else str(len(member.content))
    end = {"folder": "/", "link": f" -> {member.target}"}.get(str(member.kind), "")
    return f"{member.mode:04o}", f"{member.uid}:{member.gid}", size, member.sha256 or "", f"{member.path}{end}"


def _plain(text: str) -> str:
    """Text of an image that others made, without anything that a terminal would obey."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
