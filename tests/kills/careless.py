"""Ways to spoil the product, each of which a sweep must find out: what nothing finds is not tested by it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from factory import files
from factory.ledger import attempts
from factory.line.steps import Steps
from factory.units import Deadline


def forgets_what_a_crash_left() -> AbstractContextManager[Any]:
    """Attempts of a killed station stay open."""
    return patch.object(attempts, "recover", lambda writer: ())


def writes_in_place() -> AbstractContextManager[Any]:
    """Files are written where they are."""

    def write(path: Path, content: bytes, *, mode: int = files.PUBLIC) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        os.write(descriptor, content)
        os.close(descriptor)

    return patch("factory.sheets.csv.write_bytes", write)


def loses_the_key() -> AbstractContextManager[Any]:
    """A unit that passes has lost its key since it was proved."""
    finish = Steps.finish

    def spoiled(steps: Any, receipt: Any, proof: Any) -> None:
        steps._tools.contact.unit.run("rm etc/connectd/registration_key.txt", deadline=Deadline(5))
        finish(steps, receipt, proof)

    return patch.object(Steps, "finish", spoiled)


CARELESS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "": nullcontext,
    "forgets": forgets_what_a_crash_left,
    "in-place": writes_in_place,
    "loses": loses_the_key,
}
