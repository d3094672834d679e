"""The formats that an image can have: written here, and read whoever wrote them."""

from factory.images.formats.names import FORMATS, LARGEST, SUFFIXES, Format

__all__ = ["FORMATS", "LARGEST", "SUFFIXES", "Format"]
