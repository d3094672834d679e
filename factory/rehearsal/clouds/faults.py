"""What can be wrong with a simulated cloud, by name and count."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from enum import StrEnum


class CloudFault(StrEnum):
    """A fault of a simulated cloud; `help` says in one line what it does."""

    LOST_REPLY = "lost-reply"
    ERROR_AFTER_COMMIT = "error-after-commit"
    THROTTLED = "throttled"
    SLOW = "slow"
    HTML_ERROR = "html-error"
    GARBAGE = "garbage"
    HALF_REJECTED = "half-rejected"
    CLONE_RESET = "clone-reset"
    PENDING = "pending"
    WRONG_CLOCK = "wrong-clock"

    @property
    def help(self) -> str:
        """What the fault does, in one line for a person."""
        return _HELP[self]


_HELP: dict[CloudFault, str] = {
    CloudFault.LOST_REPLY: "what was asked for is done and kept, and the connection is cut before the reply",
    CloudFault.ERROR_AFTER_COMMIT: "what was asked for is done and kept, and the reply is 500",
    CloudFault.THROTTLED: "nothing is done; the reply is 429 with Retry-After: 1",
    CloudFault.SLOW: "the reply comes some seconds late",
    CloudFault.HTML_ERROR: "nothing is done; the reply is 502 with a page of HTML",
    CloudFault.GARBAGE: "nothing is done; the reply is 200 and no JSON",
    CloudFault.HALF_REJECTED: "a remote.it upload or a bulk registration with Xyte takes every second row only",
    CloudFault.CLONE_RESET: "remote.it tells a unit that asks for its configuration to reset itself as a clone",
    CloudFault.PENDING: "remote.it answers a unit's registration with pending",
    CloudFault.WRONG_CLOCK: "the cloud's clock is an hour ahead, in its Date and in its judgement",
}


@dataclass(frozen=True, slots=True)
class Order:
    """A fault that is to happen `count` times, to requests whose path contains `path`."""

    fault: CloudFault
    count: int = 1
    path: str = ""


def parse_order(text: str) -> Order:
    """Read `NAME[=COUNT][@PATH]`. Raises ValueError with what is wrong."""
    match = re.fullmatch(r"([a-z-]+)(?:=(\d{1,6}))?(?:@(\S+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not NAME[=COUNT][@PATH]")
    name, count, path = match.groups()
    if name not in set(CloudFault):
        raise ValueError(f"there is no fault {name!r}; there are: {', '.join(CloudFault)}")
    return Order(CloudFault(name), int(count or 1), path or "")


class Faults:
    """The faults that are still to happen. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[tuple[CloudFault, str], int] = {}
        self._struck: dict[CloudFault, int] = {}

    def set(self, fault: CloudFault, count: int = 1, path: str = "") -> None:
        """Let the fault happen to the next `count` requests whose path contains `path`; 0 takes it back."""
        with self._lock:
            self._left.pop((fault, path), None)
            if count > 0:
                self._left[fault, path] = count

    def clear(self) -> None:
        """Take back every fault."""
        with self._lock:
            self._left.clear()

    def take(self, fault: CloudFault, path: str) -> bool:
        """Whether the fault happens to this request; if so, it is counted down."""
        with self._lock:
            for (known, part), left in self._left.items():
                if known is fault and part in path:
                    if left == 1:
                        del self._left[known, part]
                    else:
                        self._left[known, part] = left - 1
                    self._struck[fault] = self._struck.get(fault, 0) + 1
                    return True
        return False

    def left(self) -> list[Order]:
        """What is still to happen."""
        with self._lock:
            return [Order(fault, count, path) for (fault, path), count in self._left.items()]

    def struck(self) -> dict[str, int]:
        """How often each fault has happened."""
        with self._lock:
            return {str(fault): count for fault, count in self._struck.items()}
