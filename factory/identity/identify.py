"""identify: from what was read and what was given to who the unit is, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from factory.config import IdentitySection, RegistrationSection
from factory.errors import FactoryError, UsageError
from factory.identity.expressions import Context, Expression, ExpressionError, Rendered
from factory.identity.keys import KeySource
from factory.identity.registration import particulars
from factory.identity.rules import check_addresses, check_id, judged, macs_of
from factory.identity.traces import check_connectd, check_serial
from factory.values import (
    Category,
    DeviceName,
    Facts,
    Finding,
    HardwareId,
    Identity,
    InvalidValue,
    RegistrationKey,
    Severity,
    Work,
)

_Value = TypeVar("_Value")


class IdentityRefused(FactoryError):  # noqa: N818 - reads as what happened
    """A unit is not who it must be; `findings` has every error, and the warnings beside them."""

    code = "identity.refused"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        lines = "".join(f"\n  {finding}" for finding in errors)
        super().__init__(f"the unit's identity has {len(errors)} error{'s' * (len(errors) != 1)}:{lines}")
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Identified:
    """A checked identity, and what deserves a look although it passes."""

    identity: Identity
    warnings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What has come out for one unit so far. It lives for one call."""

    context: Context
    findings: list[Finding] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def value(self, expression: Expression, parse: Callable[[str], _Value]) -> tuple[Rendered, _Value] | None:
        """Render and parse one expression; None after noting why not."""
        try:
            rendered = expression.render(self.context)
            self.used |= rendered.interfaces
            return rendered, parse(rendered.text)
        except (ExpressionError, InvalidValue) as error:
            self.findings.append(Finding(error.code, Severity.ERROR, expression.key, error.message, error.hint))
            return None


