"""How often a slot looks, and how long silence lasts before it means something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds, except `tries` (how often connecting and reading are done as one group).

    `gone_after`: silence of this length is a removal. `probe_every`: between two probes of one route; not under 3 s
    where sshd counts connections. `answer_within`: how long one probe waits. `tick`: how soon a key or a stop is seen.
    `enter_after`: silence on a serial line after which Enter is pressed once.
    """

    gone_after: float = 10.0
    probe_every: float = 3.0
    answer_within: float = 2.0
    tick: float = 0.2
    tries: int = 3
    retry_pause: float = 1.0
    enter_after: float = 5.0
