"""An image in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.values import Manifest

FOLDER, TAR, TAR_GZ = "dir", "tar", "tar.gz"


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes that make a unit that unit. `contents` has the files by path, folders are in the manifest only;
    `tar` is the canonical uncompressed tar. Both hold the registration key, so neither shows in a repr.
    """

    manifest: Manifest
    contents: Mapping[str, bytes] = field(repr=False)
    tar: bytes = field(repr=False)

    def packed(self) -> bytes:
        """The archive as it lies on disk: the tar, or its gzip without name and time for `tar.gz`."""
        if self.manifest.format != TAR_GZ:
            return self.tar
        from isal import igzip

        packed: bytes = igzip.compress(self.tar, mtime=0)
        return packed
