"""An image in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.images.ext4.sparse import Sparse
from factory.images.formats.compressed import gzipped
from factory.images.formats.cpio import cpio
from factory.images.formats.names import Format
from factory.values import Manifest


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes that make a unit that unit. `contents` has the files by path, folders are in the manifest only;
    `tar` is the canonical uncompressed tar; `body` is the file system of the formats that are one. All of them hold
    the registration key, so none shows in a repr. `note` says what was unusual about its making.
    """

    manifest: Manifest
    contents: Mapping[str, bytes] = field(repr=False)
    tar: bytes = field(repr=False)
    body: bytes | Sparse | None = field(default=None, repr=False)
    note: str = field(default="", compare=False)

    def packed(self) -> bytes | Sparse:
        """The image as it lies on disk: an archive, or its compressed form without name and time, or a file system.
        That of `dir` is the tar.
        """
        form = self.manifest.format
        if form == Format.TAR_GZ:
            return gzipped(self.tar)
        if form == Format.TAR_ZST:
            from factory.images.formats.zstd import zstandard

            return zstandard(self.tar)
        if form == Format.CPIO:
            return cpio(self.manifest.files, self.contents)
        if self.body is not None:
            return self.body
        return self.tar
