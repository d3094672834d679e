"""The folder of remote.it's successor package: one file, and nothing beside it (remote.it reference, section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from factory.images.lint_folder import Folder, error, masked, one_line, rights, warning
from factory.images.tree import Kind
from factory.values import Finding, sentinel

FILE = "registration"
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SHORTEST = 8


def lint_remoteit(folder: Folder) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """The registration code in the package's folder, masked, and every finding."""
    found: list[Finding] = []
    identity: dict[str, str] = {}
    member, place = folder.members.get(FILE), folder.place(FILE)
    if member is None:
        hint = "Make it, empty if units must not register yet: without it they wait for somebody to claim them."
        found.append(error("IMG-MISSING", place, "is missing", hint))
    elif member.kind is Kind.FILE and member.content == b"":
        identity["registration"] = ""
        found.append(warning("IMG-UNREGISTERED", place, "is empty: the unit does not register until a code is there"))
    else:
        code = one_line(folder, FILE, found)
        if code is not None:
            identity["registration"] = masked(code)
            found.extend(_code(place, code))
    for name in sorted(folder.members):
        if name != FILE:
            message = "must not be there: a master has the file registration and nothing else"
            found.append(error("IMG-TRACE", folder.place(name), message))
    found.extend(rights(folder, frozenset((FILE,))))
    return identity, tuple(found)


def _code(place: str, code: str) -> tuple[Finding, ...]:
    reason = sentinel(code)
    if reason:
        return (error("ID-SENTINEL", place, reason),)
    if not _CODE.fullmatch(code):
        return (error("ID-CHR", place, "holds more than letters, digits, '-' and '_': is it the code alone?"),)
    if len(code) < _SHORTEST:
        return (error("ID-LEN", place, f"has {len(code)} characters, too few for a code"),)
    return ()
