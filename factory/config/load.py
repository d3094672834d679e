"""Reading the files that people write: every error at once, with file and key and the nearest known key."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from factory.config.bench import Bench
from factory.config.product import Product
from factory.errors import UsageError
from factory.files import read_bytes

_File = TypeVar("_File", bound=BaseModel)
_LIMIT = 1024 * 1024


class ConfigError(UsageError):
    """A configuration file is wrong; `problems` has one line per error, with its key."""

    code = "config"

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{path} has {count}:{lines}", hint="Nothing was started. See docs/configuration.md.")
        self.path = path
        self.problems = problems


def load_product(path: Path) -> Product:
    """Read a product.toml. Raises ConfigError or FileError."""
    return _load(path, Product)


def load_bench(path: Path) -> Bench:
    """Read a bench.toml. Raises ConfigError or FileError."""
    return _load(path, Bench)


def load_section(path: Path, model: type[_File]) -> _File:
    """Read a TOML file that is one section of a room's own, such as template.toml. Raises ConfigError or FileError."""
    return _load(path, model)


def _load(path: Path, model: type[_File]) -> _File:
    content = read_bytes(path, limit=_LIMIT)
    data = _parse(path, content)
    ours = {"folder": path.resolve().parent, "sha256": hashlib.sha256(content).hexdigest()}
    ours = {key: value for key, value in ours.items() if key in _ours(model)}
    stray = tuple(f"{key}: unknown key" for key in ours if key in data)
    try:
        loaded = model.model_validate({**data, **ours})
    except ValidationError as error:
        raise ConfigError(path, (*stray, *_problems(error, model))) from None
    if stray:
        raise ConfigError(path, stray)
    return loaded


def _ours(model: type[BaseModel]) -> set[str]:
    """Fields that reading fills in; they are no keys of the file."""
    return {name for name, field in model.model_fields.items() if field.exclude}


def _strict(value: Any) -> Any:
    """TOML's arrays as tuples: strict validation takes no list for a tuple, and nothing else is to be converted."""
    if isinstance(value, list):
        return tuple(_strict(item) for item in value)
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return value


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = _strict(tomllib.loads(content.decode("utf-8")))
        return parsed
    except UnicodeDecodeError as error:
        raise ConfigError(path, (f"byte {error.start}: not UTF-8 text",)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, (f"not TOML: {error}",)) from error


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in _keys(detail["loc"])) or "file"
        if detail["type"] == "extra_forbidden":
            yield f"{place}: unknown key{_nearest(detail['loc'], model)}"
        elif detail["type"] == "missing":
            yield f"{place}: missing"
        else:
            yield f"{place}: {detail['msg'].removeprefix('Value error, ')}"


def _keys(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A place as the file has it: pydantic puts the profile's name between [registration] and its keys."""
    return (location[0], *location[2:]) if location[:1] == ("registration",) else location


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """The known key that an unknown one was probably meant to be, found in the section that holds it."""
    section: type[BaseModel] | None = model
    for part in _keys(location)[:-1]:
        if isinstance(part, str) and section is not None:
            section = _section_of(section, part, str(location[1]))
    if section is None:
        return ""
    known = [name for name in section.model_fields if name not in _ours(section)]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def _section_of(section: type[BaseModel], name: str, tag: str) -> type[BaseModel] | None:
    """The model of a section, which `tag` chooses where there are several."""
    field = section.model_fields.get(name)
    if field is None:
        return None
    found: dict[str, type[BaseModel]] = {}
    for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
        plain = getattr(candidate, "__origin__", candidate)
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            profile = plain.model_fields.get("profile")
            found["" if profile is None else str(profile.default)] = plain
    return found.get(tag, next(iter(found.values()), None))
