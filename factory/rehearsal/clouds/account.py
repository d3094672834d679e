"""The made-up account of a rehearsal, and the credentials file that a client reads."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from factory.files import PRIVATE, write_text
from factory.rehearsal.clouds.state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
  one INTEGER PRIMARY KEY CHECK (one = 1), email TEXT NOT NULL, guid TEXT NOT NULL, key_id TEXT NOT NULL,
  secret TEXT NOT NULL, developer_key TEXT NOT NULL
) STRICT;
"""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class Account:
    """One account: access key id, secret (40 base64 characters, 30 bytes) and developer key, none of them real."""

    email: str
    guid: str
    key_id: str
    secret: str = field(repr=False)
    developer_key: str = field(repr=False)


def account_of(state: State) -> Account:
    """Return the account that the state holds, made up at the first call."""
    found = state.row("SELECT email, guid, key_id, secret, developer_key FROM account")
    if found is None:
        made = (
            "practice@example.com",
            new_guid(),
            "".join(secrets.choice(_LETTERS) for _ in range(20)),
            base64.b64encode(secrets.token_bytes(30)).decode("ascii"),
            new_guid(),
        )
        with state.write() as db:
            db.execute("INSERT INTO account VALUES (1, ?, ?, ?, ?, ?)", made)
        return Account(*made)
    return Account(**found)


def new_guid() -> str:
    """A random GUID as the portals print it: 36 characters, 8-4-4-4-12, upper case."""
    text = secrets.token_hex(16).upper()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write_credentials(account: Account, file: Path) -> None:
    """Write the credentials file, mode 0600, as remote.it reference, section 6.2 has it. Raises FileError."""
    write_text(
        file,
        "[DEFAULT]\n"
        f"R3_ACCESS_KEY_ID={account.key_id}\n"
        f"R3_SECRET_ACCESS_KEY={account.secret}\n"
        f"R3_DEVELOPER_API_KEY={account.developer_key}\n",
        mode=PRIVATE,
    )
