"""The loader's variables: read whole, and held against the size that the loader itself tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from factory.bootloader.line import BootloaderError, Limit
from factory.bootloader.prompt import Bootloader

NAME = re.compile(r"[A-Za-z0-9_.#,:/+-]{1,128}")
_SIZE = re.compile(r"\n?Environment size: (\d+)/(\d+) bytes\s*\Z")
_NOT_DEFINED = re.compile(r'(?m)^## Error: "?[^\n]{1,128}"? not defined')
_ENTRY = re.compile(r"([^=\n]{1,128})=((?:[^\\\n]|\\.)*)", re.DOTALL)
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Environment:
    """All variables. `used` and `room` are bytes; 0 where the loader does not tell."""

    values: Mapping[str, str]
    used: int = 0
    room: int = 0


def parse_environment(text: str) -> Environment | None:
    """Parse the output of `printenv`; None when it is not what the loader sent: a line is no variable, or the size
    differs. A line feed inside a value comes escaped by a backslash; each byte stands for itself (Latin-1).
    """
    told = _SIZE.search(text)
    body = text[: told.start()] if told else text
    values: dict[str, str] = {}
    at = 0
    # Line feeds behind the last variable say nothing; an escaped one belongs to its value.
    while body[at:].strip("\n"):
        entry = _ENTRY.match(body, at)
        if entry is None or body[entry.end() : entry.end() + 1] not in ("\n", "") or entry[1] in values:
            return None
        values[entry[1]] = re.sub(r"\\(.)", r"\1", entry[2], flags=re.DOTALL)
        at = entry.end() + 1
    if told is None:
        return Environment(values)
    # Bytes of every name=value and its end, and one for the end of all.
    if int(told[1]) not in (at, at + 1):
        return None
    return Environment(values, int(told[1]), int(told[2]))


def read_environment(loader: Bootloader, *, limit: Limit) -> Environment:
    """Read every variable. An answer that was damaged on the way is asked for again; a loader that tells no size is
    asked twice. Raises BootloaderError `uboot.environment`.
    """
    before: Environment | None = None
    for _ in range(_TRIES):
        found = parse_environment(loader.run("printenv", limit=limit).require("reading the environment").text)
        if found is not None and (found.used or found == before):
            return found
        before = found
    raise BootloaderError(
        f"{loader.route}: the environment cannot be read without damage, {_TRIES} times",
        hint="Check the baud rate, the cable and GND.",
        code="uboot.environment",
    )


def read_variable(loader: Bootloader, name: str, *, limit: Limit) -> str | None:
    """Read one variable exactly; None when it is not set. It is read twice, for one line has no check of its own.

    Raises BootloaderError.
    """
    if not NAME.fullmatch(name):
        raise BootloaderError(f"{name!r} is no name of a variable", code="uboot.variable")
    last: tuple[str | None] | None = None
    for _ in range(_TRIES + 1):
        found = _asked(loader, name, limit)
        if found is not None and found == last:
            return found[0]
        last = found
    raise BootloaderError(
        f"{loader.route}: {name} reads differently each time", hint="Check the cable and GND.", code="uboot.variable"
    )


def _asked(loader: Bootloader, name: str, limit: Limit) -> tuple[str | None] | None:
    answer = loader.run(f"printenv {name}", limit=limit)
    if answer.text.startswith(f"{name}="):
        return (answer.text.removeprefix(f"{name}=").removesuffix("\n"),)
    return (None,) if _NOT_DEFINED.search(answer.text) else None
