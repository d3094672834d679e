"""[hooks] after_pass: the maker's own program gets each passed unit's record; its failure never un-passes a unit."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from factory.config import Product
from factory.ledger import HookDue, Ledger, PassedUnit
from factory.line.programs import run_program
from factory.secrets import SecretRef
from factory.units.deadline import Deadline

SCHEMA = "factory.passed-unit/1"


@dataclass(frozen=True, slots=True)
class HookResult:
    """How the hook ended for one passed unit; `message` is empty when it was well."""

    hardware_id: str
    attempt: int
    ok: bool
    code: str | None = None
    message: str = ""


def hook_record(unit: PassedUnit, product: str) -> Mapping[str, object]:
    """What the hook reads on its stdin: who passed, where and when. It holds no secret, not even a fingerprint."""
    return {
        "schema": SCHEMA,
        "product": product,
        "lot": unit.lot,
        "unit": unit.unit,
        "attempt": unit.attempt,
        "hardware_id": unit.hardware_id,
        "device_name": unit.device_name,
        "bulk_identification_code": unit.bulk_identification_code,
        "macs": dict(unit.macs),
        "serial": unit.serial,
        "categories": dict(unit.categories),
        "image": unit.image,
        "station": unit.station,
        "slot": unit.slot,
        "passed_at": unit.passed_at.isoformat(),
    }


def run_hook(ledger: Ledger, product: Product, attempt: int, *, cancel: threading.Event) -> HookResult:
    """Run the product's hook for an attempt that has just passed and write the result into the ledger.

    Raises LedgerError; whatever the program does is in the result.
    """
    due = [hook for hook in ledger.hooks_to_repeat() if hook.attempt == attempt]
    if not due:
        raise LookupError(f"the ledger has no hook due for attempt {attempt}")
    return _run(ledger, product, due[0], cancel)


def repeat_hooks(ledger: Ledger, product: Product, lot: str) -> tuple[HookResult, ...]:
    """Run the hook again for every passed unit of the lot whose hook has not been well yet. Raises LedgerError."""
    cancel = threading.Event()
    return tuple(_run(ledger, product, due, cancel) for due in ledger.hooks_to_repeat(lot))


def _run(ledger: Ledger, product: Product, due: HookDue, cancel: threading.Event) -> HookResult:
    record = hook_record(due.unit, product.product.name)
    ran = run_program(
        product.hooks.after_pass,
        deadline=Deadline(product.hooks.timeout, cancel=cancel),
        stdin=json.dumps(record, ensure_ascii=True).encode("ascii") + b"\n",
        folder=product.folder,
        without=secret_variables(product),
    )
    message = "" if ran.ok else f"passed, hook failed: {product.hooks.after_pass[0]} {ran.said()}"
    ledger.hook_result(due.attempt, ran.ok, message)
    return HookResult(due.hardware_id, due.attempt, ran.ok, None if ran.ok else "line.hook", message)


def secret_variables(product: Product) -> frozenset[str]:
    """The environment variables that hold this product's secrets: no program of others gets them."""
    references: list[SecretRef | None] = [product.unit.login.password]
    if product.identity.key is not None:
        references.append(product.identity.key.secret)
    names = ("hardware_key", "partner_key", "registration_code")
    references += [getattr(product.registration, name, None) for name in names]
    return frozenset(ref.target for ref in references if ref is not None and ref.scheme == "env")
