"""Rendering a template set: all files in one go where that is the same, and file by file to say what is wrong."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping

from jinja2 import FunctionLoader, Template, TemplateError, TemplateNotFound, TemplateSyntaxError, nodes

from factory.identity.sandbox import sandbox
from factory.images.bounded import LONGEST, BoundedEnvironment, steps
from factory.images.errors import TemplateFault
from factory.images.template_set import FileDeclaration, TemplateSet
from factory.values import describe

_RENDERING = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError,
)  # fmt: skip
_SPLIT = "\0"
_GOOD = re.compile(r"[\t\n -~]*[\t -~]\n")
_JOINABLE = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.BinExpr,
    nodes.UnaryExpr, nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Slice, nodes.Keyword,
)  # fmt: skip
"""What one template cannot leave behind for the next: no assignment, macro, block, import or include."""


class Renderer:
    """The templates of a set, compiled once. Safe for many threads."""

    def __init__(self, templates: TemplateSet) -> None:
        """Compile them. Raises TemplateFault with file and line."""
        self._set = templates
        self._environment: BoundedEnvironment = sandbox(  # type: ignore[assignment]  # it is of the kind asked for
            loader=FunctionLoader(self._source), kind=BoundedEnvironment
        )
        self._templates = {entry.path: self._compile(entry) for entry in templates.files}
        self._joined = self._join()

    def render(self, names: Mapping[str, object], masked: Callable[[str], str]) -> dict[str, bytes]:
        """The content of every file, by path. `masked` takes secrets out of what an error says.

        Raises TemplateFault for what cannot be rendered or must not go onto a unit.
        """
        texts = self._together(names)
        if texts is None:
            counted = {**names, **steps()}
            texts = [self._one(entry, counted, masked) for entry in self._set.files]
        contents: dict[str, bytes] = {}
        for entry, text in zip(self._set.files, texts, strict=True):
            if len(text) > LONGEST or not _GOOD.fullmatch(text) or text.isspace():
                self._check(entry, text)
            contents[entry.path] = text.encode("ascii")
        return contents

    def file(self, name: str) -> str:
        """A template's name as errors give it."""
        return f"{self._set.name}/{name}"

    def _together(self, names: Mapping[str, object]) -> list[str] | None:
        """All texts from the joined template; None where it cannot say which file is wrong."""
        if self._joined is None:
            return None
        try:
            texts = self._joined.render(names, **steps()).split(_SPLIT)
        except _RENDERING:
            return None
        return texts if len(texts) == len(self._set.files) else None

    def _join(self) -> Template | None:
        sources = [self._set.sources[entry.source] for entry in self._set.files]
        parsed = (self._environment.parse(source) for source in sources)
        if not all(isinstance(node, _JOINABLE) for tree in parsed for node in (tree, *tree.find_all(nodes.Node))):
            return None
        try:
            joined: Template = self._environment.from_string(_SPLIT.join(sources))
        except TemplateSyntaxError:
            return None
        return joined

    def _source(self, name: str) -> tuple[str, str, None] | None:
        source = self._set.sources.get(name)
        # The file name makes Jinja put the template's own lines into tracebacks, which _place reads.
        return None if source is None else (source, self.file(name), None)

    def _compile(self, entry: FileDeclaration) -> Template:
        try:
            return self._environment.get_template(entry.source)
        except TemplateSyntaxError as error:
            place = f"{self.file(error.name or entry.source)}:{error.lineno}"
            raise TemplateFault(f"{place}: {error.message}") from error

    def _one(self, entry: FileDeclaration, names: Mapping[str, object], masked: Callable[[str], str]) -> str:
        try:
            return self._templates[entry.path].render(names)
        except _RENDERING as error:
            # Jinja's own messages name variables; those of other errors show values, so only their kind is told.
            said = str(error) if isinstance(error, TemplateError) else type(error).__name__
            said = f"there is no template {error.name}" if isinstance(error, TemplateNotFound) else said
            known = ", ".join(sorted(name for name in names if not name.startswith("_")))
            hint = f"A template may use {known}."
            raise TemplateFault(f"{self._place(error, entry)}: {masked(said)}", hint=hint) from None

    def _place(self, error: BaseException, entry: FileDeclaration) -> str:
        files = {self.file(name) for name in self._set.sources}
        if isinstance(error, TemplateSyntaxError):
            return f"{self.file(error.name or entry.source)}:{error.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename in files:
                return f"{frame.filename}:{frame.lineno}"
        return self.file(entry.source)

    def _check(self, entry: FileDeclaration, text: str) -> None:
        """Say what is wrong with a text. Raises TemplateFault; nothing where an empty file is what is wanted."""
        file = self.file(entry.source)
        if len(text) > LONGEST:
            raise TemplateFault(f"{file}: renders {len(text)} characters, limit {LONGEST}")
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
