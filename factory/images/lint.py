"""Would this image do? What a unit's own readiness check would say of it, and what that does not look at.

An image may be the folder of one cloud's package, or a larger tree, even a whole root, that has such a folder in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from posixpath import basename

from factory.images.lint_connectd import MARKS, lint_connectd
from factory.images.lint_folder import Folder, error
from factory.images.lint_remoteit import lint_remoteit
from factory.images.lint_xyte import lint_xyte
from factory.images.tree import Kind, Tree
from factory.values import Finding, Severity

CONNECTD, REMOTEIT, XYTE = "connectd", "remoteit", "xyte"
_LINTS: Mapping[str, Callable[[Folder], tuple[Mapping[str, str], tuple[Finding, ...]]]] = {
    CONNECTD: lint_connectd,
    REMOTEIT: lint_remoteit,
    XYTE: lint_xyte,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One cloud's folder in an image: `top` is its path ('' for the image's own top), `identity` what a unit with it
    would be, secrets masked.
    """

    kind: str
    top: str
    identity: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an image is good for: its parts, and what is wrong with it as a whole."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def every_finding(self) -> tuple[Finding, ...]:
        """The findings of the image and of its parts."""
        return (*self.findings, *(finding for part in self.parts for finding in part.findings))

    @property
    def would_do(self) -> bool:
        """True when a unit with this image could register as itself."""
        return not any(finding.severity is Severity.ERROR for finding in self.every_finding)


def judge(tree: Tree) -> Judgement:
    """Judge an image of any maker. Pure; findings have the path of the member as their place, and no secret."""
    parts = []
    for top, kind in sorted(_tops(tree).items()):
        identity, findings = _LINTS[kind](Folder.of(tree, top))
        parts.append(Part(kind, top, identity, findings))
    if parts:
        return Judgement(tuple(parts))
    nothing = error(
        "IMG-NOTHING",
        "image",
        "it has nothing that a unit registers with",
        "Expected: hardware_id.txt and its neighbours of connectd, registration of remoteit, or identity.json.",
    )
    return Judgement((), (nothing,))


def _tops(tree: Tree) -> dict[str, str]:
    """The folders that belong to a cloud's package, told by what lies in them or by their usual name."""
    tops: dict[str, str] = {}
    for member in tree.members:
        top, _, name = member.path.rpartition("/")
        if member.kind is Kind.FOLDER and basename(member.path) in (CONNECTD, REMOTEIT) and _in_etc(member.path):
            tops.setdefault(member.path, basename(member.path))
        elif name in MARKS:
            tops[top] = CONNECTD
        elif name == "registration" and (not top or basename(top) == REMOTEIT):
            tops.setdefault(top, REMOTEIT)
        elif name == "identity.json":
            tops.setdefault(top, XYTE)
    return tops


def _in_etc(path: str) -> bool:
    above = path.rpartition("/")[0]
    return not above or basename(above) == "etc"
