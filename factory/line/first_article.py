"""The first article: the first unit of each product, templates and board runs alone until it has passed."""

from __future__ import annotations

import threading

from factory.flashing import board_of
from factory.ledger import Article, Kind
from factory.line.feed import SlotFeed, SlotState
from factory.line.operator import Key, SlotKeys
from factory.line.setup import Setup
from factory.units.deadline import Cancelled
from factory.units.protocol import UnitGone
from factory.values import Facts

# Seconds between two looks at the ledger, where another station may have finished its unit.
LOOK_EVERY = 0.3


class FirstArticle:
    """Asks the ledger whether the unit of one slot may go on; it knows nothing of the unit but its facts."""

    def __init__(self, setup: Setup, feed: SlotFeed, keys: SlotKeys) -> None:
        self._setup = setup
        self._feed = feed
        self._keys = keys

    def require(self, facts: Facts) -> None:
        """Raise FactoryError (`ledger.first-article`) while a failed first article stops this lot."""
        if self._setup.product.prove.first_article:
            self._setup.ledger.require_article(self._setup.lot, self._kind(facts))

    def wait(self, facts: Facts, attempt: int, *, cancel: threading.Event) -> str | None:
        """Return when this unit may be flashed: at once where the first article has passed or is this unit itself,
        else when that one has passed. A text that is returned is for the operator.

        Raises FactoryError as `require` when it has failed, UnitGone when the operator takes the unit out meanwhile,
        Cancelled.
        """
        if not self._setup.product.prove.first_article:
            return None
        kind = self._kind(facts)
        said = ""
        while (article := self._setup.ledger.claim_article(kind, attempt)) is not None:
            if article.attempt == attempt:
                return self._is_first(kind)
            text = f"waiting for the first article in {self._place(article)}"
            if text != said:
                self._feed.state(SlotState.WORKING, text, step="wait", attempt=attempt)
                said = text
            if self._keys.next(LOOK_EVERY) is Key.REMOVED:
                raise UnitGone("the unit was taken out while it waited for the first article", code="line.removed")
            if cancel.is_set():
                raise Cancelled("called off while waiting for the first article")
            self.require(facts)
        return None

    def _kind(self, facts: Facts) -> Kind:
        product = self._setup.product
        return Kind(product.sha256, self._setup.builder.template_hash, board_of(product.hardware, facts))

    def _is_first(self, kind: Kind) -> str | None:
        board = f" ({kind.board})" if kind.board else ""
        if self._setup.product.prove.reboot != "none":
            return None
        return f"this first article{board} is proved without a restart: whether units of its kind boot is not known"

    def _place(self, article: Article) -> str:
        station = article.station
        elsewhere = "" if station == self._setup.ledger.station else f" of station {station}"
        return f"slot {article.slot}{elsewhere}"
