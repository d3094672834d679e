"""Rules: which addresses and ids a product accepts. Every finding at once, none depends on another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from factory.config import RulesSection
from factory.values import Facts, Finding, HardwareId, InvalidValue, Mac, Severity

_OFFSET = re.compile(r"(?P<base>.+)(?P<distance>[+-][0-9]+)")


@dataclass(frozen=True, slots=True)
class Judged:
    """Which interfaces of a unit are judged: `sound` must have a possible address; `own` must be the maker's."""

    sound: tuple[str, ...]
    own: tuple[str, ...]


def judged(facts: Facts, rules: RulesSection, used: frozenset[str]) -> Judged:
    """Say which interfaces are judged: those that the rules list and the expressions use are the unit's own;
    where none is listed, every interface that was read must at least have an address that a unit can have.
    """
    own = tuple(dict.fromkeys((*rules.interfaces, *sorted(used))))
    sound = own if rules.interfaces else tuple(dict.fromkeys((*own, *facts.interfaces)))
    return Judged(sound, own)


def check_addresses(facts: Facts, rules: RulesSection, which: Judged) -> tuple[Finding, ...]:
    """Judge a unit's MAC addresses (spreadsheet reference, section 8); an empty result means that all are good."""
    return tuple(_addresses(facts, rules, which))


def check_id(hardware_id: HardwareId, rules: RulesSection) -> tuple[Finding, ...]:
    """Judge the form of a hardware id."""
    if rules.pattern is None or re.fullmatch(rules.pattern, hardware_id.text):
        return ()
    message = f"{hardware_id.text} does not match the pattern {rules.pattern} of identity.rules"
    return (Finding("ID-PATTERN", Severity.ERROR, "hardware_id", message, value=hardware_id.text),)


def macs_of(facts: Facts, which: Judged) -> Mapping[str, Mac]:
    """The addresses that must be unique for ever: the unit's own, and every other that a maker has assigned.

    Each address stands once; a bridge or VLAN that borrows a port's address adds nothing.
    """
    found: dict[str, Mac] = {name: facts.interfaces[name] for name in which.own if name in facts.interfaces}
    for name, mac in facts.interfaces.items():
        if not mac.is_local and mac.defect() is None and mac not in found.values():
            found.setdefault(name, mac)
    return found


def _addresses(facts: Facts, rules: RulesSection, which: Judged) -> Iterator[Finding]:
    for name in which.sound:
        mac = facts.interfaces.get(name)
        if mac is None:
            there = ", ".join(facts.interfaces) or "none"
            message = f"the unit has no interface {name}; it has {there}"
            yield _error("MAC-MISSING", name, message, "Is the module fitted, and its driver loaded?")
            continue
        defect = mac.defect()
        if defect is not None:
            code, why = defect
            yield _error(code, name, f"{mac} {why}", "Program the unit's own address first.", mac)
        elif name in which.own:
            yield from _assignment(name, mac, rules)
    yield from _duplicates(facts, which)
    yield from _offsets(facts, rules)


def _assignment(name: str, mac: Mac, rules: RulesSection) -> Iterator[Finding]:
    if mac.is_local:
        if not rules.allow_locally_administered:
            message = f"{mac} is locally administered (first octet {mac.plain[:2]}); not allowed by this product"
            hint = "Set identity.rules.allow_locally_administered if the product's addresses are made up."
            yield _error("MAC-LAA", name, message, hint, mac)
    elif rules.oui and not mac.plain.startswith(rules.oui):
        hint = f"Allowed: {', '.join(rules.oui)}."
        yield _error("MAC-OUI", name, f"{mac} is not in an address block of this product", hint, mac)


def _duplicates(facts: Facts, which: Judged) -> Iterator[Finding]:
    holders: dict[Mac, str] = {}
    for name in which.sound:
        mac = facts.interfaces.get(name)
        if mac is None or mac.defect() is not None:
            continue
        if mac in holders:
            hint = "If one is a bridge or VLAN on the other, list the real ports in identity.rules.interfaces."
            yield _error("MAC-DUP", name, f"{mac} is the address of {holders[mac]} too", hint, mac)
        holders.setdefault(mac, name)


def _offsets(facts: Facts, rules: RulesSection) -> Iterator[Finding]:
    for name, rule in rules.offsets.items():
        match = _OFFSET.fullmatch(rule)
        if match is None:
            raise ValueError(f"an offset rule that configuration let through: {rule!r}")
        base, mac = facts.interfaces.get(match["base"]), facts.interfaces.get(name)
        if base is None or mac is None:
            lost = match["base"] if base is None else name
            yield _error("MAC-MISSING", name, f"the rule {name} = {rule} needs {lost}, which the unit does not have")
            continue
        try:
            expected = base.plus(int(match["distance"]))
        except InvalidValue as error:
            yield _error(error.code, name, f"the rule {name} = {rule} cannot hold: {error.message}", value=mac)
            continue
        if mac != expected:
            yield _error("MAC-OFFSET", name, f"{mac} should be {expected} by the rule {name} = {rule}", value=mac)


def _error(code: str, interface: str, message: str, hint: str = "", value: Mac | None = None) -> Finding:
    return Finding(code, Severity.ERROR, f"mac.{interface}", message, hint, value.colons if value else "")
