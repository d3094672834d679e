"""The ends of the ledger's chains, kept outside of it: compared before a run, written while it works and at its end."""

from __future__ import annotations

from pathlib import Path

from factory.config import Bench
from factory.errors import FactoryError, NotStartedError
from factory.files import FileError
from factory.ledger import Ledger
from factory.ledger.checkpoints import CheckpointError, folders_of, newest, read, signing_key
from factory.line.feed import Feed
from factory.values import Event

WRITTEN = "ledger.checkpoint"
WARNING = "line.warning"


class Checkpoints:
    """What a run does about checkpoints; used by one thread, never while it writes to the ledger.

    A checkpoint that cannot be written is a warning on the feed: the ledger itself is whole. Raises SecretError and
    UsageError for the signing key.
    """

    def __init__(self, bench: Bench, ledger: Ledger, feed: Feed) -> None:
        self._every = bench.station.checkpoint_every
        self._folders = folders_of(bench)
        self._key = signing_key(bench)
        self._ledger = ledger
        self._feed = feed
        self._since = 0

    def require_current(self) -> None:
        """Compare the ledger with this station's newest checkpoint in each place: it may only have grown.

        Raises NotStartedError `line.older-ledger`; `line.checkpoint` for a file that is none.
        """
        for folder in self._folders:
            path = newest(folder, self._ledger.station)
            if path is not None:
                self._compare(path)

    def count(self, event: Event) -> None:
        """Take an event into account that the ledger committed; write a checkpoint where enough came together."""
        if event.seq is None or event.kind == WRITTEN:
            return
        self._since += 1
        if self._since >= self._every:
            self.write()

    def write(self) -> None:
        """Write a checkpoint into every place."""
        self._since = 0
        try:
            self._ledger.checkpoint(self._key, self._folders)
        except FactoryError as error:
            self._warn(f"a checkpoint of the ledger could not be written: {error.message}", error.hint)

    def _compare(self, path: Path) -> None:
        try:
            checkpoint, _ = read(path, ())
        except FileError as error:
            self._warn(f"a checkpoint of the ledger could not be read: {error.message}", error.hint)
            return
        except CheckpointError as error:
            raise NotStartedError(
                f"{path}: {error.message}",
                hint="It was changed, or a disk is failing. Compare it with the one in the other place.",
                code="line.checkpoint",
            ) from error
        findings = self._ledger.against_checkpoint(checkpoint)
        if findings:
            first = findings[0]
            raise NotStartedError(
                f"the ledger {self._ledger.location} is older than, or another than, what this station wrote down in "
                f"{path}: {first.place} {first.message}",
                hint="Values could be given twice, so nothing was started. Put the newest copy of the ledger back. If "
                "another ledger is meant, give it its own folder: [station] checkpoints.",
                code="line.older-ledger",
            )

    def _warn(self, message: str, hint: str) -> None:
        self._feed.say(WARNING, data={"message": message, "hint": hint})
