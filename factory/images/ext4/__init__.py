"""ext4 without root: a base made once by e2fsprogs, patched per unit; and a reader of ext2, ext3 and ext4."""

from factory.images.ext4.base import Base, make_base
from factory.images.ext4.reader import read_ext4
from factory.images.ext4.sparse import Sparse

__all__ = ["Base", "Sparse", "make_base", "read_ext4"]
