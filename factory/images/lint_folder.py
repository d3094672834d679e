"""One folder of an image as the lints see it, and the checks that every cloud's files have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from factory.images.tree import Kind, Member, Tree
from factory.values import Finding, Severity, describe

_OF_EXT4 = "lost+found"
_OTHERS_WRITE = 0o022
_OTHERS_AT_ALL = 0o077
_OWNER_READS = 0o400


@dataclass(frozen=True, slots=True)
class Folder:
    """The members below one folder, by their path from there. `owners_known` is False where an image lies unpacked on
    this computer: whose files those are here says nothing about the unit.
    """

    top: str
    members: Mapping[str, Member]
    owners_known: bool

    @classmethod
    def of(cls, tree: Tree, top: str) -> Folder:
        """Cut the folder `top` ('' for the whole) out of an image."""
        lead = f"{top}/" if top else ""
        inside = {one.path[len(lead) :]: one for one in tree.members if one.path.startswith(lead)}
        inside.pop(_OF_EXT4, None)
        return cls(top, inside, owners_known=tree.format != "dir")

    def place(self, name: str) -> str:
        """The member's path in the image, for a finding."""
        return f"{self.top}/{name}" if self.top else name


def error(code: str, place: str, message: str, hint: str = "") -> Finding:
    """A finding for which the image would not do."""
    return Finding(code, Severity.ERROR, place, message, hint)


def warning(code: str, place: str, message: str, hint: str = "") -> Finding:
    """A finding that deserves a look."""
    return Finding(code, Severity.WARNING, place, message, hint)


def one_line(folder: Folder, name: str, found: list[Finding]) -> str | None:
    """The text of a file that holds one value on one line; None, after noting why, where there is none."""
    member = folder.members.get(name)
    if member is None:
        return None
    place = folder.place(name)
    if member.kind is not Kind.FILE or member.content is None:
        found.append(error("IMG-KIND", place, f"is no regular file but a {member.kind}"))
        return None
    content = member.content
    if not content.strip():
        found.append(error("IMG-EMPTY", place, "is empty" if not content else "holds nothing but blanks"))
        return None
    wrong = list(_bytes(place, content))
    found.extend(wrong)
    text = content.decode("latin-1").strip("\r\n")
    return None if any(one.code == "IMG-LINES" for one in wrong) else text.replace("\r", "")


def _bytes(place: str, content: bytes) -> Iterator[Finding]:
    if b"\r" in content:
        yield error(
            "CHR-CR", place, "holds a carriage return", "It would reach the unit's requests: save it with LF line ends."
        )
    for position, byte in enumerate(content.replace(b"\r", b""), 1):
        if byte != 0x0A and not 0x20 <= byte <= 0x7E:
            yield error("VAL-ASCII", place, f"holds {describe(chr(byte))} at byte {position}")
            break
    lines = content.rstrip(b"\r\n").count(b"\n") + 1
    if lines > 1:
        yield error("IMG-LINES", place, f"has {lines} lines where one value is read")
    elif not content.endswith(b"\n"):
        yield error("IMG-NEWLINE", place, "has no newline at its end", "A shell's `read` skips such a line.")
    elif content.endswith((b"\n\n", b"\n\r\n")):
        yield error("IMG-NEWLINE", place, "has empty lines after its value")


def rights(folder: Folder, private: frozenset[str]) -> Iterator[Finding]:
    """What is wrong with modes and owners. Files and folders of `private` are for root alone."""
    for name, member in sorted(folder.members.items()):
        place = folder.place(name)
        if member.kind is Kind.OTHER:
            yield error("IMG-KIND", place, "is neither file nor folder nor link")
        if member.kind not in (Kind.FILE, Kind.FOLDER):
            continue
        if name in private and member.mode & _OTHERS_AT_ALL:
            yield error("IMG-MODE", place, f"has mode {member.mode:04o}: others than root can get at a secret")
        elif member.mode & _OTHERS_WRITE:
            yield error("IMG-MODE", place, f"has mode {member.mode:04o}: others than root can change it")
        if not member.mode & _OWNER_READS:
            yield error("IMG-MODE", place, f"has mode {member.mode:04o}: not even its owner can read it")
        if folder.owners_known and (member.uid or member.gid):
            hint = "Tools such as mke2fs -d keep the builder's ids."
            yield error("IMG-OWNER", place, f"belongs to {member.uid}:{member.gid}, not to root", hint)


def masked(secret: str) -> str:
    """A secret as it may be shown."""
    return f"***{secret[-2:]}" if len(secret) >= 12 else "***"
