from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from factory.ledger import Ledger
from tests import postgres
from tests.ledger import made
from tests.ledger.made import opened


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def both_engines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What uses this runs on a file and on a server."""
    engine: str = request.param
    if engine == "postgres":
        url: URL = request.getfixturevalue("postgres_server")
        monkeypatch.setenv(made.SERVER, url.render_as_string(hide_password=False))
    return engine


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as opened_ledger:
        yield opened_ledger
        assert opened_ledger.verify() == ()
