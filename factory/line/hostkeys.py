"""Which SSH host key a slot accepts: pinned, one per unit for ever, or a new one at every boot."""

from __future__ import annotations

from factory.config import Slot
from factory.ledger import HostKeyAlarm, Ledger
from factory.units.protocol import HostKey, UnitError


class SlotHostKeys:
    """Implements units.HostKeys for one attempt at one slot; what was seen is kept in the ledger.

    pinned: the key of bench.toml and no other. per-unit: any key at first, but the same one for the whole attempt,
    and for a MAC that was seen before the key it had then. per-boot: any; recorded only.
    """

    def __init__(self, ledger: Ledger, slot: Slot) -> None:
        self._ledger = ledger
        self._slot = slot
        self._first: HostKey | None = None
        self.attempt: int | None = None  # set once the unit is admitted

    def seen_at_connect(self, slot: str, key: HostKey) -> None:
        """Judge a key before the password is sent. Raises UnitError."""
        if self._slot.host_key == "pinned":
            assert self._slot.ssh is not None
            self._require(key, self._slot.ssh.fingerprint or "", f"slot {slot} pins", "line.host-key-pinned")
        elif self._slot.host_key == "per-unit":
            if self._first is not None:
                said = f"the unit in slot {slot} showed before"
                self._require(key, self._first.fingerprint, said, "line.host-key-changed")
            self._first = key

    def seen_on_unit(self, slot: str, key: HostKey, macs: tuple[str, ...]) -> None:
        """Hold the key against what these MACs showed before, and remember it. Raises UnitError on an alarm."""
        try:
            self._ledger.remember_host_key(
                policy=self._slot.host_key,
                slot=slot,
                algorithm=key.algorithm,
                fingerprint=key.fingerprint,
                macs=macs,
                attempt=self.attempt,
            )
        except HostKeyAlarm as alarm:
            raise UnitError(alarm.message, hint=alarm.hint, code="line.host-key-alarm", retry=False) from alarm

    @staticmethod
    def _require(key: HostKey, fingerprint: str, said: str, code: str) -> None:
        if key.fingerprint != fingerprint:
            raise UnitError(
                f"the host key is {key.fingerprint} ({key.algorithm}), but {said} {fingerprint}",
                hint="Another unit answers at this address, or its key was made anew. No password was sent.",
                code=code,
                retry=False,
            )
