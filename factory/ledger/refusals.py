"""What a refused unit's operator reads: who has it already, where and since when, and what to do."""

from __future__ import annotations

from factory.ledger.claim import Claim, Owner, Value, Verdict, in_words
from factory.ledger.errors import Refused
from factory.ledger.naming import Holder
from factory.ledger.records import Attempt, as_text
from factory.values import Identity

_ASIDE = "Put both units aside and compare their labels: no two units may have one identity."
_CUT_OFF = " If no slot works on that one any more, its station was cut off: start the line of that station again."
_NAME = (
    "Names are unique in the account, whatever their case. Change identity.device_name in the product file so that it "
    "differs per unit, for example with {{ hardware_id }}, and run this unit again."
)


def refusal(claim: Claim, owners: tuple[Owner, ...], verdict: Verdict) -> Refused:
    """The refusal of a claim that meets these owners."""
    owner = owners[0]
    shared = in_words(claim.owned & frozenset().union(*(_all(each) for each in owners)))
    holders = " and ".join(each.last.place() for each in owners)
    if verdict is Verdict.PASSED:
        when = as_text(owner.last.ended or owner.last.started)
        message = f"already {owner.state} at {when}, use rework; it was in {owner.last.place()}"
        hint = (
            "Take the next unit. Nothing was changed on this one. To make it again: factory unit rework "
            f"{owner.last.hardware_id} --reason TEXT."
        )
        return Refused(message, hint=hint, code="ledger.already-passed", other=owner.last)
    if verdict is Verdict.CLOSED:
        message = f"this unit is {owner.state}; it was in {owner.last.place()}"
        hint = "Put it aside. `factory ledger trace` tells why; `factory unit release` ends a quarantine."
        return Refused(message, hint=hint, code=f"ledger.{owner.state}", other=owner.last)
    reasons = {
        Verdict.IN_WORK: "that unit is in work",
        Verdict.OTHER_BOARD: f"that board's serial is {owner.serial}, this one's {claim.serial}",
        Verdict.PARTIAL: "the rest differs",
        Verdict.NOT_SAME: "it is another unit, says the operator",
    }
    message = f"a clone of the unit in {holders}: same {shared}; {reasons[verdict]}"
    hint = _ASIDE + (_CUT_OFF if verdict is Verdict.IN_WORK else "")
    return Refused(message, hint=hint, code="ledger.clone", other=owner.last)


def name_taken(identity: Identity, holder: Holder) -> Refused:
    """The refusal of a unit that is nobody's double, but would have another unit's name."""
    name = identity.device_name.text
    spelled = "" if holder.spelled == name else f' (there "{holder.spelled}")'
    message = (
        f'the device name "{name}" is taken{spelled}: unit {holder.last.hardware_id} has it, in {holder.last.place()}; '
        f"unit {identity.hardware_id.text} cannot have it too"
    )
    return Refused(message, hint=_NAME, code="ledger.name-taken", other=holder.last)


def order_row_taken(place: str, other: Attempt) -> Refused:
    """The refusal of a unit whose row of the order was given to another unit before."""
    return Refused(
        f"its row of the order, {place}, belongs to unit {other.hardware_id} in {other.place()}",
        hint="One row is one unit. Compare the labels of both with the order.",
        code="ledger.order-row-taken",
        other=other,
    )


def order_changed(place: str | None) -> Refused:
    """The refusal of a unit whose row came onto the order while it was read."""
    return Refused(
        f"the order was imported while this unit was read; its row is now {place or 'none'}",
        hint="Run the unit again.",
        code="ledger.order-changed",
    )


def question(claim: Claim, owner: Owner) -> Refused:
    """What only the operator can tell: whether this is the unit that was seen before."""
    return Refused(
        f"is this the same unit? {in_words(claim.values)} were seen before, without a board serial to compare, in "
        f"{owner.last.place()}",
        hint="Answer yes only if this very unit was on the bench then; otherwise it is a clone.",
        code="ledger.same-unit?",
        other=owner.last,
    )


def _all(owner: Owner) -> frozenset[Value]:
    return owner.values | ({("serial", owner.serial)} if owner.serial else set())
