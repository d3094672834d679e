"""When a request may be asked again, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from factory.clouds.errors import CloudError, CloudReplyLost, CloudThrottled, CloudUnreachable
from factory.clouds.http import Reply

_TRIES = 5
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
_THROTTLED = 429
_AT_FAULT = frozenset({500, 502, 503, 504})
Sleep = Callable[[float], None]


class Repeat(Enum):
    """Which failures allow another try."""

    QUERY = "query"  # asking twice changes nothing: whatever may pass is asked again
    UNSENT = "unsent"  # asking twice does it twice: only what certainly was not done
    NEVER = "never"


def repeated(once: Callable[[int], Reply], policy: Repeat, *, sleep: Sleep = time.sleep, tries: int = _TRIES) -> Reply:
    """Ask by `once`, which is handed the number of the try from 1, as often as `policy` allows.

    Between two tries comes a wait that doubles and is shaken a little, so that stations do not ask in step; where the
    cloud said how long to leave it alone, at least that, unless it is more than a minute. Returns the last reply,
    whatever its status but 429. Raises CloudThrottled and what `once` raises, `tries` set.
    """
    left = 1 if policy is Repeat.NEVER else tries
    number = 0
    while True:
        number += 1
        left -= 1
        try:
            reply = once(number)
        except CloudError as error:
            error.tries = number
            again = isinstance(error, CloudUnreachable) and error.may_pass
            again = again or (isinstance(error, CloudReplyLost) and policy is Repeat.QUERY)
            if not left or policy is Repeat.NEVER or not again:
                raise
            sleep(_wait(number, None))
            continue
        asked = reply.retry_after
        if reply.status == _THROTTLED:
            if not left or policy is Repeat.NEVER or (asked or 0.0) > _LONGEST_WAIT:
                raise _throttled(reply, number)
        elif not (policy is Repeat.QUERY and reply.status in _AT_FAULT and left):
            return replace(reply, tries=number)
        sleep(_wait(number, asked))


def _wait(number: int, asked: float | None) -> float:
    """Seconds before the next try."""
    grown: float = _FIRST_WAIT * 2 ** (number - 1)
    shaken = grown * random.uniform(0.75, 1.25)  # noqa: S311 - spreads stations, protects nothing
    return min(_LONGEST_WAIT, max(shaken, asked or 0.0))


def _throttled(reply: Reply, number: int) -> CloudThrottled:
    asked = reply.retry_after
    wait = f" Wait {asked:.0f} s." if asked is not None else " Wait some minutes."
    error = CloudThrottled(
        f"the cloud says that it is asked too often (HTTP 429); asked {number} times",
        hint=f"Nothing was done.{wait} Are other programs using this account?",
        status=reply.status,
    )
    error.tries = number
    return error
