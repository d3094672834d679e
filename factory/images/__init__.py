"""What goes on a unit: templates, the image they make, its formats, its manifest, and containers of many images."""

from factory.images.builder import Builder, open_builder
from factory.images.errors import ImageError, TemplateFault
from factory.images.image import Image
from factory.images.pack import Pack, open_pack
from factory.images.read_tree import read_tree
from factory.images.store import read_image, write_image
from factory.images.tree import Kind, Member, Tree

__all__ = [
    "Builder",
    "Image",
    "ImageError",
    "Kind",
    "Member",
    "Pack",
    "TemplateFault",
    "Tree",
    "open_builder",
    "open_pack",
    "read_image",
    "read_tree",
    "write_image",
]
