"""What every command that asks remote.it takes: which access key, which server, whom to trust."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from factory.clouds.remoteit.account import RemoteItAccount
    from factory.config import Product

ProfileOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The profile of the credentials file; default: R3_ variables, DEFAULT."),
]
CredentialsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The credentials file; default: ~/.remoteit/credentials.", show_default=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The server; default: FACTORY_REMOTEIT_URL, the product's, or https://api.remote.it.",
        show_default=False,
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The only authorities to trust, in PEM; default: SSL_CERT_FILE, the system's."),
]
SettingsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A product file that says which server, and how it is signed for.")
]
AccountOption = Annotated[
    str | None, typer.Option(metavar="ID", help="Act in this organization; default: your own account.")
]


@contextlib.contextmanager
def use_account(
    profile: str | None,
    credentials: Path | None,
    server: str | None,
    ca: Path | None,
    *,
    account: str | None = None,
    product: Product | Path | None = None,
) -> Iterator[tuple[RemoteItAccount, str]]:
    """Open the account for one command; with it, in words, where its access key is from. Warnings go to stderr.

    `product` is the product, or its file, whose [registration] says which server. Raises FactoryError.
    """
    from factory.cli.session import talk
    from factory.clouds.remoteit.account import SERVER, RemoteItAccount
    from factory.clouds.remoteit.credentials import load_credentials
    from factory.config import load_product
    from factory.config.registration import BulkRegistration, PackageRegistration

    found = load_credentials(credentials, profile, os.environ)
    for warning in found.warnings:
        talk().print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)
    kind = load_product(product) if isinstance(product, Path) else product
    section = kind.registration if kind is not None else None
    theirs = section if isinstance(section, BulkRegistration | PackageRegistration) else None
    where = server or os.environ.get("FACTORY_REMOTEIT_URL") or (theirs.server if theirs else SERVER)
    with_length = theirs.sign_content_length if theirs else True
    with RemoteItAccount.open(
        found, server=where, ca=ca, account=account, with_length=with_length, sleep=_wait
    ) as cloud:
        yield cloud, found.source


def _wait(seconds: float) -> None:
    """Wait before the cloud is asked again, and say so: five tries may take minutes."""
    from factory.cli.session import talk

    talk().print(f"the cloud has not answered as it should; asking again in {seconds:.1f} s", style="dim", markup=False)
    time.sleep(seconds)
