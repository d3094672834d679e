"""`factory xyte children`: devices that talk to Xyte through a registered one."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer

from factory.cli.interrupts import Interrupts
from factory.cli.options import LedgerOption
from factory.cli.session import Session, show, talk
from factory.cli.xyte_options import CaOption, JsonOption, KeysBenchOption, LotOption, ProductOption, use_xyte
from factory.errors import Exit, FactoryError, UsageError

_FIELDS = {"model_id": True, "sn": True, "firmware_version": True, "mac": False, "name": False, "details": False}
_LARGEST = 4 * 1024 * 1024


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("children")(children)


def children(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The children: a JSON list of objects.")],
    parent: Annotated[str, typer.Option(metavar="ID", help="Hardware id of the registered unit.")],
    product: ProductOption,
    bench: KeysBenchOption,
    lot: LotOption,
    ledger: LedgerOption = None,
    ca: CaOption = None,
    json: JsonOption = False,
) -> None:
    """Register children of a unit with that unit's key, one after the other.

    Each object has model_id (from the portal), sn and firmware_version, and may have mac, name and details. A child
    whose serial number was registered for this parent before is left out, so the command can be given again.

    Exits 1 when a child is not registered.

    Example:  factory xyte children sensors.json --parent A26-17 --lot L --product product.toml --bench bench.toml
    """
    from factory.clouds.xyte.book import Whose
    from factory.clouds.xyte.verdicts import unknown
    from factory.values import CloudState

    session: Session = context.obj
    if json:
        session.json("xyte.children")
    wanted = _read(file)
    told: list[dict[str, Any]] = []
    with use_xyte(product, bench, ledger, ca, writes=True, quiet=json) as xyte:
        records = xyte.ledger.registrations(lot)
        own = [one for one in records if one.hardware_id == parent and one.parent is None]
        if not own or own[-1].state is not CloudState.REGISTERED:
            hint = "`factory xyte register` registers it."
            raise UsageError(f"unit {parent} of lot {lot} is not registered", hint=hint, code="xyte.parent")
        key = xyte.registrar.key_of(own[-1])
        before = {
            one.sent.get("sn"): one for one in map(xyte.registrar.settled, records) if one and one.parent == key.id
        }
        for request in wanted:
            entry: dict[str, Any] = {"sn": request["sn"], "device": None, "code": None, "message": ""}
            told.append(entry)
            known = before.get(request["sn"])
            if known is not None and known.state is CloudState.REGISTERED:
                entry |= {"device": known.device, "message": "was registered before"}
                continue
            if known is not None and known.state is CloudState.UNKNOWN:
                entry |= {"code": "xyte.unknown", "message": unknown(known.cause).message}
                continue
            whose = Whose(None, None, str(request["sn"]), lot)
            # An access key is shown once: it is kept before an interrupt ends anything.
            with Interrupts("waiting for Xyte's answer, so that no child's key is lost").held():
                try:
                    entry["device"] = xyte.registrar.register_child(key, request, whose).id
                except FactoryError as error:
                    entry |= {"code": error.code, "message": error.message}
    bad = sum(entry["code"] is not None for entry in told)
    if json:
        session.print_json({"lot": lot, "parent": parent, "children": told})
    else:
        for entry in told:
            what = f"{entry['message']} [{entry['code']}]" if entry["code"] else f"registered as {entry['device']}"
            show().print(f"{entry['sn']}: {what}", soft_wrap=True, markup=False)
        talk().print(f"{len(told) - bad} of {len(told)} children registered", markup=False)
    raise typer.Exit(Exit.FAILED if bad else Exit.DONE)


def _read(file: Path) -> list[dict[str, object]]:
    """The children of a file. Raises UsageError naming the first that is none."""
    from factory.files import read_bytes

    try:
        data = json_module.loads(read_bytes(file, limit=_LARGEST))
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}", code="xyte.children") from None
    if not isinstance(data, list) or not data:
        raise UsageError(f"{file} is no list of children", hint='As in [{"model_id": ...}].', code="xyte.children")
    seen = set()
    for number, child in enumerate(data, 1):
        wrong = _wrong(child)
        if not wrong and child["sn"] in seen:
            wrong = f"sn {child['sn']} stands twice"
        if wrong:
            raise UsageError(f"{file}, child {number}: {wrong}", hint="Nothing was sent.", code="xyte.children")
        seen.add(child["sn"])
    return data


def _wrong(child: object) -> str:
    if not isinstance(child, dict):
        return "is no object"
    for name, needed in _FIELDS.items():
        value = child.get(name)
        if name == "details":
            if value is not None and not isinstance(value, dict):
                return "details is no object"
        elif (needed and not value) or (value is not None and not isinstance(value, str)):
            return f"{name} is missing" if not value else f"{name} is no text"
    unknown = set(child) - set(_FIELDS)
    return f"{min(map(str, unknown))} is no field of a child" if unknown else ""
