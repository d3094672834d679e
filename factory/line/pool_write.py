"""A unit's values of a pool on their way into it: the product's command for them, and what the unit must show then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jinja2 import TemplateError

from factory.config import PoolSection
from factory.errors import UsageError
from factory.identity.sandbox import sandbox
from factory.ledger.pool_records import Given
from factory.values import Facts, InvalidValue, Mac
from factory.values.pools import Numbered, PoolKind

_HINT = 'Write for example "fw_setenv ethaddr {{ mac.eth0 }}"; there is mac, plain (both by interface) and value.'
_RENDERING = (TemplateError, TypeError, ValueError, LookupError, AttributeError)


class PerInterface:
    """What `mac` and `plain` are in a command: `mac.eth0` is an interface's address, `mac` alone the first of all."""

    __slots__ = ("_first", "_members")

    def __init__(self, members: Mapping[str, str], first: str) -> None:
        self._members = members
        self._first = first

    def __getitem__(self, interface: str) -> str:
        return self._members[interface]

    def __str__(self) -> str:
        return self._first


@dataclass(frozen=True, slots=True)
class Writing:
    """One pool's values for one unit."""

    section: PoolSection
    given: Given

    @property
    def expected(self) -> Mapping[str, str]:
        """The value that each interface is to show; a serial stands under the fact that shows it."""
        if self.given.kind is PoolKind.MAC:
            return {name: self.given.values[offset] for name, offset in self.section.interfaces.items()}
        fact = self.section.write.shown_by if self.section.write else None
        return {} if fact is None else {fact: self.given.value}

    def differs(self, facts: Facts) -> Mapping[str, str]:
        """Where the unit does not show its value: what it shows there, empty for nothing."""
        shown = texts(self.section, facts)
        return {name: shown.get(name, "") for name, value in self.expected.items() if shown.get(name) != value}

    def as_shown(self, facts: Facts) -> Facts:
        """The facts as they will be once the unit has taken its value."""
        if self.given.kind is PoolKind.MAC:
            own = {name: Mac.parse(value) for name, value in self.expected.items()}
            return replace(facts, interfaces={**facts.interfaces, **own})
        for fact, value in self.expected.items():
            if fact == "serial":
                return replace(facts, serial=value)
            return replace(facts, values={**facts.values, fact: value})
        return facts

    @property
    def assigned(self) -> Mapping[str, str]:
        """What expressions may use: assigned.NAME, and assigned.NAME_IFACE for each interface."""
        by_interface = self.expected if self.given.kind is PoolKind.MAC else {}
        name = self.section.name
        return {name: self.given.value} | {f"{name}_{interface}": value for interface, value in by_interface.items()}

    def command(self) -> str:
        """The product's command for this unit. Raises UsageError naming what cannot be worked out."""
        assert self.section.write is not None
        names: dict[str, object] = {"value": self.given.value}
        if self.given.kind is PoolKind.MAC:
            colons = {name: Mac.parse(value).colons for name, value in self.expected.items()}
            names["mac"] = PerInterface(colons, Mac.parse(self.given.value).colons)
            names["plain"] = PerInterface(self.expected, self.given.value)
        try:
            return sandbox().from_string(self.section.write.command).render(names)
        except _RENDERING as error:
            message = f"pool {self.section.name}, write.command: {error}"
            raise UsageError(message, hint=_HINT, code="pool.command") from error


def try_command(section: PoolSection) -> None:
    """Work out a pool's command for a unit that is not there. Raises UsageError as for a real one."""
    if section.write is not None:
        kind = PoolKind(section.kind)
        values = tuple(f"02000000{number:04x}" for number in range(section.count))
        Writing(section, Given(section.name, kind, "", values, fresh=False)).command()


def key_of(section: PoolSection, facts: Facts) -> str | None:
    """What says that a unit is the same one again; None where it says nothing."""
    return facts.serial if section.key == "serial" else facts.values.get(section.key)


def texts(section: PoolSection, facts: Facts) -> Mapping[str, str]:
    """What a unit shows where a pool's values go, as the pool writes them. All its addresses for a pool of these."""
    if section.kind == "mac":
        return {name: mac.plain for name, mac in facts.interfaces.items()}
    fact = section.write.shown_by if section.write else None
    value = None if fact is None else facts.serial if fact == "serial" else facts.values.get(fact)
    return {} if fact is None or value is None else {fact: value}


def numbered(section: PoolSection, facts: Facts) -> Mapping[str, Numbered]:
    """The same as numbers; what cannot be a value of any pool is left out."""
    found = {}
    for name, text in texts(section, facts).items():
        try:
            found[name] = Numbered.parse(PoolKind(section.kind), text)
        except InvalidValue:  # such as "not set": it shows no serial of a pool
            continue
    return found
