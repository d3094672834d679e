"""Fault 17, where people read it: whatever a unit, a portal or a person said, a trace shows it as one harmless line."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from factory.cli.told import told
from factory.values import Event

_KINDS = (
    "attempt.admitted", "attempt.failed", "attempt.refused", "attempt.flashed", "unit.scrapped", "upload.verdicts",
    "upload.exported", "hook.failed", "stage.failed", "cloud.refused", "label.void", "something.new",
)  # fmt: skip
_HOSTILE = ("\x1b]0;owned\x07", "=HYPERLINK(1)", "{{7*7}}", "[bold red]x[/]", "a\nb\r\nc", "\u202eback", "x" * 10_000)
_text = st.text(max_size=60) | st.sampled_from(_HOSTILE)
_names = ("message", "code", "reason", "hardware_id", "lot", "note", "cause", "stage", "file")
_data = st.fixed_dictionaries({}, optional=dict.fromkeys(_names, _text))


@given(st.sampled_from(_KINDS), _data)
def test_whatever_was_said_is_one_line_without_terminal_codes(kind: str, data: dict[str, object]) -> None:
    line, _ = told(Event(kind, "S1", datetime(2026, 11, 21, tzinfo=UTC), "A", 1, 1, data))
    assert line.isprintable() and 0 < len(line) <= 500
