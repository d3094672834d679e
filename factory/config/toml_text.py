"""Setting keys in the text of a TOML file, so that its comments and its order stay."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

Plain = str | int | bool | float | list[str] | tuple[str, ...]
Setting = Plain | Mapping[str, "Setting"]
"""What a key can be set to; a mapping sets the keys below it."""


def with_settings(text: str, settings: Mapping[str, Setting]) -> str:
    """Return `text` with each dotted key (`unit.login.user`) set, in place where its line is there, also when that is
    commented out, else at the end of its section, which is added when missing.

    Values are of one line and tables of the text are plain `[name]` ones; raises ValueError where the result would
    not be the same TOML with those keys set, so that a text it cannot handle is not silently damaged.
    """
    lines = text.removesuffix("\n").split("\n")
    flat = dict(_flat("", settings))
    for dotted, value in flat.items():
        section, _, key = dotted.rpartition(".")
        lines = _set(lines, section, key, value)
    result = "\n".join(lines) + "\n"
    expected = tomllib.loads(text)
    for dotted, value in flat.items():
        _put(expected, dotted.split("."), list(value) if isinstance(value, (list, tuple)) else value)
    if tomllib.loads(result) != expected:
        raise ValueError(f"cannot set {', '.join(settings)} in this TOML text")
    return result


def _set(lines: list[str], section: str, key: str, value: Plain) -> list[str]:
    start, end = _span(lines, section)
    if start is None:
        return [*lines, "", f"[{section}]", f"{key} = {_toml(value)}"]
    line = f"{key} = {_toml(value)}"
    for pattern in (rf"{re.escape(key)}\s*=", rf"#\s*{re.escape(key)}\s*="):
        for number in range(start, end):
            if re.match(pattern, lines[number]):
                return [*lines[:number], line, *lines[number + 1 :]]
    while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return [*lines[:end], line, *lines[end:]]


def _span(lines: list[str], section: str) -> tuple[int | None, int]:
    """Where the keys of a section lie: from the line after its header to the next header."""
    start: int | None = None if section else 0
    for number, line in enumerate(lines):
        header = re.match(r"\[+\s*([A-Za-z0-9_.-]+)\s*\]+", line)
        if header and start is not None:
            return start, number
        if header and header[1] == section:
            start = number + 1
    return start, len(lines)


def _toml(value: Plain) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for surrogate pairs and for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(_toml(item) for item in value) + "]"


def _flat(prefix: str, settings: Mapping[str, Setting]) -> Iterator[tuple[str, Plain]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _put(data: dict[str, object], path: list[str], value: object) -> None:
    for part in path[:-1]:
        below = data.setdefault(part, {})
        if not isinstance(below, dict):
            raise ValueError(f"{part} is no table")
        data = below
    data[path[-1]] = value
