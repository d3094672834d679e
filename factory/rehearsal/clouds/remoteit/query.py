"""Reading a GraphQL request: as much of the language as a client of the account API needs, by hand.

Operations with variables, selections with aliases and arguments, named and inline fragments. Directives are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r'(?P<skip>[\s,\ufeff]+|\#[^\n\r]*)|(?P<spread>\.\.\.)|(?P<mark>[{}()\[\]:$!=@|&])|(?P<name>[A-Za-z_]\w*)'
    r'|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>"(?:[^"\\\n]|\\.)*")', re.ASCII
)  # fmt: skip
_DEEPEST = 20
_LONGEST_NUMBER = 18
_MOST_FIELDS = 2000  # fragments inside fragments multiply
_ESCAPE = re.compile(r'\\(u[0-9A-Fa-f]{4}|["\\/bfnrt])')
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class QueryError(Exception):
    """The request cannot be read or answered; the text is what the client sees."""


@dataclass(frozen=True, slots=True)
class Field:
    """A selected field: the name in the reply, the field's own name, its arguments, what is selected of it."""

    alias: str
    name: str
    arguments: Mapping[str, Any]
    selected: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class _Fragment:
    name: str


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str


@dataclass(frozen=True, slots=True)
class _Raw:
    alias: str
    name: str
    arguments: dict[str, Any]
    selected: list[_Raw | _Fragment]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `query` or `mutation`, and the fields it asks for, variables and fragments filled in."""

    kind: str
    fields: tuple[Field, ...]


def read_query(text: str, variables: Mapping[str, Any], operation: str | None = None) -> Operation:
    """Read a request's document. Raises QueryError."""
    return _Reader(text).document(variables, operation)


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise QueryError(f"Syntax Error: unexpected character at {place}")
            if match.lastgroup != "skip":
                self._tokens.append((match.lastgroup, match[0]))
            place = match.end()
        self._place = 0
        self._depth = 0

    def document(self, given: Mapping[str, Any], wanted: str | None) -> Operation:
        fragments: dict[str, list[_Raw | _Fragment]] = {}
        operations: dict[str, tuple[str, dict[str, Any], list[_Raw | _Fragment]]] = {}
        while self._place < len(self._tokens):
            kind = "query" if self._peek() == "{" else self._name()
            if kind == "fragment":
                name = self._name()
                self._type_condition()
                fragments[name] = self._selection()
            elif kind in ("query", "mutation"):
                name = self._name() if self._kind() == "name" else ""
                operations[name] = (kind, self._definitions(), self._selection())
            else:
                raise QueryError(f"Syntax Error: unexpected {kind!r}")
        if wanted is None and len(operations) == 1:
            wanted = next(iter(operations))
        if wanted is None or wanted not in operations:
            raise QueryError("Must provide the name of an operation that exists.")
        kind, defaults, selected = operations[wanted]
        values = {name: given.get(name, default) for name, default in defaults.items()}
        return Operation(kind, _Filler(values, fragments).fill(selected))

    def _definitions(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {}
        if self._peek() != "(":
            return defaults
        self._take("(")
        while self._peek() != ")":
            self._take("$")
            name = self._name()
            self._take(":")
            self._type()
            defaults[name] = None
            if self._peek() == "=":
                self._take("=")
                defaults[name] = self._value()
        self._take(")")
        return defaults

    def _type(self) -> None:
        if self._peek() == "[":
            with_depth = self._deeper()
            self._take("[")
            self._type()
            self._take("]")
            self._depth = with_depth
        else:
            self._name()
        if self._peek() == "!":
            self._take("!")

    def _selection(self) -> list[_Raw | _Fragment]:
        before = self._deeper()
        self._take("{")
        found: list[_Raw | _Fragment] = []
        while self._peek() != "}":
            found += self._selected()
        if not found:
            raise QueryError("Syntax Error: nothing is selected")
        self._take("}")
        self._depth = before
        return found

    def _selected(self) -> list[_Raw | _Fragment]:
        if self._kind() == "spread":
            self._next()
            if self._kind() == "name" and self._peek() != "on":
                return [_Fragment(self._name())]
            if self._peek() == "on":
                self._type_condition()
            return self._selection()
        alias = name = self._name()
        if self._peek() == ":":
            self._take(":")
            name = self._name()
        arguments: dict[str, Any] = {}
        if self._peek() == "(":
            self._take("(")
            while self._peek() != ")":
                key = self._name()
                self._take(":")
                arguments[key] = self._value()
            self._take(")")
        return [_Raw(alias, name, arguments, self._selection() if self._peek() == "{" else [])]

    def _type_condition(self) -> None:
        if self._name() != "on":
            raise QueryError("Syntax Error: expected 'on'")
        self._name()

    def _value(self) -> Any:
        before = self._deeper()
        kind, mark = self._next()
        value: Any
        if mark == "$":
            value = _Variable(self._name())
        elif kind == "number":
            value = float(mark) if set(mark) & set(".eE") else self._integer(mark)
        elif kind == "text":
            value = _unescaped(mark[1:-1])
        elif kind == "name":
            value = {"true": True, "false": False, "null": None}.get(mark, mark)
        elif mark == "[":
            value = []
            while self._peek() != "]":
                value.append(self._value())
            self._take("]")
        elif mark == "{":
            value = {}
            while self._peek() != "}":
                key = self._name()
                self._take(":")
                value[key] = self._value()
            self._take("}")
        else:
            raise QueryError(f"Syntax Error: unexpected {mark!r}")
        self._depth = before
        return value

    @staticmethod
    def _integer(token: str) -> int:
        if len(token) > _LONGEST_NUMBER:
            raise QueryError("Syntax Error: the number is too long")
        return int(token)

    def _deeper(self) -> int:
        before = self._depth
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError("the query is too deep")
        return before

    def _peek(self) -> str:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._place][0] if self._place < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise QueryError("Syntax Error: the query ends early")
        self._place += 1
        return self._tokens[self._place - 1]

    def _take(self, mark: str) -> None:
        _, token = self._next()
        if token != mark:
            raise QueryError(f"Syntax Error: expected {mark!r}, found {token!r}")

    def _name(self) -> str:
        kind, token = self._next()
        if kind != "name":
            raise QueryError(f"Syntax Error: expected a name, found {token!r}")
        return token


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text)


class _Filler:
    """Puts variables and fragments where they belong."""

    def __init__(self, values: Mapping[str, Any], fragments: Mapping[str, list[_Raw | _Fragment]]) -> None:
        self._values = values
        self._fragments = fragments
        self._count = 0

    def fill(self, selected: list[_Raw | _Fragment], depth: int = 0) -> tuple[Field, ...]:
        found: list[Field] = []
        for one in selected:
            self._count += 1
            if depth > _DEEPEST or self._count > _MOST_FIELDS:
                raise QueryError("the query is too deep or too large")
            if isinstance(one, _Fragment):
                if one.name not in self._fragments:
                    raise QueryError(f'Unknown fragment "{one.name}".')
                found += self.fill(self._fragments[one.name], depth + 1)
            else:
                arguments = {key: self._value(value) for key, value in one.arguments.items()}
                found.append(Field(one.alias, one.name, arguments, self.fill(one.selected, depth + 1)))
        return tuple(found)

    def _value(self, value: Any) -> Any:
        if isinstance(value, _Variable):
            if value.name not in self._values:
                raise QueryError(f'Variable "${value.name}" is not defined.')
            return self._values[value.name]
        if isinstance(value, list):
            return [self._value(one) for one in value]
        if isinstance(value, dict):
            return {key: self._value(one) for key, one in value.items()}
        return value
