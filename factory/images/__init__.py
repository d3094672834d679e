"""What goes on a unit: templates, the image they make, its canonical archive and its manifest."""

from factory.images.builder import Builder, open_builder
from factory.images.errors import ImageError, TemplateFault
from factory.images.image import Image
from factory.images.store import read_image, write_image

__all__ = ["Builder", "Image", "ImageError", "TemplateFault", "open_builder", "read_image", "write_image"]
