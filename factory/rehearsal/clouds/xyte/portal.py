"""The maker's side of the simulated Xyte, in-process: models, hardware keys, devices. The vendor's is a web portal."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import uuid
from pathlib import Path
from typing import Any

from factory.files import PRIVATE, write_text
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte.fields import refused

AUTHENTICATION = ("cloud-id", "mac-sn")
_DEVICE = (
    "SELECT d.*, m.name AS model_name, m.vendor, m.api_version FROM xyte_devices d JOIN xyte_models m ON m.id = d.model"
)
_UNSET: Any = object()


class XytePortal:
    """What the maker sets up and sees. Safe to use from any thread. Refusals are RefusedError."""

    def __init__(self, world: World) -> None:
        self._world = world
        if world.state.row("SELECT 1 FROM xyte_partner") is None:
            with world.state.write() as db:
                db.execute("INSERT INTO xyte_partner VALUES (1, ?, '')", (secrets.token_hex(32),))
            self.create_key(self.create_model("Practice panel"))

    @property
    def partner_key(self) -> str:
        """The key of the management API."""
        return str(self._partner()["partner_key"])

    @property
    def short_code(self) -> str:
        """What every cloud id begins with; empty: not checked."""
        return str(self._partner()["short_code"])

    def set_short_code(self, code: str) -> None:
        """Set it."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,16}", code):
            raise refused(422, "short_code has up to 16 letters and digits")
        with self._world.state.write() as db:
            db.execute("UPDATE xyte_partner SET short_code = ?", (code,))

    def create_model(
        self, name: str, authentication: str = "cloud-id", *, vendor: str = "Practice maker", api_version: str = "1.0.7"
    ) -> str:
        """Create a device model; returns its id. `api_version` is 1.0.1 to 1.0.7 (Xyte reference, section 7)."""
        match = re.fullmatch(r"1\.0\.([1-7])", api_version)
        if authentication not in AUTHENTICATION or match is None or not name.strip() or not vendor.strip():
            raise refused(422, f"a model has a name, a vendor, api_version 1.0.1 to 1.0.7, one of {AUTHENTICATION}")
        model = str(uuid.uuid4())
        with self._world.state.write() as db:
            db.execute(
                "INSERT INTO xyte_models VALUES (?, ?, ?, ?, ?, ?)",
                (model, name, vendor, authentication, int(match[1]), self._world.now()),
            )
        return model

    def create_key(self, model: str, expected: int | None = None, key: str | None = None) -> str:
        """Create a hardware key for a batch; returns it. With `expected`, so many registrations and no more."""
        key = key or str(uuid.uuid4())
        if self._world.state.row("SELECT 1 FROM xyte_models WHERE id = ?", model) is None:
            raise refused(404, "Model not found")
        if self._world.state.row("SELECT 1 FROM xyte_keys WHERE key = ?", key) is not None:
            raise refused(409, "this hardware key is there already")
        with self._world.state.write() as db:
            db.execute(
                "INSERT INTO xyte_keys (key, model, expected, created) VALUES (?, ?, ?, ?)",
                (key, model, expected, self._world.now()),
            )
        return key

    def revoke_key(self, key: str) -> None:
        """Let a hardware key register nothing more; its devices stay."""
        with self._world.state.write() as db:
            if not db.execute("UPDATE xyte_keys SET revoked = 1 WHERE key = ?", (key,)).rowcount:
                raise refused(404, "no such hardware key")

    def models(self) -> list[Row]:
        """Every model with its keys and how often each was used. The keys are in it."""
        models = self._world.state.rows("SELECT * FROM xyte_models ORDER BY created, id")
        for model in models:
            model["api_version"] = f"1.0.{model['api_version']}"
            model["keys"] = self._world.state.rows(
                "SELECT key, expected, used, revoked FROM xyte_keys WHERE model = ? ORDER BY created, key", model["id"]
            )
        return models

    def devices(self, first: int = 0, most: int = -1) -> list[Row]:
        """The devices in the order of their registration."""
        sql = f"{_DEVICE} WHERE d.deleted IS NULL ORDER BY d.number LIMIT ? OFFSET ?"
        return [_plain(row) for row in self._world.state.rows(sql, most, first)]

    def children(self, parent: str) -> list[Row]:
        """The devices that a device registered as its children."""
        sql = f"{_DEVICE} WHERE d.deleted IS NULL AND d.child AND d.parent = ? ORDER BY d.number"
        return [_plain(row) for row in self._world.state.rows(sql, parent)]

    def find(self, *, sn: str) -> list[Row]:
        """The devices with a serial number, children among them."""
        sql = f"{_DEVICE} WHERE d.deleted IS NULL AND d.sn = ? ORDER BY d.number"
        return [_plain(row) for row in self._world.state.rows(sql, sn)]

    def device(self, device: str) -> Row:
        """One device. Raises RefusedError (404)."""
        found = self._world.state.row(f"{_DEVICE} WHERE d.deleted IS NULL AND d.id = ?", device)
        if found is None:
            raise refused(404, "Device not found")
        return _plain(found)

    def holder(self, device: str, access_key: str) -> tuple[Row | None, bool]:
        """The device whose key this is, or None; and whether it was that of a device that is deleted."""
        found = self._world.state.row(
            f"{_DEVICE} WHERE d.id = ? AND d.access_key_sha256 = ?", device, digest(access_key)
        )
        if found is None:
            return None, False
        return (None, True) if found["deleted"] is not None else (_plain(found), False)

    def set_device(
        self, device: str, *, claimed: str | None = _UNSET, config: dict[str, Any] | None = None,
        latest_firmware: str | None = _UNSET, licenses: list[dict[str, Any]] | None = None,
    ) -> Row:  # fmt: skip
        """Change what a customer or the maker would: the claim, the configuration, the newest firmware, licences."""
        self.device(device)
        changes: dict[str, object] = {}
        if claimed is not _UNSET:
            changes["claimed"] = claimed
        if latest_firmware is not _UNSET:
            changes["latest_firmware"] = latest_firmware
        if config is not None:
            changes |= {"config": json.dumps(config), "config_updated": self._world.now()}
        if licenses is not None:
            changes["licenses"] = json.dumps(licenses)
        if changes:
            columns = ", ".join(f"{name} = ?" for name in changes)
            version = ", config_version = config_version + 1" if config is not None else ""
            with self._world.state.write() as db:
                sql = f"UPDATE xyte_devices SET {columns}{version} WHERE id = ?"  # noqa: S608 - names of ours
                db.execute(sql, (*changes.values(), device))
        return self.device(device)

    def delete(self, device: str) -> None:
        """Delete a device: its key is no longer good, and what was unique of it is free again."""
        with self._world.state.write() as db:
            gone = db.execute(
                "UPDATE xyte_devices SET deleted = ? WHERE id = ? AND deleted IS NULL", (self._world.now(), device)
            ).rowcount
            if not gone:
                raise refused(404, "Device not found")

    def write_keys(self, folder: Path, model: str | None = None) -> None:
        """Write `xyte-hardware-key` and `xyte-partner-key`, mode 0600.

        The hardware key is the model's newest good one; without a model, what lies there stays while it is a good key
        of this cloud. Raises FileError.
        """
        write_text(folder / "xyte-partner-key", f"{self.partner_key}\n", mode=PRIVATE)
        file = folder / "xyte-hardware-key"
        good = self._world.state.rows(
            "SELECT key, model FROM xyte_keys WHERE NOT revoked ORDER BY created DESC, rowid DESC"
        )
        if model is None and file.is_file() and file.read_bytes().strip() in {one["key"].encode() for one in good}:
            return
        key = next((one["key"] for one in good if model in (None, one["model"])), None)
        if key is not None:
            write_text(file, f"{key}\n", mode=PRIVATE)

    def summary(self, folder: Path) -> dict[str, Any]:
        """Where the keys lie, and the models without theirs."""
        models = [{name: one[name] for name in ("id", "name", "authentication")} for one in self.models()]
        files = {name: str(folder / f"xyte-{name.replace('_', '-')}") for name in ("hardware_key", "partner_key")}
        return {**files, "short_code": self.short_code, "models": models}

    def prepare(self, name: str, authentication: str, *, short_code: str | None, expected: int | None) -> str:
        """The model of a product, with a key; made where there is none of this name. Returns its id."""
        if short_code is not None:
            self.set_short_code(short_code)
        for known in self.models():
            if (known["name"], known["authentication"]) == (name, authentication):
                return str(known["id"])
        model = self.create_model(name, authentication)
        self.create_key(model, expected)
        return model

    def _partner(self) -> Row:
        found = self._world.state.row("SELECT * FROM xyte_partner")
        assert found is not None
        return found


def digest(access_key: str) -> str:
    """The SHA-256 of an access key, as it is kept."""
    return hashlib.sha256(access_key.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(row: Row) -> Row:
    """A device as the state has it, without its key's digest and with its objects read."""
    kept = {name: value for name, value in row.items() if name not in ("access_key_sha256", "mac_folded", "deleted")}
    return {**kept, **{name: json.loads(kept[name]) for name in ("details", "state", "config", "licenses")}}
