from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.ledger import Ledger
from tests.ledger.made import opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as opened_ledger:
        yield opened_ledger
        assert opened_ledger.verify() == ()
