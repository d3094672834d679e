"""`factory init`: a product folder to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.session import talk

_NEXT = {
    "remoteit-bulk": "put your bulk identification code into product.toml, your ports into bench.toml, then",
    "remoteit-package": "say in product.toml where the registration code is kept, then",
    "xyte": "set XYTE_HARDWARE_KEY and say in product.toml where cloud ids come from, then",
}
_IMAGES = "  factory image build --product {folder}/product.toml --sheet UNITS.csv --out images"
_THEN = {
    "remoteit-bulk": "  factory run --product {folder}/product.toml --bench {folder}/bench.toml --lot FIRST",
    "remoteit-package": _IMAGES,
    "xyte": _IMAGES,
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must be new or empty.")],
    kind: Annotated[
        str, typer.Option(help="Which cloud the product is for: remoteit-bulk, remoteit-package or xyte.")
    ] = "remoteit-bulk",
) -> None:
    """Make a product folder to start from.

    It holds product.toml, bench.toml and the templates, with comments; for remoteit-bulk also a fresh master secret
    and the scripts that keep connectd's registration on units whose /etc does not outlive a restart.

    Example:  factory init acme-router
    """
    from factory.config.starter import write_product_folder

    product = write_product_folder(folder, kind)
    console = talk()
    console.print(f"made {product.parent}", soft_wrap=True, markup=False)
    console.print(f"next: {_NEXT[kind]}", soft_wrap=True, markup=False)
    console.print(_THEN[kind].format(folder=product.parent), soft_wrap=True, markup=False)
