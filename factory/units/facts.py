"""Who a unit says it is: read in one round trip, checked byte by byte, never completed by a guess."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from factory.secrets import Secret
from factory.units import facts_script, interfaces
from factory.units.deadline import Deadline
from factory.units.facts_script import Part, describe
from factory.units.protocol import Transcript, Unit, UnitError
from factory.values import ConnectdShow, Facts, InvalidValue, Mac, ascii_faults, shown

if TYPE_CHECKING:
    from factory.config import UnitSection

_NOT_FOUND = 127  # POSIX sh: no such command
_ETHERNET = b"1"  # ARPHRD_ETHER, Linux if_arp.h
_SHOW = (
    ("hardware_id", "Hardware ID is "),
    ("registration_key", "Registration key is "),
    ("bulk_identification_code", "Bulk ID Code is "),
)
# What board makers leave in a serial number's place; such a text says nothing about this board.
_NO_SERIAL = frozenset(
    {"", "none", "default string", "to be filled by o.e.m.", "not specified", "system serial number", "n/a", "unknown"}
)


def read_facts(unit: Unit, section: UnitSection, *, deadline: Deadline, transcript: Transcript | None = None) -> Facts:
    """Read interfaces, board serial, model, boot id, kernel, the product's facts and what connectd says.

    `transcript` learns the registration key as a secret. Raises UnitError unit.facts naming the interface or fact that
    could not be read, is too large, or holds a byte that does not belong there (with its position); unit.simulated for
    a simulated unit that `section` does not call one; and as `run`.
    """
    mark = facts_script.boundary()
    command = facts_script.build(section, unit.tools, mark)
    answer = unit.run(command, deadline=deadline)
    parts = facts_script.parse(answer.stdout, mark, unit.route)
    if "simulated" in parts:
        raise UnitError(
            f"{unit.route}: this is a simulated unit, and the product is for real ones: its paths would be the host's",
            hint="Use the product file that the rehearsal wrote; it has [unit] simulated = true.",
            code="unit.simulated",
            retry=False,
        )
    reader = _Reader(parts, unit.route, answer.stderr)
    return Facts(
        interfaces=reader.interfaces(),
        values={name: reader.value(f"fact.{name}") for name in section.facts},
        serial=reader.serial(),
        model=reader.first("model.tree", "model.dmi") or reader.cpuinfo("Model"),
        boot_id=reader.boot_id(),
        kernel=reader.kernel(),
        connectd=reader.connectd(transcript),
        routes=(unit.route,),
    )


def agree(first: Facts, second: Facts) -> Facts:
    """One set of facts from two routes to one unit. Raises UnitError unit.routes-disagree naming the item and both
    values: the two routes then lead to two units, or one of them lies.
    """
    for what, one, other in _compared(first, second):
        if one != other:
            routes = (
                f"{'+'.join(first.routes)} says {one or 'nothing'}, {'+'.join(second.routes)} says {other or 'nothing'}"
            )
            raise UnitError(
                f"{what} differs: {routes}",
                hint="Do both cables of this slot go to the same unit?",
                code="unit.routes-disagree",
            )
    return dataclasses.replace(first, routes=(*first.routes, *second.routes))


def _compared(first: Facts, second: Facts) -> list[tuple[str, str | None, str | None]]:
    names = sorted(first.interfaces.keys() | second.interfaces.keys())
    macs = [(f"the MAC of {name}", _mac(first, name), _mac(second, name)) for name in names]
    facts = sorted(first.values.keys() | second.values.keys())
    values = [(f"fact {name}", first.values.get(name), second.values.get(name)) for name in facts]
    whole = [
        ("the board serial", first.serial, second.serial),
        ("the boot id", first.boot_id, second.boot_id),
    ]
    return [*macs, *whole, *values]


def _mac(facts: Facts, name: str) -> str | None:
    mac = facts.interfaces.get(name)
    return mac.colons if mac else None


_TOOLS = (
    ("if.br", interfaces.from_brief),
    ("if.ip", interfaces.from_ip),
    ("if.config", interfaces.from_ifconfig),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    """Takes values out of an answer's parts, and trusts none of them."""

    parts: Mapping[str, Part]
    route: str
    said: bytes

    def interfaces(self) -> Mapping[str, Mac]:
        """Every Ethernet-like interface; loopback is none."""
        folder = self.parts.get("interfaces")
        if folder is None:
            found = self._from_tools()
        elif folder.status != 0:
            raise self._error("interfaces", "cannot be read")
        else:
            names = [name.removeprefix("if.address.") for name in self.parts if name.startswith("if.address.")]
            found = {name: self.value(f"if.address.{name}") for name in sorted(names) if self._is_ethernet(name)}
        return {name: self._parsed(name, text) for name, text in found.items()}

    def value(self, name: str) -> str:
        """One line of plain text that must be there."""
        part = self.parts.get(name)
        if part is None or part.missing:
            raise self._error(name, "is not there")
        if part.status != 0:
            said = self.said[-160:].decode("ascii", "backslashreplace").strip()
            raise self._error(name, f"cannot be read (status {part.status}): {said or 'no reason given'}")
        text = self._text(name, part.content)
        if not text:
            raise self._error(name, "is empty")
        return text

    def first(self, *names: str) -> str | None:
        """The first of these that the unit has and that says something; None when it has none of them."""
        for name in names:
            part = self.parts[name]
            if not part.missing and (part.status != 0 or part.content.strip(b"\0\r\n ")):
                return self.value(name)
        return None

    def serial(self) -> str | None:
        """The board's serial number, from the first source that has a real one."""
        for text in (self.first("serial.tree"), self.first("serial.dmi"), self.cpuinfo("Serial")):
            if text is not None and text.lower() not in _NO_SERIAL and set(text) != {"0"}:
                return text
        return None

    def boot_id(self) -> str | None:
        """The kernel's id of this boot; None for a kernel without one."""
        return None if self.parts["boot_id"].missing else self.value("boot_id")

    def cpuinfo(self, key: str) -> str | None:
        """A line of /proc/cpuinfo by its key; None when there is none."""
        part = self.parts["cpuinfo"]
        if part.missing:
            return None
        if part.status != 0:
            raise self._error("/proc/cpuinfo", f"cannot be read (status {part.status})")
        for line in part.content.split(b"\n"):
            name, colon, value = line.partition(b":")
            if colon and name.strip() == key.encode():
                return self._text(f"{key} in /proc/cpuinfo", value.strip()) or None
        return None

    def kernel(self) -> str:
        """The kernel's release; empty for a unit that has neither the file nor `uname`."""
        release = self.first("kernel")
        if release is None and self.parts["uname"].status != _NOT_FOUND:
            release = self.value("uname")
        return release or ""

    def connectd(self, transcript: Transcript | None) -> ConnectdShow | None:
        part = self.parts.get("connectd")
        if part is None:
            return None
        lines = part.content.replace(b"\r\n", b"\n").split(b"\n")
        values: dict[str, str] = {}
        for field, lead in _SHOW:
            found = [line for line in lines if line.startswith(lead.encode())]
            if len(found) != 1:
                raise self._error(
                    "connectd", f"has {len(found)} lines that start with {lead.strip()!r} (status {part.status})"
                )
            raw = found[0].removeprefix(lead.encode())
            if transcript is not None and field == "registration_key" and raw:
                transcript.secret(raw.decode("utf-8", "replace"))
            values[field] = self._text(f"connectd {field}", raw, secret=field == "registration_key")
        return ConnectdShow(
            values["hardware_id"], Secret(values["registration_key"]), values["bulk_identification_code"]
        )

    def _is_ethernet(self, name: str) -> bool:
        if not interfaces.is_name(name):
            raise UnitError(f"{self.route}: {shown(name)} cannot be the name of an interface", code="unit.facts")
        kind = self.parts.get(f"if.type.{name}")
        if name == "lo":
            return False
        return kind is None or kind.status != 0 or kind.content.strip() == _ETHERNET

    def _from_tools(self) -> Mapping[str, str]:
        for name, reader in _TOOLS:
            part = self.parts.get(name)
            if part is not None and part.status == 0 and part.content.strip():
                text = part.content.decode("ascii", "backslashreplace")
                found = reader(text)
                if found:
                    return found
        raise UnitError(
            f"{self.route}: the unit has no folder of interfaces, and neither ip nor ifconfig names one",
            hint="Set [unit] interfaces_dir.",
            code="unit.facts",
        )

    def _parsed(self, name: str, text: str) -> Mac:
        try:
            return Mac.parse(text)
        except InvalidValue as error:
            message = f"{self.route}: the MAC of interface {name}: {error.message}"
            raise UnitError(message, hint=error.hint, code="unit.facts") from error

    def _text(self, name: str, content: bytes, *, secret: bool = False) -> str:
        """One line of ASCII without its end (a line feed, or the NUL of a device tree string)."""
        body = re.sub(rb"(?:\r?\n|\0)\Z", b"", content)
        if len(body) > facts_script.PART_LIMIT:
            raise self._error(name, f"has more than {facts_script.PART_LIMIT} bytes")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error(name, f"is not UTF-8 at byte {error.start + 1}") from error
        # Makers pad serials and models with blanks; an address has no business with them.
        faults = ascii_faults(text if name.startswith("if.address.") else text.strip(" "))
        if faults:
            # A product may take its keys from facts: what a fact holds is not repeated.
            value = "" if secret or name.startswith("fact.") else f": {shown(text)}"
            raise self._error(name, f"has {faults[0]}{value}")
        return text.strip(" ")

    def _error(self, name: str, why: str) -> UnitError:
        hint = "Put the unit aside: what it says of itself is damaged or made to deceive."
        if "cannot be read" in why:
            hint = "Reading it may need root: see [unit.login] become."
        return UnitError(f"{self.route}: {describe(name)} {why}", hint=hint, code="unit.facts")


__all__ = ["agree", "read_facts"]
