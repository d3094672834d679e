from __future__ import annotations

import pytest

from factory.units import ssh_connect


@pytest.fixture(autouse=True)
def quick_knocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated units ban nobody, so a test need not wait three seconds between two knocks."""
    monkeypatch.setattr(ssh_connect, "PROBE_EVERY", 0.3)
