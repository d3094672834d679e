"""What can go wrong between here and a cloud, told apart by whether the cloud may have acted."""

from __future__ import annotations

from factory.errors import Exit, FactoryError

_SERVERS_FAULT = 500


class CloudError(FactoryError):
    """A cloud did not do what it was asked for.

    `sent` says that the request left this machine, so that the cloud may have acted on it; `status` is the HTTP status
    of its reply, None without one; `tries` is how often it was asked.
    """

    code = "cloud"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        exit_code: Exit | None = None,
        sent: bool = True,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, exit_code=exit_code)
        self.sent = sent
        self.status = status
        self.tries = 1

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered some minutes later: the cloud was down, or away, or busy."""
        return self.status is not None and self.status >= _SERVERS_FAULT


class CloudUnreachable(CloudError):  # noqa: N818 - reads as what happened
    """Nothing was sent: no such host, nobody listens, its certificate is not trusted. Safe to repeat."""

    code = "cloud.unreachable"
    exit_code = Exit.NOT_STARTED

    @property
    def may_pass(self) -> bool:
        """Whether the way may be open later; a certificate does not become trusted by itself."""
        return self.code == CloudUnreachable.code


class CloudReplyLost(CloudError):  # noqa: N818 - reads as what happened
    """The request was sent, and no whole reply came. What it asked for may have been done."""

    code = "cloud.reply-lost"
    exit_code = Exit.NOT_STARTED

    @property
    def may_pass(self) -> bool:
        """True: the next reply may come through."""
        return True


class CloudReplyDamaged(CloudError):  # noqa: N818 - reads as what happened
    """A reply came that is none: a page of HTML, no JSON, too large, or not of the documented shape."""

    code = "cloud.reply"
    exit_code = Exit.NOT_STARTED


class CloudThrottled(CloudError):  # noqa: N818 - reads as what happened
    """Too many requests (429). Nothing was done."""

    code = "cloud.throttled"
    exit_code = Exit.NOT_STARTED

    @property
    def may_pass(self) -> bool:
        """True: later there is room again."""
        return True


class CloudRefused(CloudError):  # noqa: N818 - reads as what happened
    """The cloud said no; `reason` is its own word, fit for a terminal."""

    code = "cloud.refused"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        hint: str = "",
        code: str | None = None,
        exit_code: Exit | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, exit_code=exit_code, status=status)
        self.reason = reason


def said(text: object, most: int = 300) -> str:
    """What a far side said, fit for a terminal and a log: one line, printable, of `most` characters."""
    line = " ".join(str(text).split())
    shown = "".join(character if character.isprintable() else "?" for character in line)
    return shown if len(shown) <= most else shown[: most - 3] + "..."
