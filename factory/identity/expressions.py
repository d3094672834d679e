"""The expressions of [identity]: sandboxed Jinja over what is known of a unit, strict about every name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.meta import find_undeclared_variables
from jinja2.utils import missing

from factory.errors import FactoryError, UsageError
from factory.identity.sandbox import sandbox
from factory.values import Facts, Work, shown

GROUPS = ("mac", "facts", "order", "assigned")
_KEPT = ("facts", "order", "assigned")
_KNOWN = (*GROUPS, "lot", "hardware_id", "derive")
_RENDERING = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class ExpressionError(FactoryError):
    """An expression cannot be worked out for this unit; the message names the key, the name, and what there is."""

    code = "EXPR"


@dataclass(frozen=True, slots=True)
class Context:
    """What the expressions of one unit may use. `hardware_id` is None while it is being worked out itself."""

    facts: Facts
    work: Work
    derive: Callable[[str], str]
    hardware_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A result and what went into it: interfaces by name, other values by their full names ('facts.imei'), whether
    a key was derived, whether the expression uses nothing at all.
    """

    text: str
    interfaces: frozenset[str]
    parts: Mapping[str, str]
    derived: bool
    constant: bool


class Group:
    """One namespace of an expression. It has no attributes of its own, so that a column may be called 'items'."""

    __slots__ = ("_members", "_name", "_used")

    def __init__(self, name: str, members: Mapping[str, str]) -> None:
        self._name = name
        self._members = members
        self._used: set[str] = set()

    def __getitem__(self, key: str) -> str:
        value = self._members[key]
        self._used.add(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __str__(self) -> str:
        raise TemplateRuntimeError(f"{self._name} is a group of values: name one; {self._there_is()}")

    def _there_is(self) -> str:
        if not self._members:
            return f"there is nothing in {self._name} for this unit"
        return f"there is {', '.join(_reference(self._name, member) for member in self._members)}"


class _Undefined(StrictUndefined):
    """An unknown name that says what it was and what there is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name, of = self._undefined_name, self._undefined_obj
        if isinstance(of, Group):
            return f"unknown name {_reference(of._name, str(name))}; {of._there_is()}"
        if of is not missing:
            return f"unknown member {shown(str(name))} of a text"
        if name == "hardware_id":
            return "hardware_id cannot be used in its own expression"
        near = difflib.get_close_matches(str(name), _KNOWN, n=1)
        return f"unknown name {name}; " + (f"perhaps {near[0]} was meant" if near else f"there is {', '.join(_KNOWN)}")


class Expression:
    """One expression of [identity], compiled; rendering it is pure and may be done from many threads."""

    def __init__(self, key: str, source: str) -> None:
        """Compile `source`. Raises UsageError that names `key`, such as `identity.hardware_id`."""
        environment = sandbox(_Undefined)
        self.key = key
        try:
            tree = environment.parse(source)
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise UsageError(
                f"{key}: {shown(source)} is no expression: {error.message}",
                hint='Write for example "{{ mac.eth0 }}" or "{{ derive(hardware_id) }}".',
                code="identity.expression",
            ) from error
        self.names = frozenset(find_undeclared_variables(tree))
        self.interfaces = frozenset(_interfaces_in(tree))

    def render(self, context: Context) -> Rendered:
        """Work it out for one unit. Raises ExpressionError, and what `derive` raises."""
        derived: list[str] = []

        def derive(hardware_id: object) -> str:
            derived.append(context.derive(str(hardware_id)))
            return derived[-1]

        groups = {name: Group(name, members) for name, members in _members(context).items()}
        names: dict[str, object] = {**groups, "lot": context.work.lot, "derive": derive}
        if context.hardware_id is not None:
            names["hardware_id"] = context.hardware_id
        try:
            text = self._template.render(names)
        except _RENDERING as error:
            said = str(error)
            for key in derived:
                said = said.replace(key, "***")
            raise ExpressionError(said, code="EXPR-UNKNOWN" if "unknown name" in said else "EXPR") from None
        interfaces = frozenset(groups["mac"]._used)
        parts = {f"{group}.{name}": groups[group][name] for group in _KEPT for name in sorted(groups[group]._used)}
        return Rendered(text, interfaces, parts, bool(derived), constant=not self.names)


def _members(context: Context) -> dict[str, Mapping[str, str]]:
    facts = context.facts
    own = {"serial": facts.serial, "model": facts.model}
    return {
        "mac": {name: mac.plain for name, mac in facts.interfaces.items()},
        "facts": {name: value for name, value in own.items() if value is not None} | dict(facts.values),
        "order": context.work.order,
        "assigned": context.work.assigned,
    }


def _interfaces_in(tree: nodes.Template) -> Iterator[str]:
    """The interfaces that an expression names literally: mac.eth0, mac["br-lan"]."""
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name == "mac":
            yield attribute.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "mac" and isinstance(item.arg, nodes.Const):
            yield str(item.arg.value)


def _reference(group: str, member: str) -> str:
    """How a member is written in an expression: a name that is no identifier needs brackets."""
    return f"{group}.{member}" if member.isidentifier() else f"{group}[{shown(member)}]"
