"""What lies in an image, whoever made it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from factory.images.errors import ImageError
from factory.values import Manifest


class Kind(StrEnum):
    """What a member of an image is; OTHER are devices, pipes and sockets."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `path` below the top with `/`, without `./`; permission bits, owner; a file's content, which may be
    secret and shows in no repr; a link's target.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    content: bytes | None = field(default=None, repr=False)
    target: str | None = None

    @property
    def sha256(self) -> str | None:
        """SHA-256 of a file's content, as hex."""
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole image, its members by path; `manifest` is there when it is one of ours."""

    format: str
    members: tuple[Member, ...]
    manifest: Manifest | None = None

    @property
    def files(self) -> Mapping[str, Member]:
        """The regular files by path."""
        return {member.path: member for member in self.members if member.kind is Kind.FILE}


def plain_path(name: str) -> str:
    """A member's name as a path below the top ('' for the top). Raises ImageError for one that leaves it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ImageError(f"the member {name!r} leaves the image's top", hint="Nothing was unpacked. Who made it?")
    return "/".join(parts)


def sorted_members(members: Iterable[Member]) -> tuple[Member, ...]:
    """Members by path, the top itself left out; a path that stands twice keeps its last member, as when unpacked."""
    return tuple(sorted({one.path: one for one in members if one.path}.values(), key=lambda one: one.path))