class Identifier:
    """A product's way from facts to identity, compiled once; pure, picklable, and safe for many threads."""

    def __init__(
        self, section: IdentitySection, registration: RegistrationSection, keys: KeySource, product: str
    ) -> None:
        """Compile the expressions. Raises UsageError for one that cannot be compiled, or that lacks a secret."""
        self._given = (section, registration, keys, product)
        self._section, self._keys, self._product = section, keys, product
        self._registration = particulars(registration)
        self._id = Expression("identity.hardware_id", section.hardware_id)
        self._key = Expression("identity.registration_key", section.registration_key)
        self._name = Expression("identity.device_name", section.device_name)
        self._categories: dict[str, Expression] = {
            letter: Expression(f"identity.categories.{letter}", source)
            for letter, source in sorted(section.categories.items())
            if source
        }
        if self._registration.has_key and "derive" in self._key.names and not keys.can_derive:
            raise UsageError(
                "identity.registration_key uses derive(), and there is no secret to derive from",
                hint="Add [identity.key] with a secret to product.toml.",
                code="identity.expression",
            )

    def __reduce__(self) -> tuple[object, ...]:
        return Identifier, self._given

    @classmethod
    def open(
        cls, section: IdentitySection, registration: RegistrationSection, keys: KeySource, product: str
    ) -> Identifier:
        """Open it for one product; the same as calling the class. Raises UsageError."""
        return cls(section, registration, keys, product)

    @property
    def interfaces(self) -> frozenset[str]:
        """The interfaces that the rules list or that an expression names literally."""
        values = tuple(expression for expression, _ in self._registration.values.values())
        key = (self._key,) if self._registration.has_key else ()
        expressions = (self._id, *key, self._name, *self._categories.values(), *values)
        return frozenset(self._section.rules.interfaces).union(*(each.interfaces for each in expressions))

    def identify(self, facts: Facts, work: Work) -> Identified:
        """Work out and judge the identity of one unit. Pure: the same input gives the same identity.

        Raises IdentityRefused with every finding at once.
        """
        reading = _Reading(self._context(facts, work))
        hardware_id, key, name = self._core(reading)
        categories = self._category_values(reading)
        values = self._registration_values(reading)
        which = judged(facts, self._section.rules, frozenset(reading.used))
        reading.findings.extend(check_addresses(facts, self._section.rules, which))
        serial, doubts = check_serial(facts.serial)
        reading.findings.extend(doubts)
        if hardware_id is not None:
            reading.findings.extend(check_id(hardware_id, self._section.rules))
            reading.findings.extend(check_connectd(facts, hardware_id))
        findings = tuple(reading.findings)
        wrong = any(finding.severity is Severity.ERROR for finding in findings)
        if wrong or hardware_id is None or name is None:
            raise IdentityRefused(findings)
        made_of, registration_key = key or (None, None)
        return Identified(
            Identity(
                hardware_id,
                registration_key,
                name,
                self._registration.code,
                macs_of(facts, which),
                serial,
                categories,
                key_version=self._keys.version if made_of is not None and made_of.derived else 0,
                key_parts={} if made_of is None else made_of.parts,
                registration=values,
            ),
            findings,
        )

    def registration_key(self, hardware_id: HardwareId, facts: Facts, work: Work) -> RegistrationKey:
        """Work out the key of a unit again, as for an upload. Raises IdentityRefused."""
        reading = _Reading(self._context(facts, work, hardware_id))
        found = reading.value(self._key, RegistrationKey.parse)
        if found is None:
            raise IdentityRefused(tuple(reading.findings))
        return found[1]

    def _context(self, facts: Facts, work: Work, hardware_id: HardwareId | None = None) -> Context:
        def derive(text: str) -> str:
            return self._keys.derive(self._product, HardwareId.parse(text)).text

        return Context(facts, work, derive, None if hardware_id is None else hardware_id.text)

    def _core(
        self, reading: _Reading
    ) -> tuple[HardwareId | None, tuple[Rendered, RegistrationKey] | None, DeviceName | None]:
        found_id = reading.value(self._id, HardwareId.parse)
        if found_id is not None:
            context = reading.context
            reading.context = Context(context.facts, context.work, context.derive, found_id[1].text)
        found_key = None
        if self._registration.has_key and self._usable(self._key, reading):
            found_key = reading.value(self._key, RegistrationKey.parse)
        found_name = reading.value(self._name, DeviceName.parse) if self._usable(self._name, reading) else None
        if found_key is not None and not found_key[0].derived:
            reading.findings.append(_weak_key(found_key[0], self._key.key))
        return found_id and found_id[1], found_key, found_name and found_name[1]

    def _usable(self, expression: Expression, reading: _Reading) -> bool:
        """An expression over a hardware id that failed would only repeat that failure."""
        return reading.context.hardware_id is not None or "hardware_id" not in expression.names

    def _category_values(self, reading: _Reading) -> dict[str, Category]:
        values: dict[str, Category] = {}
        for letter, expression in self._categories.items():
            found = reading.value(expression, _category_or_blank) if self._usable(expression, reading) else None
            if found is not None and found[1] is not None:
                values[letter] = found[1]
        return values

    def _registration_values(self, reading: _Reading) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, (expression, parse) in self._registration.values.items():
            found = reading.value(expression, parse) if self._usable(expression, reading) else None
            if found is not None:
                values[name] = found[1]
        return values


def identify(
    facts: Facts,
    work: Work,
    section: IdentitySection,
    registration: RegistrationSection,
    keys: KeySource,
    product: str,
) -> Identified:
    """Identify a single unit; open an Identifier for many. Raises UsageError and IdentityRefused."""
    return Identifier(section, registration, keys, product).identify(facts, work)


def _category_or_blank(text: str) -> Category | None:
    """A category may be blank, as its column in the upload may (remote.it reference, section 1.2)."""
    return Category.parse(text) if text else None


def _weak_key(rendered: Rendered, place: str) -> Finding:
    if rendered.constant:
        return Finding("KEY-CONSTANT", Severity.WARNING, place, "every unit has the same registration key")
    return Finding(
        "KEY-FACT",
        Severity.WARNING,
        place,
        "the registration key is made of what can be read on the unit or in the order, and the ledger keeps that",
        hint="Use derive(hardware_id) where the cloud lets you choose.",
    )
