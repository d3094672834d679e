"""A template set: a folder with template.toml, which says what an image holds, and the templates themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from factory.config import ImageSection
from factory.config.fields import Ascii, Name, Section
from factory.config.load import load_section
from factory.files import read_bytes
from factory.images.errors import TemplateFault
from factory.values import digest

DECLARATION = "template.toml"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MODE = re.compile(r"0[0-7]{3}")
_LONGEST_PATH = 99
_LARGEST_FILE = 1024 * 1024
_MOST_FILES = 1000


def _path(text: str) -> str:
    if not all(_PART.fullmatch(part) for part in text.split("/")):
        raise ValueError("must be a path below the image's top, of letters, digits, '.', '_', '-', without '..'")
    if len(text) > _LONGEST_PATH:
        raise ValueError(f"has {len(text)} characters, limit {_LONGEST_PATH}")
    return text


def _mode(text: str) -> str:
    if not _MODE.fullmatch(text):
        raise ValueError('must be four octal digits that start with 0, as in "0644"')
    return text


ImagePath = Annotated[str, AfterValidator(_path)]
Mode = Annotated[str, AfterValidator(_mode)]


class FileDeclaration(Section):
    """[[file]]: a file of the image; `template` is its template in the set, by default the path with '.j2'.

    An `optional` file is written when [image] files lists it, one with `when` for the products whose [registration]
    says all of that. `needs` are names without which it cannot be made.
    """

    path: ImagePath
    mode: Mode
    template: ImagePath | None = None
    optional: bool = False
    may_be_empty: bool = False
    when: dict[Literal["profile", "registers"], Name] = Field(default_factory=dict)
    needs: tuple[Name, ...] = ()

    @property
    def source(self) -> str:
        """The name of its template within the set."""
        return self.template or f"{self.path}.j2"

    @property
    def bits(self) -> int:
        """The permission bits."""
        return int(self.mode, 8)


class FolderDeclaration(Section):
    """[[folder]]: a folder that the image brings, empty."""

    path: ImagePath
    mode: Mode

    @property
    def bits(self) -> int:
        """The permission bits."""
        return int(self.mode, 8)


class Declaration(Section):
    """A whole template.toml. `profiles` are the clouds that the set is for, any when empty; `needs` are the names
    that every unit must have.
    """

    description: Ascii = ""
    profiles: tuple[Literal["remoteit-bulk", "remoteit-package", "xyte"], ...] = ()
    needs: tuple[Name, ...] = ()
    file: tuple[FileDeclaration, ...] = Field(min_length=1)
    folder: tuple[FolderDeclaration, ...] = ()

    @model_validator(mode="after")
    def _places_differ(self) -> Self:
        taken: set[str] = set()
        folders = {folder.path for folder in self.folder}
        for path in [entry.path for entry in self.file] + [entry.path for entry in self.folder]:
            if path in taken:
                raise ValueError(f"{path} stands twice")
            taken.add(path)
            parent = str(PurePosixPath(path).parent)
            if parent != "." and parent not in folders:
                raise ValueError(f"{path} lies in {parent}, which is no [[folder]] here")
        return self


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """A template set in memory: plain values, so that it may travel into the workers of a batch.

    `sources` maps a template's name to its text; `sha256` covers every file of the folder.
    """

    name: str
    files: tuple[FileDeclaration, ...]
    folders: tuple[FolderDeclaration, ...]
    sources: Mapping[str, str]
    sha256: str
    needs: tuple[str, ...] = ()


def load_template_set(section: ImageSection, folder: Path, traits: Mapping[str, str] | None = None) -> TemplateSet:
    """Read the set that [image] templates names, relative to `folder`, with the optional files that it lists and
    those that the product's `traits` call for.

    Raises TemplateFault, ConfigError (template.toml) or FileError.
    """
    root = folder / section.templates
    if not root.is_dir():
        raise TemplateFault(
            f"there is no template folder {root}",
            hint="[image] templates names a folder beside product.toml; `factory init` makes one to start from.",
        )
    contents = _contents(root)
    declaration = load_section(root / DECLARATION, Declaration)
    traits = traits or {}
    _require_profile(declaration, traits, root)
    files = tuple(
        entry
        for entry in declaration.file
        if (not entry.optional or entry.path in section.files) and entry.when.items() <= traits.items()
    )
    _require_listed(section, files, root)
    for entry in files:
        if entry.source not in contents:
            raise _no_template(entry, root)
    sources = {name: _text(root / name, content) for name, content in contents.items() if name.endswith(".j2")}
    sha256 = digest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    return TemplateSet(section.templates, files, declaration.folder, sources, sha256, declaration.needs)


def _contents(root: Path) -> dict[str, bytes]:
    """Every file of the set; a link that leads out of the folder would let the set change without its hash."""
    contents: dict[str, bytes] = {}
    top = root.resolve()
    for path in sorted(root.rglob("*")):
        if not path.resolve().is_relative_to(top):
            raise TemplateFault(f"{path} leads out of the template folder", hint="Copy the file into it.")
        if path.is_file():
            contents[path.relative_to(root).as_posix()] = read_bytes(path, limit=_LARGEST_FILE)
        if len(contents) > _MOST_FILES:
            raise TemplateFault(f"{root} has more than {_MOST_FILES} files", hint="Is this the folder you meant?")
    return contents


def _require_profile(declaration: Declaration, traits: Mapping[str, str], root: Path) -> None:
    profile = traits.get("profile")
    if profile is not None and declaration.profiles and profile not in declaration.profiles:
        raise TemplateFault(
            f"{root / DECLARATION}: the set is for {' and '.join(declaration.profiles)}, and the product is {profile}",
            hint="[image] templates and [registration] profile in product.toml have to go together.",
        )


def _require_listed(section: ImageSection, files: tuple[FileDeclaration, ...], root: Path) -> None:
    declared = {entry.path for entry in files}
    for path in section.files:
        if path not in declared:
            raise TemplateFault(
                f"[image] files lists {path}, and {root / DECLARATION} has no [[file]] of that path",
                hint=f'Add it there with its mode, "optional = true", and {path}.j2 beside it.',
            )


def _no_template(entry: FileDeclaration, root: Path) -> TemplateFault:
    hint = f"Put it there, or take {entry.path} out of {DECLARATION}."
    if entry.optional:
        hint = f"{entry.path} belongs to the installed package: bring your own version as {entry.source}."
    return TemplateFault(f"{root / entry.source}: there is no template for {entry.path}", hint=hint)


def _text(path: Path, content: bytes) -> str:
    for number, line in enumerate(content.split(b"\n"), 1):
        for position, byte in enumerate(line, 1):
            if byte == 0x0D:
                hint = "A carriage return would reach the unit's requests: save the file with LF line ends."
                raise TemplateFault(f"{path}:{number}: carriage return at {position}", hint=hint)
            if byte > 0x7E or (byte < 0x20 and byte != 0x09):
                what = "control character" if byte < 0x80 else "byte that is not ASCII"
                raise TemplateFault(f"{path}:{number}: {what} 0x{byte:02X} at {position}")
    return content.decode("ascii")
