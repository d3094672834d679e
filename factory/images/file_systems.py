"""The bases of a product's ext4 images: one for the usual tree, and more for units whose tree is another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factory.images.errors import ImageError
from factory.images.ext4.base import Base, Shape, make_base, shape_of
from factory.images.ext4.sparse import BLOCK, Sparse
from factory.values import FileEntry

_KEPT = 8


class Ext4Maker:
    """Makes ext4 images of `size` bytes. A tree with the usual number of blocks per file is patched into the base;
    for another one e2fsprogs makes a base of its own, which is what takes the time. The bytes do not depend on which
    units came before.
    """

    def __init__(self, product: str, size: int, first: Base | None = None) -> None:
        """A maker without a base; `open` makes the first."""
        self._product, self._size = product, size
        self._first = first
        self._bases: dict[Shape, Base] = {} if first is None else {first.shape: first}

    def __reduce__(self) -> tuple[object, ...]:
        return Ext4Maker, (self._product, self._size, self._first)

    def open(self, entries: Sequence[FileEntry], expected: Mapping[str, bytes]) -> None:
        """Make the first base, for contents of about the size of `expected`. Raises UsageError, ImageError."""
        files = [entry.path for entry in entries if not entry.is_folder]
        shape = tuple(max(blocks, 1) for blocks in shape_of(files, expected))
        self._first = self._base(entries, shape)

    def make(self, entries: Sequence[FileEntry], contents: Mapping[str, bytes]) -> tuple[Sparse, str]:
        """One image, and a note where it did not fit the first base. Raises UsageError, ImageError."""
        files = [entry.path for entry in entries if not entry.is_folder]
        shape = shape_of(files, contents)
        base = self._bases.get(shape) or self._base(entries, shape)
        note = "" if self._first is not None and shape == self._first.shape else self._note(files, shape)
        return base.patched(contents), note

    def _base(self, entries: Sequence[FileEntry], shape: Shape) -> Base:
        files = [entry.path for entry in entries if not entry.is_folder]
        if sum(shape) * BLOCK > self._size:
            path = files[shape.index(max(shape))]
            raise ImageError(
                f"{path} needs {max(shape) * BLOCK} bytes, and an ext4 image of {self._size} bytes has no room for it",
                hint="Give [image] size more bytes, or the image fewer or smaller files.",
                code="image.too-large",
            )
        base = make_base(self._product, self._size, entries, shape)
        if len(self._bases) < _KEPT:
            self._bases[shape] = base
        return base

    def _note(self, files: Sequence[str], shape: Shape) -> str:
        usual = self._first.shape if self._first is not None else ()
        other = [
            f"{path} has {blocks} blocks, usual are {had}"
            for path, blocks, had in zip(files, shape, usual, strict=False)
            if blocks != had
        ]
        return f"does not fit the base image, so e2fsprogs made one for it: {'; '.join(other)}"
