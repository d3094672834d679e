"""[station] keep_transcripts: how long the station keeps what went over the wire."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from factory.config.fields import Section


class KeepTranscripts(Section):
    """Transcripts go when they are older than `days`, or when more than `count` are there, the oldest first; those of
    units that failed, were refused, are unknown or put aside never within `failed_days`.
    """

    days: Annotated[int, Field(ge=1)] = 365
    count: Annotated[int, Field(ge=1)] = 100_000
    failed_days: Annotated[int, Field(ge=1)] = 3650

    @model_validator(mode="after")
    def _longer(self) -> Self:
        if self.failed_days < self.days:
            raise ValueError("failed_days must not be less than days: what failed is kept the longest")
        return self
