"""Does the image fit the board? Asked before anything is written (factory floor reference, section 3)."""

from __future__ import annotations

from factory.config import HardwareSection
from factory.flashing.errors import FlashError
from factory.values import Facts, shown


class HardwareRefused(FlashError):  # noqa: N818 - reads as what happened
    """The unit is another board than the product's image fits, or does not say which one it is."""

    code = "flash.model"


def require_hardware(section: HardwareSection, facts: Facts) -> None:
    """Raise HardwareRefused (`flash.model`, `flash.revision`) unless the unit's model and revision are among those
    that the product lists; a list that is empty asks nothing.
    """
    route = ", ".join(facts.routes) or "the unit"
    asked = (
        ("model", facts.model, section.models, "flash.model"),
        ("revision", facts.values.get(section.revision_fact), section.revisions, "flash.revision"),
    )
    for what, found, listed, code in asked:
        if listed and found not in listed:
            says = f"its {what} is {shown(found)}" if found else f"it does not say what {what} it is"
            raise HardwareRefused(
                f"{route}: the product is made for {what} {' or '.join(shown(one) for one in listed)}, and {says}",
                hint="Put it aside: it is another board. If the image fits it, add it to [hardware] of the product.",
                code=code,
            )


def board_of(section: HardwareSection, facts: Facts) -> str:
    """The unit's model and revision as one text, '' where it says neither: units with the same text are one kind."""
    parts = (("model", facts.model), ("revision", facts.values.get(section.revision_fact)))
    return ", ".join(f"{what} {found}" for what, found in parts if found)
