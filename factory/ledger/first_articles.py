"""The ledger's methods for first articles."""

from __future__ import annotations

from factory.errors import FactoryError
from factory.ledger import articles
from factory.ledger.articles import Article, Kind
from factory.ledger.office import Office

STOPPED = "ledger.first-article"


class FirstArticles(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def require_article(self, lot: str, kind: Kind) -> None:
        """Raise FactoryError (`ledger.first-article`) while a first article that failed stops this lot or kind."""
        with self._store.reading() as connection:
            failed = articles.stopped(connection, lot, kind)
        if failed is not None:
            raise FactoryError(
                f"the first article of this lot failed in slot {failed.slot} of station {failed.station} "
                f"(attempt {failed.attempt}): {failed.cause}",
                hint="Find out why. Then go on with --accept-first-article REASON.",
                code=STOPPED,
            )

    def claim_article(self, kind: Kind, attempt: int) -> Article | None:
        """None: go on, the kind's first article has passed. Else the first article: `attempt` itself, which goes on
        alone, or the one to wait for.
        """
        with self._store.reading() as connection:
            if articles.settled(connection, kind):
                return None
        return self._store.write(lambda writer: articles.claim(writer, kind, attempt))

    def accept_articles(self, lot: str, reason: str) -> tuple[Article, ...]:
        """Go on with a lot though its first article failed. Raises UsageError when none did."""
        return self._store.write(lambda writer: articles.accept(writer, lot, reason))
