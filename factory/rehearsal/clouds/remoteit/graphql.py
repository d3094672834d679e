"""Answering GraphQL: the fields that a client of the line needs (remote.it reference, section 6.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factory.rehearsal.clouds.remoteit.devices import find_devices
from factory.rehearsal.clouds.remoteit.query import Field, QueryError, read_query
from factory.rehearsal.clouds.world import World

_DEVICES = (
    "sort",
    "after",
    "from",
    "size",
    "application",
    "hardwareId",
    "id",
    "name",
    "owner",
    "platform",
    "state",
    "tag",
)
_LARGEST = 2**53
Mutation = Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A field with arguments."""

    run: Callable[[Mapping[str, Any]], Any]
    arguments: tuple[str, ...]


async def answer(
    world: World, document: Mapping[str, Any], mutations: Mapping[str, tuple[Mutation, tuple[str, ...]]]
) -> dict[str, Any]:
    """Answer one request: `data`, or `errors` with HTTP 200 all the same."""
    query, variables, name = document.get("query"), document.get("variables"), document.get("operationName")
    try:
        if not isinstance(query, str):
            raise QueryError("Must provide query string.")
        if variables is not None and not isinstance(variables, dict):
            raise QueryError("Variables must be provided as an Object.")
        operation = read_query(query, variables or {}, name if isinstance(name, str) else None)
        if operation.kind == "query":
            return {"data": _object(_root(world), operation.fields, "Query")}
        return {"data": {field.alias: await _mutated(field, mutations) for field in operation.fields}}
    except QueryError as error:
        return {"errors": [{"message": str(error)}]}


async def _mutated(field: Field, mutations: Mapping[str, tuple[Mutation, tuple[str, ...]]]) -> Any:
    if field.name not in mutations:
        raise QueryError(f'Cannot query field "{field.name}" on type "Mutation".')
    run, arguments = mutations[field.name]
    _known_arguments(field, arguments)
    return _value(await run(field.arguments), field, field.name)


def _root(world: World) -> dict[str, Any]:
    def devices(arguments: Mapping[str, Any]) -> dict[str, Any]:
        page = find_devices(world, _checked(arguments))
        return {"items": page.items, "total": page.total, "hasMore": page.more, "last": page.last}

    listed = Call(devices, _DEVICES)
    person = {"id": world.account.guid, "email": world.account.email}
    account = {**person, "devices": listed}

    def one_account(arguments: Mapping[str, Any]) -> dict[str, Any]:
        if arguments.get("id") not in (None, world.account.guid):
            raise QueryError("no such account")
        return account

    login = {**person, "created": "2026-01-01T00:00:00.000Z", "devices": listed, "account": Call(one_account, ("id",))}
    return {"login": login}


def _checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the types that the schema gives them. Raises QueryError."""
    checked: dict[str, Any] = {}
    for name, value in arguments.items():
        if value is None:
            continue
        if name in ("size", "from"):
            fits = isinstance(value, int) and not isinstance(value, bool) and (name == "size") <= value < _LARGEST
        elif name == "id":
            value = [value] if isinstance(value, str) else value
            fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        elif name in ("application", "platform", "tag", "owner"):
            raise QueryError(f"this rehearsal cannot filter by {name}")
        else:
            fits = isinstance(value, str)
        if not fits:
            raise QueryError(f'Argument "{name}" has an invalid value.')
        checked[name] = value
    return checked


def _object(value: Mapping[str, Any], fields: Sequence[Field], kind: str) -> dict[str, Any]:
    return {field.alias: _value(_found(value, field, kind), field, field.name) for field in fields}


def _found(value: Mapping[str, Any], field: Field, kind: str) -> Any:
    if field.name == "__typename":
        return kind
    if field.name not in value:
        raise QueryError(f'Cannot query field "{field.name}" on type "{kind}".')
    found = value[field.name]
    _known_arguments(field, found.arguments if isinstance(found, Call) else ())
    return found.run(field.arguments) if isinstance(found, Call) else found


def _known_arguments(field: Field, known: Sequence[str]) -> None:
    for name in field.arguments:
        if name not in known:
            raise QueryError(f'Unknown argument "{name}" on field "{field.name}".')


def _value(value: Any, field: Field, kind: str) -> Any:
    if isinstance(value, list):
        return [_value(one, field, kind) for one in value]
    if isinstance(value, dict):
        if field.name == "attributes":  # a JSON scalar, taken whole
            return value
        if not field.selected:
            raise QueryError(f'Field "{field.name}" must have a selection of subfields.')
        return _object(value, field.selected, kind)
    if field.selected and value is not None:
        raise QueryError(f'Field "{field.name}" must not have a selection.')
    return value
