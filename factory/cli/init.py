"""`factory init`: a product folder to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.session import talk


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must be new or empty.")],
    kind: Annotated[str, typer.Option(help="Which cloud the product is for: remoteit-bulk.")] = "remoteit-bulk",
) -> None:
    """Make a product folder to start from.

    It holds product.toml, bench.toml, the templates and a fresh master secret.

    Example:  factory init acme-router
    """
    from factory.config.starter import write_product_folder

    product = write_product_folder(folder, kind)
    console = talk()
    console.print(f"made {product.parent}")
    console.print("next: put your bulk identification code into product.toml, your ports into bench.toml, then")
    console.print(
        f"  factory run --product {product} --bench {product.parent / 'bench.toml'} --lot FIRST", soft_wrap=True
    )
