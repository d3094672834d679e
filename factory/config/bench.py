"""bench.toml: one station and its slots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from factory.config.fields import Name, Secret, Section
from factory.config.keeping import KeepTranscripts
from factory.config.labels import Printer


class StationSection(Section):
    """[station]: this computer. Relative paths start at the bench file's folder.

    Every `checkpoint_every` events, and when the line stops, the ends of the ledger's chains are written to
    `checkpoints` and to `checkpoint_copy`, which lies on another disk; signed with `signing_key` (an OpenSSH private
    key of kind Ed25519) where there is one.

    `offline` is the station's journal, a file that a line goes on in while a ledger on a server is away (none: the line
    stops then).

    `stage` is what the station does with units, one of the product's [[stage]] (none: it flashes). A slot stops after
    `stop_slot_after` equal failures in a row, a lot after `stop_lot_after`; 0 is never.
    """

    name: Name
    ledger: Name = "sqlite:///ledger.db"
    offline: Name | None = None
    transcripts: Name = "transcripts"
    checkpoints: Name = "checkpoints"
    checkpoint_copy: Name | None = None
    checkpoint_every: Annotated[int, Field(ge=1)] = 500
    signing_key: Secret | None = None
    stage: Name | None = None
    stop_slot_after: Annotated[int, Field(ge=0)] = 3
    stop_lot_after: Annotated[int, Field(ge=0)] = 5
    keep_transcripts: KeepTranscripts | None = None
    printer: Printer | None = None  # of labels; a slot may have its own


class DeviceKeysSection(Section):
    """[device_keys]: where the keys of units that the station registered with a cloud are kept, relative to the bench
    file's folder. With a `recipient` (`age1...`) they are sealed to whoever has its `identity`, and this station cannot
    read them back; an office that can names `identity`, a reference to the text `AGE-SECRET-KEY-1...`.
    """

    folder: Name = "device-keys"
    recipient: Annotated[str, Field(pattern=r"^age1[02-9ac-hj-np-z]{58}$")] | None = None
    identity: Secret | None = None


class SerialSection(Section):
    """[[slot]] serial: a port by physical path (/dev/serial/by-path/...); None leaves a line as the system sets it."""

    port: Name
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 115200
    dtr: bool | None = None
    rts: bool | None = None


class SshSection(Section):
    """[[slot]] ssh: an address, bound to a NIC where units share one; link-local addresses carry their scope."""

    host: Name
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    interface: Name | None = None
    fingerprint: Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")] | None = None


class PowerSection(Section):
    """[[slot]] power: programs that switch the slot's supply."""

    on: tuple[Name, ...] = Field(min_length=1)
    off: tuple[Name, ...] = Field(min_length=1)


class Slot(Section):
    """One physical place on the bench."""

    name: Name
    serial: SerialSection | None = None
    ssh: SshSection | None = None
    host_key: Literal["pinned", "per-unit", "per-boot"] = "per-unit"
    power: PowerSection | None = None
    printer: Printer | None = None

    @model_validator(mode="after")
    def _has_route(self) -> Self:
        if self.serial is None and self.ssh is None:
            raise ValueError(f"slot {self.name} has no route: give it serial, ssh or both")
        if self.host_key == "pinned" and (self.ssh is None or self.ssh.fingerprint is None):
            raise ValueError(f"slot {self.name} pins a host key: give ssh.fingerprint")
        return self


class CardReader(Section):
    """One [[card]]: a card reader or USB port of the station by physical path (/dev/disk/by-path/...). `max_size` in
    bytes is the largest medium that is taken for a card: what is bigger may be a disk that somebody plugged in.
    `fixed` also takes a disk that the system calls neither removable nor USB nor SD.
    """

    name: Name
    path: Name
    max_size: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024**3
    fixed: bool = False


class Bench(Section):
    """A whole bench.toml. `folder` is where the file lies."""

    station: StationSection
    device_keys: DeviceKeysSection = DeviceKeysSection()
    slot: tuple[Slot, ...] = ()
    card: tuple[CardReader, ...] = ()
    folder: Path = Field(default=Path(), exclude=True, repr=False)

    @model_validator(mode="after")
    def _places_differ(self) -> Self:
        if not self.slot and not self.card:
            raise ValueError("the bench has no place for a unit: give it a [[slot]] or a [[card]]")
        taken: dict[tuple[object, ...], str] = {}
        for card in self.card:
            for what, value in (("name", card.name), ("path", card.path)):
                if (what, value) in taken:
                    raise ValueError(f"cards {taken[what, value]} and {card.name} have the same {what} {value}")
                taken[what, value] = card.name
        for slot in self.slot:
            places: list[tuple[object, ...]] = [("name", slot.name)]
            if slot.serial:
                places.append(("serial port", slot.serial.port))
            if slot.ssh:
                places.append(("ssh address", slot.ssh.host, slot.ssh.port, slot.ssh.interface))
            for place in places:
                if place in taken:
                    what = " ".join(str(part) for part in place if part is not None)
                    raise ValueError(f"slots {taken[place]} and {slot.name} have the same {what}")
                taken[place] = slot.name
        return self
