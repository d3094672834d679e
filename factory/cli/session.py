"""What one call of the command has settled before its work begins, and how it prints."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(slots=True)
class Session:
    """One call. `schema` is set by a command that was asked for JSON, so that a failure is JSON as well."""

    debug: bool = False
    schema: str | None = None

    def json(self, name: str) -> None:
        """Answer this call with one JSON document of the schema `factory.NAME/1`."""
        self.schema = f"factory.{name}/1"

    def print_json(self, document: dict[str, Any]) -> None:
        """Print the one document of this call to stdout, its schema first."""
        print_line({"schema": self.schema, **document})


def print_line(document: dict[str, Any]) -> None:
    """Print one JSON document on one line to stdout, at once, so that a reader of a pipe sees it."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def talk() -> Console:
    """Return the console for people: stderr, so that stdout carries data alone."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def show() -> Console:
    """Return the console for data that people read: stdout, no wrapping of long cells when piped."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)
