"""Builder: a product's templates, compiled once; build() is pure, the same identity gives the same bytes."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from pathlib import Path

from jinja2 import FunctionLoader, Template, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from factory.config import ImageSection, RegistrationSection
from factory.identity.sandbox import sandbox
from factory.images.canonical_tar import canonical_tar
from factory.images.errors import TemplateFault
from factory.images.image import Image
from factory.images.names import Registered, missing, registered, template_names, without_secrets
from factory.images.template_set import DECLARATION, FileDeclaration, TemplateSet, load_template_set
from factory.values import FileEntry, Identity, Manifest, describe

_RENDERING = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


def open_builder(
    section: ImageSection, folder: Path, product: str, registration: RegistrationSection | None = None
) -> Builder:
    """Open the builder of one product; `folder` is where product.toml lies. `registration` gives templates what all
    units of the product have in common towards their cloud.

    Raises TemplateFault (a set that is wrong, with file and line, or is for another profile), ConfigError
    (template.toml), SecretError and FileError.
    """
    common = registered(registration, folder)
    return Builder(load_template_set(section, folder, common.traits), product, section.format, common)


class Builder:
    """Builds the image of one identity after the other. It may be shared by threads, and pickled into processes:
    what travels are the sources, which are compiled again on arrival.
    """

    def __init__(self, templates: TemplateSet, product: str, form: str, common: Registered | None = None) -> None:
        """Compile the templates. Raises TemplateFault."""
        self._set, self.product, self.format = templates, product, form
        self._common = common or Registered()
        environment = sandbox(loader=FunctionLoader(self._source))
        self._templates = {entry.path: self._compile(environment, entry) for entry in templates.files}
        self._folders = tuple(FileEntry(folder.path, folder.bits) for folder in templates.folders)

    def __reduce__(self) -> tuple[object, ...]:
        return Builder, (self._set, self.product, self.format, self._common)

    @property
    def template_hash(self) -> str:
        """SHA-256 over every file of the template set, as hex."""
        return self._set.sha256

    def build(self, identity: Identity) -> Image:
        """Build the image of one unit. Pure. Raises TemplateFault for what cannot be rendered or must not go out."""
        names = template_names(identity, self.product, self._common)
        self._require_names(names)
        contents: dict[str, bytes] = {}
        entries = list(self._folders)
        for entry in self._set.files:
            content = self._render(entry, names, identity)
            self._require_own_value(entry, content, identity)
            contents[entry.path] = content
            entries.append(FileEntry(entry.path, entry.bits, len(content), hashlib.sha256(content).hexdigest()))
        entries.sort(key=lambda entry: entry.path)
        tar = canonical_tar(entries, contents)
        manifest = Manifest(
            image=hashlib.sha256(tar).hexdigest(),
            format=self.format,
            product=self.product,
            template=self.template_hash,
            identity=identity.public(),
            files=tuple(entries),
        )
        return Image(manifest, contents, tar)

    def _source(self, name: str) -> tuple[str, str, None] | None:
        source = self._set.sources.get(name)
        # The file name makes Jinja put the template's own lines into tracebacks, which _place reads.
        return None if source is None else (source, self._file(name), None)

    def _file(self, name: str) -> str:
        return f"{self._set.name}/{name}"

    def _compile(self, environment: ImmutableSandboxedEnvironment, entry: FileDeclaration) -> Template:
        try:
            return environment.get_template(entry.source)
        except TemplateSyntaxError as error:
            place = f"{self._file(error.name or entry.source)}:{error.lineno}"
            raise TemplateFault(f"{place}: {error.message}") from error

    def _require_names(self, names: Mapping[str, object]) -> None:
        for needs, what in ((self._set.needs, "the set"), *((entry.needs, entry.path) for entry in self._set.files)):
            lacking = ", ".join(missing(needs, names))
            if lacking:
                raise TemplateFault(
                    f"{self._file(DECLARATION)}: {what} needs {lacking}, which this unit does not have",
                    hint="[registration] in product.toml says which cloud it is, and so what a unit has.",
                )

    def _render(self, entry: FileDeclaration, names: Mapping[str, object], identity: Identity) -> bytes:
        try:
            text = self._templates[entry.path].render(names)
        except _RENDERING as error:
            # Jinja's own messages name variables; those of other errors show values, so only their kind is told.
            said = str(error) if isinstance(error, TemplateError) else type(error).__name__
            said = f"there is no template {error.name}" if isinstance(error, TemplateNotFound) else said
            said = without_secrets(said, identity, self._common)
            hint = f"A template may use {', '.join(sorted(names))}."
            raise TemplateFault(f"{self._place(error, entry)}: {said}", hint=hint) from None
        self._check(entry, text)
        return text.encode("ascii")

    def _place(self, error: BaseException, entry: FileDeclaration) -> str:
        files = {self._file(name) for name in self._set.sources}
        if isinstance(error, TemplateSyntaxError):
            return f"{self._file(error.name or entry.source)}:{error.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename in files:
                return f"{frame.filename}:{frame.lineno}"
        return self._file(entry.source)

    def _require_own_value(self, entry: FileDeclaration, content: bytes, identity: Identity) -> None:
        """Three files hold one value each for connectd: a template that changes it makes a unit the cloud never met."""
        values = {
            "hardware_id.txt": identity.hardware_id,
            "registration_key.txt": identity.registration_key,
            "bulk_identification_code.txt": identity.bulk_identification_code,
        }
        value = values.get(entry.path)
        if value is not None and content != f"{value.text}\n".encode("ascii"):
            what = entry.path.removesuffix(".txt")
            raise TemplateFault(
                f"{self._file(entry.source)}:1: {entry.path} must hold the unit's {what} and nothing else",
                hint=f"Write {{{{ {what} }}}} there; change the value itself in [identity].",
            )

    def _check(self, entry: FileDeclaration, text: str) -> None:
        file = self._file(entry.source)
        for number, line in enumerate(text.split("\n"), 1):
            for position, character in enumerate(line, 1):
                if not (" " <= character <= "~" or character == "\t"):
                    raise TemplateFault(f"{file}: renders {describe(character)} at line {number}, {position}")
        last = text.count("\n")
        if not text and entry.may_be_empty:
            return
        if not text.strip():
            raise TemplateFault(f"{file}: renders nothing", hint="Leave a file out of template.toml instead.")
        if not text.endswith("\n"):
            raise TemplateFault(f"{file}: renders no newline at its end (line {last + 1})")
        if text.endswith("\n\n"):
            raise TemplateFault(f"{file}: renders more than one newline at its end (line {last})")
