"""The one kind of Jinja that expressions and templates run in: it reaches nothing, and gives the same every time."""

from __future__ import annotations

from jinja2 import BaseLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

_PURE_GLOBALS = frozenset({"range", "dict", "namespace"})
_BY_CHANCE = "random"


def sandbox(
    undefined: type[StrictUndefined] = StrictUndefined,
    loader: BaseLoader | None = None,
    kind: type[ImmutableSandboxedEnvironment] = ImmutableSandboxedEnvironment,
) -> ImmutableSandboxedEnvironment:
    """A sandbox without anything that depends on chance; unknown names are errors and the last newline stays."""
    environment = kind(undefined=undefined, autoescape=False, keep_trailing_newline=True, loader=loader)
    for name in environment.globals.keys() - _PURE_GLOBALS:
        del environment.globals[name]
    del environment.filters[_BY_CHANCE]
    return environment
