"""What `factory rehearse bench` does for units without an address: a pool for them, and a supplier's file."""

from __future__ import annotations

from pathlib import Path

_SAMPLE = "pool"
_ADDRESSES = "addresses.csv"
_SECTION = "pool.toml"


def add_pool(product: Path, folder: Path) -> Path:
    """Declare the sample's pool in a product file, and put the sample of a supplier's file into `folder`; returns that
    one's path. Raises FileError, and ConfigError where the section does not fit the product.
    """
    from factory import resources
    from factory.config import load_product
    from factory.files import read_bytes, write_bytes, write_text

    sample = resources.sample(_SAMPLE)
    text = read_bytes(product).decode("utf-8") + read_bytes(sample / _SECTION).decode("utf-8")
    write_text(product, text)
    load_product(product)
    addresses = folder / _ADDRESSES
    write_bytes(addresses, read_bytes(sample / _ADDRESSES))
    return addresses


def commands(product: Path, bench: Path, addresses: Path) -> list[str]:
    """What to type, before the line runs and after."""
    return [
        f"  factory pool import {addresses} --product {product} --bench {bench}      (these units have no address)",
        f"  factory pool show --bench {bench}",
    ]
