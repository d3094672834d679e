"""Field types that several sections share, and the base of every section."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from factory.secrets import SecretError, SecretRef
from factory.values import ascii_faults


class Section(BaseModel):
    """A section of a file that people write: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _ascii(text: str) -> str:
    faults = ascii_faults(text)
    if faults:
        raise ValueError(f"must be plain ASCII: {faults[0]}")
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _secret_ref(value: object) -> object:
    # pydantic turns ValueError into a finding of its own; SecretError is none.
    if not isinstance(value, str):
        return value
    try:
        return SecretRef.parse(value)
    except SecretError as error:
        raise ValueError(str(error).replace("\n", ". ")) from None


Ascii = Annotated[str, AfterValidator(_ascii)]
Name = Annotated[str, AfterValidator(_ascii), AfterValidator(_not_empty)]
Secret = Annotated[SecretRef, BeforeValidator(_secret_ref)]
