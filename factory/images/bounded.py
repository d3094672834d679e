"""A bound on what one template may do: a loop without an end must not stop the line.

Iterations and calls are counted rather than timed, so that the same template ends the same way on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import TemplateRuntimeError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

STEPS = 100_000
"""Iterations of loops and calls that one unit's templates may make in all; a plain set makes none."""
LONGEST = 1024 * 1024
"""Characters that one file may render to, and that a multiplied text may have."""
_FILTER = "_bounded"
_COUNT = "_steps"
_WIDE = ("batch", "center", "format", "indent", "slice", "wordwrap")
"""Filters that make a text or list as long as a number says."""


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which every loop, call and multiplication has a bound."""

    intercepted_binops = frozenset(("*", "**"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.filters[_FILTER] = _bounded
        for name in _WIDE:
            self.filters[name] = _narrow(self.filters[name])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _FILTER, [], [], None, None, lineno=loop.lineno)
            loop.iter.set_environment(self)
        return tree

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja's own names
        """Count a call, of a macro too, and make it. Raises TemplateRuntimeError beyond the bound."""
        _count(__context)
        for value in (*args, *kwargs.values()):
            if isinstance(value, int) and abs(value) > LONGEST:
                raise TemplateRuntimeError(f"a call with {value}, limit {LONGEST}")
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply and raise within bounds. Raises TemplateRuntimeError beyond them."""
        if operator == "**" and isinstance(right, int) and (abs(right) > 64 or abs(left) > LONGEST):
            raise TemplateRuntimeError("a power above 64")
        for text, times in ((left, right), (right, left)):
            if isinstance(text, (str, list, tuple)) and isinstance(times, int) and len(text) * times > LONGEST:
                raise TemplateRuntimeError(f"a text or list of more than {LONGEST} parts")
        return super().call_binop(context, operator, left, right)


def _narrow(filter_: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filter_)  # which also keeps what Jinja passes to it
    def narrow(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, int) and abs(value) > LONGEST:
                raise TemplateRuntimeError(f"a filter with {value}, limit {LONGEST}")
        return filter_(*args, **kwargs)

    return narrow


def steps() -> dict[str, object]:
    """The counter of one render, to be put among its names."""
    return {_COUNT: [STEPS]}


def _count(context: Context) -> None:
    left = context.get(_COUNT)
    if left is None:  # an expression that is worked out at compile time
        return
    left[0] -= 1
    if left[0] < 0:
        raise TemplateRuntimeError(f"more than {STEPS} iterations and calls: does a loop never end?")


@pass_context
def _bounded(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _count(context)
        yield value
