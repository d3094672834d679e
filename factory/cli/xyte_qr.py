"""`factory xyte qr`: the codes that customers scan to claim their units."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.cli.xyte_options import JsonOption, LotOption, ProductOption, UnitOption
from factory.errors import Exit, UsageError

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("qr")(qr)


def qr(
    context: typer.Context,
    product: ProductOption,
    lot: LotOption,
    out: Annotated[Path, typer.Option(help="The folder for the files; it is made.")],
    unit: UnitOption = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Write the QR code of every unit of a lot as SVG and PNG, and labels.csv, which names them.

    A code says https://DOMAIN/c/CLOUDID and nothing else; DOMAIN is [registration] domain, your end customers' portal.

    Example:  factory xyte qr --lot 2026-11-A --out labels --product acme/product.toml --bench acme/bench.toml
    """
    from factory.clouds.xyte.cloud_id import qr_payload
    from factory.config import load_bench, load_product
    from factory.files import make_folder, write_bytes
    from factory.lots.register import require_xyte
    from factory.qr import pictures

    session: Session = context.obj
    if json:
        session.json("xyte.qr")
    section = require_xyte(load_product(product))
    if section.domain is None:
        raise UsageError(
            "[registration] domain is not set",
            hint="It is the host name of your end customers' portal, as in cloud.acme.com.",
            code="xyte.domain",
        )
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        book.lot(lot)
        known = [entry for entry in book.units_of_lot(lot) if unit is None or entry[2] == unit]
    make_folder(out)
    labels = []
    for _, _, hardware_id, identity in known:
        registration = identity.get("registration") or {}
        cloud_id = registration.get("cloud_id")
        if not cloud_id:
            continue
        payload = qr_payload(section.domain, cloud_id)
        stem = _UNSAFE.sub("_", hardware_id)
        for suffix, content in pictures(payload).items():
            write_bytes(out / f"{stem}.{suffix}", content)
        labels.append({"hardware_id": hardware_id, "sn": registration.get("sn"), "mac": registration.get("mac"),
                       "cloud_id": cloud_id, "url": payload, "file": f"{stem}.svg"})  # fmt: skip
    if labels:
        lines = [",".join(labels[0]), *(",".join(str(value) for value in label.values()) for label in labels)]
        write_bytes(out / "labels.csv", ("\r\n".join(lines) + "\r\n").encode("ascii"))
    if json:
        session.print_json({"lot": lot, "out": str(out), "labels": labels})
    else:
        show().print(f"{len(labels)} codes in {out}", soft_wrap=True, markup=False)
        if len(labels) < len(known):
            talk().print(f"{len(known) - len(labels)} units have no cloud id", style="yellow", markup=False)
    raise typer.Exit(Exit.DONE if labels and len(labels) == len(known) else Exit.FAILED)
