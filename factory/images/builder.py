"""Builder: a product's templates, compiled once; build() is pure, the same identity gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from factory.config import ImageSection, RegistrationSection
from factory.images.canonical_tar import canonical_tar
from factory.images.errors import TemplateFault
from factory.images.ext4.sparse import Sparse
from factory.images.file_systems import Ext4Maker
from factory.images.formats.names import Format
from factory.images.formats.squashfs import squashfs
from factory.images.image import Image
from factory.images.names import Registered, missing, registered, template_names, without_secrets
from factory.images.rendering import Renderer
from factory.images.template_set import DECLARATION, FileDeclaration, TemplateSet, load_template_set
from factory.values import FileEntry, Identity, Manifest

_OWN_VALUES = ("hardware_id", "registration_key", "bulk_identification_code")


def open_builder(
    section: ImageSection, folder: Path, product: str, registration: RegistrationSection | None = None
) -> Builder:
    """Open the builder of one product; `folder` is where product.toml lies. `registration` gives templates what all
    units of the product have in common towards their cloud.

    Raises TemplateFault (a set that is wrong, with file and line, or is for another profile), ConfigError
    (template.toml), SecretError, FileError, and UsageError or ImageError where e2fsprogs is missing or fails.
    """
    common = registered(registration, folder)
    templates = load_template_set(section, folder, common.traits)
    maker = Ext4Maker(product, section.size) if Format(section.format) is Format.EXT4 else None
    builder = Builder(templates, product, section.format, common, maker)
    if maker is not None:
        builder.make_first_base()
    return builder


class Builder:
    """Builds the image of one identity after the other. It may be shared by threads, and pickled into processes:
    what travels are the sources, which are compiled again on arrival, and the base of an ext4 image.
    """

    def __init__(
        self,
        templates: TemplateSet,
        product: str,
        form: str,
        common: Registered | None = None,
        maker: Ext4Maker | None = None,
    ) -> None:
        """Compile the templates. Raises TemplateFault."""
        self._set, self.product, self.format = templates, product, form
        self._common = common or Registered()
        self._maker = maker
        self._renderer = Renderer(templates)
        folders = [(folder.path, None, FileEntry(folder.path, folder.bits)) for folder in templates.folders]
        files = [(entry.path, entry.bits, entry) for entry in templates.files]
        # What stays the same from unit to unit is worked out here: a batch has a million of them.
        self._ordered: list[tuple[str, int | None, FileEntry | FileDeclaration]] = sorted(
            [*folders, *files], key=lambda part: part[0]
        )
        wanted = {f"{name}.txt": name for name in _OWN_VALUES}
        self._own = [(entry, wanted[base]) for entry in templates.files if (base := _base_name(entry.path)) in wanted]
        needed = [(templates.needs, "the set"), *((entry.needs, entry.path) for entry in templates.files)]
        self._needs = [(needs, what) for needs, what in needed if needs]

    def __reduce__(self) -> tuple[object, ...]:
        return Builder, (self._set, self.product, self.format, self._common, self._maker)

    @property
    def template_hash(self) -> str:
        """SHA-256 over every file of the template set, as hex."""
        return self._set.sha256

    def build(self, identity: Identity) -> Image:
        """Build the image of one unit. Pure. Raises TemplateFault for what cannot be rendered or must not go out."""
        contents = self.render(identity)
        entries: list[FileEntry] = []
        for path, bits, entry in self._ordered:
            if isinstance(entry, FileEntry):
                entries.append(entry)
            elif bits is not None:
                content = contents[path]
                entries.append(FileEntry(path, bits, len(content), hashlib.sha256(content).hexdigest()))
        tar = canonical_tar(entries, contents)
        body, note = self._body(entries, contents, tar)
        payload = None if body is None else (body if isinstance(body, Sparse) else Sparse.of(body)).payload
        manifest = Manifest(
            image=hashlib.sha256(tar).hexdigest(),
            format=self.format,
            product=self.product,
            template=self._set.sha256,
            identity=identity.public(),
            files=tuple(entries),
            payload=payload,
        )
        return Image(manifest, contents, tar, body, note)

    def render(self, identity: Identity) -> dict[str, bytes]:
        """The content of every file of one unit. Raises TemplateFault."""
        names = template_names(identity, self.product, self._common)
        if self._needs:
            self._require_names(names)
        contents = self._renderer.render(names, partial(without_secrets, identity=identity, common=self._common))
        for entry, name in self._own:
            value = getattr(identity, name)
            if value is not None and contents[entry.path] != f"{value.text}\n".encode("ascii"):
                self._refuse_value(entry, name)
        return contents

    def make_first_base(self) -> None:
        """Make the base of the usual ext4 image now, so that it is made once, before the batch is shared out.

        Raises UsageError without e2fsprogs, ImageError where the tree does not fit.
        """
        if self._maker is not None:
            entries = [one if isinstance(one, FileEntry) else FileEntry(path, bits or 0, 0, "")
                       for path, bits, one in self._ordered]  # fmt: skip
            sources = {entry.path: self._set.sources[entry.source].encode("ascii") for entry in self._set.files}
            self._maker.open(entries, sources)

    def _body(
        self, entries: list[FileEntry], contents: Mapping[str, bytes], tar: bytes
    ) -> tuple[bytes | Sparse | None, str]:
        if self._maker is not None:
            return self._maker.make(entries, contents)
        if self.format == Format.SQUASHFS:
            return squashfs(tar), ""
        return None, ""

    def _require_names(self, names: Mapping[str, object]) -> None:
        for needs, what in self._needs:
            lacking = ", ".join(missing(needs, names))
            if lacking:
                raise TemplateFault(
                    f"{self._renderer.file(DECLARATION)}: {what} needs {lacking}, which this unit does not have",
                    hint="[registration] in product.toml says which cloud it is, and so what a unit has.",
                )

    def _refuse_value(self, entry: FileDeclaration, name: str) -> None:
        """Three files hold one value each for connectd: a template that changes it makes a unit the cloud never met."""
        raise TemplateFault(
            f"{self._renderer.file(entry.source)}:1: {entry.path} must hold the unit's {name} and nothing else",
            hint=f"Write {{{{ {name} }}}} there; change the value itself in [identity].",
        )


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
