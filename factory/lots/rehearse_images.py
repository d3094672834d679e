"""Where a unit's image comes from in a rehearsal, and how it comes to lie in the unit's private root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from factory.config import Product
from factory.errors import UsageError
from factory.files import FileError, replacing
from factory.images.formats.names import SUFFIXES
from factory.images.pack import open_pack
from factory.images.read_tree import read_tree, tree_of
from factory.images.rooted import parts
from factory.images.shards import shard
from factory.images.tree import Kind, Member, Tree
from factory.lots.build_rows import Wanted
from factory.lots.build_work import Task

CONNECTD = ("etc", "connectd")


class Images(Protocol):
    """Where images come from; it travels to worker processes."""

    def tree(self, hardware_id: str, row: Wanted) -> Tree | None:
        """The image of a unit, None when there is none. Raises FactoryError for one that is damaged."""


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images in a folder, as `factory image build` leaves them or all side by side, of any format that can be read."""

    folder: Path

    def tree(self, hardware_id: str, row: Wanted) -> Tree | None:  # noqa: ARG002 - not made from the row
        """The file that is named after the unit."""
        for home in (shard(self.folder, hardware_id), self.folder):
            for ending in dict.fromkeys(SUFFIXES.values()):
                path = home / f"{hardware_id}{ending}"
                if path.exists():
                    return read_tree(path)
        return None


@dataclass(frozen=True, slots=True)
class PackImages:
    """Images in one container."""

    file: Path

    def tree(self, hardware_id: str, row: Wanted) -> Tree | None:  # noqa: ARG002 - not made from the row
        """The record of the unit."""
        try:
            with open_pack(self.file) as pack:
                return tree_of(pack.read(hardware_id))
        except UsageError as error:
            if error.code != "image.not-in-pack":
                raise
            return None


@dataclass(frozen=True, slots=True)
class BuiltImages:
    """Images built here and now, as the line builds them."""

    task: Task

    def tree(self, hardware_id: str, row: Wanted) -> Tree | None:  # noqa: ARG002 - the row says who it is
        """The image of a row."""
        return tree_of(self.task.builder.build(self.task.identity(row)))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image's top lies on the unit, and which directory is connectd's there, as names from the root."""

    top: tuple[str, ...]
    connectd: tuple[str, ...]

    @classmethod
    def of(cls, product: Product) -> Place:
        """That of a product."""
        connectd = product.unit.connectd_dir
        return cls(tuple(parts(product.image.root or connectd)), tuple(parts(connectd)))

    def below(self, path: str) -> PurePosixPath:
        """A member's place below the private root, in which connectd's directory is always etc/connectd."""
        names = (*self.top, *parts(path))
        if names[: len(self.connectd)] == self.connectd:
            names = (*CONNECTD, *names[len(self.connectd) :])
        return PurePosixPath(*names)


def unpack(tree: Tree, place: Place, root: Path) -> None:
    """Write an image below `root`, its files readable by the caller. Links stay inside; devices are left out.

    Raises FileError.
    """
    try:
        (root / Path(*CONNECTD)).mkdir(mode=0o700, parents=True, exist_ok=True)
        for member in tree.members:
            _write(member, place, root)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot unpack an image below {root}: {reason}", hint="Is there space?") from error


def _write(member: Member, place: Place, root: Path) -> None:
    path = root / place.below(member.path)
    if member.kind is Kind.FOLDER:
        path.mkdir(mode=member.mode | 0o700, parents=True, exist_ok=True)
    elif member.kind is Kind.FILE:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, mode=member.mode | 0o600, durable=False) as stream:
            stream.write(member.content or b"")
    elif member.kind is Kind.LINK:
        path.parent.mkdir(parents=True, exist_ok=True)
        above = path.parent if not (member.target or "").startswith("/") else root
        # What leads out of the root on a unit leads to its top here, as it would in a chroot.
        inside = os.path.relpath(os.path.normpath(above / (member.target or "").lstrip("/")), root)
        names = [name for name in inside.split("/") if name != ".."]
        # From where the link really lies: a folder above it may itself be a link.
        path.symlink_to(os.path.relpath(root.resolve().joinpath(*names), path.parent.resolve()))
