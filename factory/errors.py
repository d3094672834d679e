"""Errors that a person or the bench can mend. Anything else that is raised is a bug of ours and is loud."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command; the same numbers stand in every JSON error."""

    DONE = 0
    FAILED = 1  # a unit or a row failed, or content is damaged
    USAGE = 2  # usage, configuration, missing file
    NOT_STARTED = 3  # nothing could be started, or the far side died
    BUG = 4
    INTERRUPTED = 130


class FactoryError(Exception):
    """Something that the user or the bench can mend.

    `message` says what was tried, where, and what came back; `hint` says what to do; `code` is stable and
    meant for machines (`room.cause`); `exit_code` is what the command ends with.
    """

    code = "factory.error"
    exit_code = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "", code: str | None = None, exit_code: Exit | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(FactoryError):
    """The call, the configuration or a named file is wrong; nothing was started."""

    code = "usage"
    exit_code = Exit.USAGE


class NotStartedError(FactoryError):
    """Nothing could be started, or the far side died."""

    code = "not-started"
    exit_code = Exit.NOT_STARTED
