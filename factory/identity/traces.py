"""Traces of an earlier life: a board serial that is none, an id that connectd on the unit already carries."""

from __future__ import annotations

import re

from factory.values import Facts, Finding, HardwareId, Severity, ascii_faults, sentinel, shown

# What boards without a programmed serial answer: firmware menus' defaults and device tree left-overs.
_NO_SERIAL = frozenset(
    {
        "",
        "none",
        "unknown",
        "notspecified",
        "notapplicable",
        "tobefilledbyoem",
        "defaultstring",
        "systemserialnumber",
        "0123456789",
        "1234567890",
        "123456789",
    }
)
_LONGEST_SERIAL = 128


def check_serial(serial: str | None) -> tuple[str | None, tuple[Finding, ...]]:
    """The board's serial if it tells boards apart, with what is wrong with it otherwise.

    A placeholder counts as none (warning), so that the ledger does not take all such boards for one.
    """
    if serial is None:
        return None, ()
    folded = re.sub(r"[^0-9a-z]", "", serial.lower())
    if folded in _NO_SERIAL or sentinel(serial):
        message = "the board's serial is a placeholder and tells no boards apart"
        return None, (Finding("SERIAL-PLACEHOLDER", Severity.WARNING, "serial", message, value=shown(serial)),)
    faults = ascii_faults(serial)
    if faults:
        message = f"the board's serial: {faults[0]}"
        return None, (Finding(faults[0].code, Severity.ERROR, "serial", message, value=shown(serial)),)
    if len(serial) > _LONGEST_SERIAL:
        message = f"the board's serial has {len(serial)} characters, limit {_LONGEST_SERIAL}"
        return None, (Finding("VAL-LEN", Severity.ERROR, "serial", message, value=shown(serial)),)
    return serial, ()


def check_connectd(facts: Facts, hardware_id: HardwareId) -> tuple[Finding, ...]:
    """Warn when connectd already carries an id that is neither ours, nor a placeholder, nor one of the unit's own
    MAC addresses, which it takes where no id is written (remote.it reference, sections 2.1 and 2.3).
    """
    if facts.connectd is None:
        return ()
    there = facts.connectd.hardware_id
    own = {hardware_id.text.lower(), *(mac.plain for mac in facts.interfaces.values())}
    if sentinel(there) or there.lower() in own or not there:
        return ()
    finding = Finding(
        "UNIT-KNOWN",
        Severity.WARNING,
        "connectd",
        f"connectd on the unit already has the hardware id {shown(there)}",
        hint="Was it registered before, or cloned from a unit that was?",
        value=shown(there),
    )
    return (finding,)
