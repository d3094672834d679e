"""What the whole test run has in common: a last line that names every check that could not be run, and why."""

from __future__ import annotations

import signal
import threading
from collections import Counter

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from tests.qemu import qemu_factory, qemu_frozen, qemu_unit

__all__ = ["qemu_factory", "qemu_frozen", "qemu_unit"]

# How long an example takes says something about the machine, not about the code.
settings.register_profile("factory", deadline=None)
settings.load_profile("factory")

if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: every program that a test starts would be deaf to Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        longrepr = report.longrepr
        reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    if reasons:
        what = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"{sum(reasons.values())} checks not run: {what}")
