"""connectd's folder: what its readiness check looks at, and what that misses.

Source: remote.it reference, sections 2.1 (files) and 2.2 (`connectd_mp_configure -n` does not flag `default.`, a code
of the wrong length, or CR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from factory.images.lint_folder import Folder, error, masked, one_line, rights, warning
from factory.images.tree import Kind
from factory.values import BulkIdentificationCode, Finding, HardwareId, InvalidValue, RegistrationKey

CODE, ID, KEY = "bulk_identification_code.txt", "hardware_id.txt", "registration_key.txt"
MARKS = frozenset((CODE, ID, KEY))
FOLDERS = ("active", "available", "dfiles", "pfiles", "services")
_CODE_LENGTH = 36
_TRACES = {"claimcode.txt", "serial.txt", "builddate.txt", "connectd_version.txt"}
_OVERRIDES = {"cpuid.txt": "CPU id", "ci_mac.txt": "MAC address"}


def lint_connectd(folder: Folder) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """The identity in connectd's folder, its key masked, and every finding."""
    found: list[Finding] = []
    identity: dict[str, str] = {}
    for name, what, parse in (
        (ID, "hardware_id", HardwareId.parse),
        (KEY, "registration_key", RegistrationKey.parse),
        (CODE, "bulk_identification_code", _code),
    ):
        text = one_line(folder, name, found)
        if text is not None:
            identity[what] = masked(text) if name == KEY else text
            found.extend(_value(folder.place(name), text, parse))
    found.extend(_missing(folder))
    found.extend(_leftovers(folder))
    found.extend(rights(folder, frozenset((KEY, *FOLDERS))))
    return identity, tuple(found)


def _code(text: str) -> object:
    if len(text) != _CODE_LENGTH and " " not in text:
        raise InvalidValue(f"bulk identification code has {len(text)} characters, needs {_CODE_LENGTH}", code="BIC-LEN")
    return BulkIdentificationCode.parse(text)


def _value(place: str, text: str, parse: Callable[[str], object]) -> Iterator[Finding]:
    if text.startswith(("missing.", "Bulk ID code file")):
        hint = "Write the product's code from the portal there."
        yield error("ID-SENTINEL", place, "holds the package's sentence, not a code", hint)
        return
    if text.startswith("Issue"):
        yield error("ID-SENTINEL", place, "holds an error sentence of the unit ('Issue ...')")
        return
    try:
        parse(text)
    except InvalidValue as wrong:
        yield error(wrong.code, place, wrong.message, wrong.hint)


def _missing(folder: Folder) -> Iterator[Finding]:
    if CODE not in folder.members:
        yield error("IMG-MISSING", folder.place(CODE), "is missing: the unit cannot register without it")
    if (ID in folder.members) != (KEY in folder.members):
        absent, there = (KEY, ID) if ID in folder.members else (ID, KEY)
        message = f"is missing while {there} is there: the unit would take a MAC address instead"
        yield error("IMG-MISSING", folder.place(absent), message)
    elif ID not in folder.members:
        message = "is missing, and so is the key: every unit would register by its MAC addresses"
        yield warning("IMG-NO-ID", folder.place(ID), message, "Right for a master that is cloned, not for one unit.")
    for name in FOLDERS:
        member = folder.members.get(name)
        if member is not None and member.kind is not Kind.FOLDER:
            yield error("IMG-KIND", folder.place(name), f"must be a folder, and is a {member.kind}")


def _leftovers(folder: Folder) -> Iterator[Finding]:
    for name in sorted(folder.members):
        above, _, below = name.partition("/")
        if above in FOLDERS and below:
            message = f"lies in {above}, which must be empty: units with copies of it share one registration"
            yield error("IMG-FOLDER", folder.place(name), message)
        elif name in _TRACES or (name.endswith(".ver") and not below):
            yield error("IMG-TRACE", folder.place(name), "is the trace of a unit that has been registered")
        elif name in _OVERRIDES:
            message = f"makes the unit send another {_OVERRIDES[name]} than its own"
            yield warning("IMG-OVERRIDE", folder.place(name), message)
