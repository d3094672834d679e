"""The station: one worker per slot, the steps of one attempt, and the events that say what happened."""

from factory.line.hooks import HookResult, repeat_hooks
from factory.line.one_flash import Flashed, OneFlash, open_flash
from factory.line.operator import Key
from factory.line.retention import Pruned, prune
from factory.line.station import Line, open_line
from factory.line.summary import Outcome, Row, Summary
from factory.line.timing import Timing

__all__ = [
    "Flashed",
    "HookResult",
    "Key",
    "Line",
    "OneFlash",
    "Outcome",
    "Pruned",
    "Row",
    "Summary",
    "Timing",
    "open_flash",
    "open_line",
    "prune",
    "repeat_hooks",
]
