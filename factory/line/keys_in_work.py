"""Which units a station gives values of pools to at this moment: two boards that show one key would get the same."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from factory.ledger import Refused


@dataclass(slots=True)
class KeysInWork:
    """The keys of one run's slots, each with its pool. Any thread may ask."""

    _slots: dict[tuple[str, str], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def held(self, keys: Sequence[tuple[str, str]], slot: str) -> Iterator[None]:
        """Hold these (pool, key) for a slot. Raises Refused (`pool.in-work`) that names the slot which has one."""
        with self._lock:
            for pool, key in keys:
                other = self._slots.get((pool, key))
                if other is not None:
                    raise Refused(
                        f"the unit in slot {other} shows the same key {key} for pool {pool}, and is in work",
                        hint="Two boards with one key would get one value. Put both aside, and look at their serials.",
                        code="pool.in-work",
                    )
            self._slots.update(dict.fromkeys(keys, slot))
        try:
            yield
        finally:
            with self._lock:
                for one in keys:
                    self._slots.pop(one, None)
