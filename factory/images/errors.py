"""What can be wrong with a template set, and with an image on disk."""

from __future__ import annotations

from factory.errors import Exit, FactoryError, UsageError


class TemplateFault(UsageError):  # noqa: N818 - reads as what it is where it is caught
    """A template set is wrong, or what it renders cannot go onto a unit; the message names file and line."""

    code = "image.template"


class ImageError(FactoryError):
    """An image on disk is not what its manifest says."""

    code = "image.damaged"
    exit_code = Exit.FAILED
