"""Taking a lot at the start of a run: bound, the station held, and nothing in the way that nobody has answered for."""

from __future__ import annotations

from dataclasses import dataclass

from factory.ledger import Binding
from factory.line.pools import take_pools
from factory.line.scan_back import require_scans
from factory.line.setup import Setup
from factory.line.stopping import require_going


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a run goes on all the same: with a changed product, after a first article that failed, after failures that
    stopped the lot. The ledger keeps each with the operator's name.
    """

    changed_product: str | None = None
    first_article: str | None = None
    failures: str | None = None


def take_lot(setup: Setup, reasons: Reasons) -> None:
    """Bind the lot, and hold the station: what a crash left in between becomes `unknown`.

    Raises LotChanged, UsageError (also for a reason that nothing asked for), NotStartedError for a lot that stopped,
    LedgerError. A stage beyond the flash binds no lot: its units have one.
    """
    ledger, product = setup.ledger, setup.product
    take_pools(setup)
    binding = Binding(product.product.name, product.sha256, setup.builder.template_hash, setup.keys.version)
    if setup.stage is not None:
        require_scans(setup.stage.scan, setup.scans is not None and setup.scans.fed)
        ledger.lot(setup.lot)
    ledger.bind_lot(setup.lot, binding, accept_reason=reasons.changed_product)
    ledger.recover()
    if reasons.first_article is not None:
        ledger.accept_articles(setup.lot, reasons.first_article)
    require_going(ledger, setup.lot, reasons.failures)
