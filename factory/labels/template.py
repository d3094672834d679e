"""A label's template: ZPL with expressions, and what it makes of one unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from factory.config import Product
from factory.files import read_bytes
from factory.identity.sandbox import sandbox
from factory.labels.content import sample_names
from factory.labels.errors import LabelError
from factory.labels.zpl import CLOSE, OPEN, commands, marked, unmarked

if TYPE_CHECKING:
    from factory.labels.drawing import Drawing

_LONGEST = 256 * 1024
_RENDERING = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Label:
    """One label as the printer gets it. The same values give the same bytes."""

    zpl: bytes

    @property
    def sha256(self) -> str:
        """The hash of what the printer gets."""
        return sha256(self.zpl).hexdigest()

    def svg(self) -> bytes:
        """A picture of it for a screen: what stands where. Raises LabelError."""
        from factory.labels.svg import as_svg

        return as_svg(self._drawing())

    def png(self) -> bytes:
        """The same, with two pixels per dot. Raises LabelError."""
        from factory.labels.png import as_png

        return as_png(self._drawing())

    @property
    def not_drawn(self) -> tuple[str, ...]:
        """Commands that the printer knows and the pictures leave out."""
        return self._drawing().left_out

    def _drawing(self) -> Drawing:
        from factory.labels.drawing import draw

        return draw(commands(self.zpl.decode("utf-8")))


class LabelTemplate:
    """A template, compiled; rendering is pure and may be done from many threads."""

    def __init__(self, path: Path, source: str) -> None:
        """Compile it. Raises LabelError with the line."""
        self.path = path
        self.sha256 = sha256(source.encode("utf-8")).hexdigest()
        if OPEN in source or CLOSE in source:
            raise LabelError(f"{path} holds control characters", hint="A label's template is plain text.")
        environment: ImmutableSandboxedEnvironment = sandbox(StrictUndefined)
        environment.finalize = marked
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise LabelError(f"{path}:{error.lineno}: {error.message}", hint="It is ZPL with Jinja.") from error

    def render(self, names: Mapping[str, Any]) -> Label:
        """One label. Raises LabelError for a name that the unit does not have, and where a value could become a
        command of the printer.
        """
        try:
            text = self._template.render(names)
        except _RENDERING as error:
            said = str(error) if isinstance(error, TemplateError) else type(error).__name__
            hint = f"A label may use {', '.join(sorted(names))}. What a unit may lack: {{{{ serial | default('') }}}}."
            raise LabelError(f"{self.path}: {said}", hint=hint) from error
        if len(text) > _LONGEST:
            raise LabelError(f"{self.path}: renders {len(text)} characters, limit {_LONGEST}", hint="Make it smaller.")
        try:
            return Label(unmarked(text).encode("utf-8"))
        except LabelError as error:
            raise LabelError(f"{self.path}: {error.message}", hint=error.hint) from error


def open_template(product: Product) -> LabelTemplate:
    """The product's template, tried with a made-up unit. Raises LabelError, FileError."""
    assert product.label is not None
    path = product.folder / product.label.template
    content = read_bytes(path, limit=_LONGEST)
    try:
        source = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabelError(
            f"{path} is no UTF-8 text: {error.reason} at byte {error.start}", hint="Save it so."
        ) from error
    template = LabelTemplate(path, source)
    template.render(sample_names(product))
    return template
