"""`python -m factory.rehearsal.power CONTROL REQUEST [ARGUMENT ...]`: switch a simulated unit from outside.

bench.toml names it as the power switch of a slot. CONTROL is the unit's control folder; REQUEST is one of
on, off, reboot, pull, plug, swap, mend, or `fault NAME [PARAMETER=NUMBER ...]`.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

from factory.errors import FactoryError, NotStartedError, UsageError
from factory.rehearsal.control import DONE, REQUESTS

_PATIENCE = 30.0  # seconds


def ask(control: Path, request: str) -> None:
    """Hand a request to the simulator and wait until it has been carried out.

    Raises NotStartedError when no simulator listens there or it does not answer, UsageError when it refuses.
    """
    token = secrets.token_hex(4)
    try:
        # Without a reader, that is without a simulator, this fails instead of waiting.
        fifo = os.open(control / REQUESTS, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise NotStartedError(
            f"no simulated unit listens at {control}: {error.strerror}", hint="Start the rehearsal bench first."
        ) from error
    with os.fdopen(fifo, "wb") as stream:
        stream.write(f"{request} #{token}\n".encode())
    done = control / f"{DONE}{token}"
    until = time.monotonic() + _PATIENCE
    while not done.exists():
        if time.monotonic() > until:
            raise NotStartedError(f"the simulated unit at {control} did not carry out '{request}' in {_PATIENCE:.0f} s")
        time.sleep(0.02)
    refusal = done.read_text()
    done.unlink()
    if refusal:
        raise UsageError(refusal)


def main(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    if len(arguments) < 2:
        sys.stderr.write((__doc__ or "") + "\n")
        return 2
    try:
        ask(Path(arguments[0]), " ".join(arguments[1:]))
    except FactoryError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
