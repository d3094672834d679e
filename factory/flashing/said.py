"""What a unit says about itself after a restart: its facts, and connectd's words."""

from __future__ import annotations

from factory.config import UnitSection
from factory.flashing.errors import NotProved
from factory.flashing.same import Reread, missing_interfaces
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import ConnectdShow, Facts, Identity

LATE_SECONDS = 15.0
"""How long an interface of before may be missing after a boot: drivers of USB and wireless parts load late."""


def facts_now(
    unit: Unit, expected: Facts, reread: Reread, section: UnitSection, *, rebooted: bool, deadline: Deadline
) -> Facts:
    """Read the unit again, with patience for its interfaces after a restart. Raises what `reread` raises."""
    patience = deadline.within(LATE_SECONDS)
    now = reread(unit, deadline.within(section.timeouts.command))
    while rebooted and missing_interfaces(expected, now) and not patience.expired:
        patience.pause(1.0)
        now = reread(unit, deadline.within(section.timeouts.command))
    return now


def compare_show(unit: Unit, before: ConnectdShow | None, now: ConnectdShow | None, identity: Identity) -> None:
    """Compare connectd's own words with what was written. Raises NotProved (`prove.show`)."""
    if identity.bulk_identification_code is None:
        return  # a unit of another cloud: what connectd says there is nothing that was written
    if now is None:
        if before is not None:
            raise NotProved(f"{unit.route}: connectd_control show no longer answers", code="prove.show")
        return
    wrong = []
    key, code = identity.registration_key, identity.bulk_identification_code
    if now.hardware_id != identity.hardware_id.text:
        wrong.append("hardware id")
    if key is not None and now.registration_key.reveal() != key.text:
        wrong.append("registration key")
    if code is not None and now.bulk_identification_code != code.text:
        wrong.append("bulk identification code")
    if wrong:
        raise NotProved(
            f"{unit.route}: connectd_control show says another {' and '.join(wrong)} than was written",
            hint="Does connectd on the unit read its files from connectd_dir?",
            code="prove.show",
        )
