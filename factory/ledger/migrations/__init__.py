"""Schema migrations: Alembic scripts that travel inside the package."""
