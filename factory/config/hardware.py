"""[hardware]: the boards that a product's image fits."""

from __future__ import annotations

from factory.config.fields import Name, Section


class HardwareSection(Section):
    """[hardware]: a unit whose model or revision is not listed is refused before anything is written; an empty list
    asks nothing. `revision_fact` is the name in [unit.facts] of what answers the board's revision.
    """

    models: tuple[Name, ...] = ()
    revisions: tuple[Name, ...] = ()
    revision_fact: Name = "revision"
