"""What the steps of one attempt work with, and how far they got."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from factory.config import Slot
from factory.flashing import Owed
from factory.images import Image
from factory.ledger import Attempt as AttemptRecord
from factory.line.contact import Contact
from factory.line.feed import SlotFeed
from factory.line.hooks import HookResult
from factory.line.hostkeys import SlotHostKeys
from factory.line.masking import Masks
from factory.line.operator import SlotKeys
from factory.line.setup import Setup
from factory.line.transcript import AttemptTranscript
from factory.values import Facts, Identity, Receipt


@dataclass(slots=True)
class Progress:
    """How far an attempt got; what is None was not reached. `owed` is what the unit must get back if it ends here,
    `sealed` is True while flashing's own contract says that it puts the old content back itself.
    """

    step: str = "connect"
    facts: Facts | None = None
    identity: Identity | None = None
    record: AttemptRecord | None = None
    owed: Owed | None = None
    sealed: bool = False
    image: Image | None = None
    medium: str = ""  # what is written to, once that is known
    sent: int = 0  # bytes, while it is being flashed
    receipt: Receipt | None = None
    kept_image: Path | None = None
    hook: HookResult | None = None
    retries: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the steps of one attempt work with."""

    setup: Setup
    slot: Slot
    feed: SlotFeed
    keys: SlotKeys
    contact: Contact
    host_keys: SlotHostKeys
    transcript: AttemptTranscript
    masks: Masks
    cancel: threading.Event
