"""The portal's own work: products, uploads, publishing (remote.it reference, sections 1.2, 1.3)."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.rehearsal.clouds.account import new_guid
from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.remoteit.upload import Line, Problem, read_upload
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World

BULK_TYPE = "bulk"
# The numbers that stand for them in the cloud's replies.
SERVICE_TYPES = {"tcp": 1, "vnc": 4, "rdp": 5, "http": 7, "https": 8, "ssh": 28, BULK_TYPE: 35}
BULK_PORT = 65535
_BIC = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_TARGET = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}:\d{1,5}")
_TOP_PORT = 65535


class PortalRefusedError(Exception):
    """The portal does not do what it was asked for; `problems` says why."""

    def __init__(self, *problems: Problem, status: int = 422) -> None:
        super().__init__("; ".join(problem.reason for problem in problems[:3]))
        self.problems = problems
        self.status = status


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service of a product: its type is one of `SERVICE_TYPES` but not `bulk`."""

    name: str
    type: str
    port: int
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Registration:
    """A bulk registration. `state` is configured, publishing or preregistered; times are seconds since 1970."""

    id: str
    name: str
    bic: str
    state: str
    uploaded: int
    registered: int
    online: int
    created: float
    updated: float
    rejected: tuple[Problem, ...] = field(default=())


class Portal:
    """What people do in the portal. Safe to use from any thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._state = world.state

    def create_product(self, name: str, services: Sequence[ServiceSpec] = (), bic: str | None = None) -> str:
        """Create a locked product and return its bulk identification code. Raises PortalRefusedError."""
        code = bic or new_guid()
        if not _BIC.fullmatch(code):
            raise _refused("product", "a bulk identification code is 8-4-4-4-12 upper-case hex digits")
        for service in services:
            if service.type not in SERVICE_TYPES or service.type == BULK_TYPE:
                raise _refused("services", f"there is no service type {service.type!r}")
            if not 0 < service.port <= _TOP_PORT or not service.name:
                raise _refused("services", "a service has a name and a port of 1 to 65535")
        if len({service.name for service in services}) != len(services) or not name.strip():
            raise _refused("services", "names must be given and unique")
        rows = [(code, code, 0, "Bulk Service", BULK_TYPE, BULK_PORT, 1)]
        for position, service in enumerate(services, 1):
            rows.append((new_guid(), code, position, service.name, service.type, service.port, int(service.enabled)))
        try:
            with self._state.write() as db:
                db.execute("INSERT INTO remoteit_products VALUES (?, ?, ?)", (code, name, self._world.now()))
                db.executemany("INSERT INTO remoteit_projects VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.IntegrityError as error:
            raise _refused("bic", "a product with this code exists", status=409) from error
        return code

    def products(self) -> list[dict[str, Any]]:
        """Every product with its services."""
        projects = self._state.rows("SELECT * FROM remoteit_projects ORDER BY bic, position")
        return [
            {
                "bic": product["bic"],
                "name": product["name"],
                "services": [
                    {"pid": one["pid"], "name": one["name"], "type": one["type"], "port": one["port"],
                     "enabled": bool(one["enabled"])}
                    for one in projects if one["bic"] == product["bic"]
                ],
            }
            for product in self._state.rows("SELECT bic, name FROM remoteit_products ORDER BY created, bic")
        ]  # fmt: skip

    def upload(self, bic: str, name: str, content: bytes) -> Registration:
        """Take an upload file whole, or refuse it whole. Raises PortalRefusedError with every reason."""
        pids = [row["pid"] for row in self._state.rows("SELECT pid FROM remoteit_projects WHERE bic = ?", bic)]
        if not pids:
            raise _refused("product", "there is no such product", status=404)
        lines, problems = read_upload(content)
        problems += self._known(lines)
        if not name.strip():
            problems.append(Problem(0, "name", "a registration needs a name"))
        if problems:
            raise PortalRefusedError(*sorted(problems, key=lambda problem: problem.row))
        rejected: list[Problem] = []
        if self._world.faults.take(CloudFault.HALF_REJECTED, "/rehearsal/portal/registrations"):
            rejected = [Problem(line.row, "HARDWARE_ID", "rejected by the fault half-rejected") for line in lines[1::2]]
            lines = lines[::2]
        try:
            key = self._insert(bic, name, lines, pids)
        except sqlite3.IntegrityError as error:  # another upload of the same devices came first
            raise _refused("HARDWARE_ID", "a device is registered already", status=409) from error
        return self.registration(key, rejected)

    def _insert(self, bic: str, name: str, lines: Sequence[Line], pids: Sequence[str]) -> str:
        key, now = new_guid(), self._world.now()
        names = {row["pid"]: row["name"] for row in self._state.rows("SELECT pid, name FROM remoteit_projects")}
        with self._state.write() as db:
            db.execute(
                "INSERT INTO remoteit_registrations VALUES (?, ?, ?, 'configured', NULL, ?, ?)",
                (key, name, bic, now, now),
            )
            db.executemany(
                "INSERT INTO remoteit_units (hardware_id, registration, line, registration_key, name, categories)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(one.hardware_id, key, one.row, one.key, one.name, json.dumps(one.categories)) for one in lines],
            )
            db.executemany(
                "INSERT INTO remoteit_services (uid, hardware_id, pid, name) VALUES (?, ?, ?, ?)",
                [(_new_uid(), one.hardware_id, pid, names[pid]) for one in lines for pid in pids],
            )
        return key

    def _known(self, lines: Sequence[Line]) -> list[Problem]:
        """Duplicates against everything that is registered, also where only the case differs."""
        if not lines:
            return []
        taken = {row["id"]: row for row in self._state.rows("SELECT lower(hardware_id) AS id FROM remoteit_units")}
        names = {row["name"] for row in self._state.rows("SELECT name FROM remoteit_units")}
        problems = []
        for line in lines:
            if line.hardware_id.lower() in taken:
                problems.append(Problem(line.row, "HARDWARE_ID", "registered already"))
            elif line.name in names:
                problems.append(Problem(line.row, "DEVICE_NAME", "another device of the account has this name"))
        return problems

    def publish(self, registration: str) -> Registration:
        """Begin to publish. Raises PortalRefusedError unless it is configured."""
        found = self.registration(registration)
        if found.state != "configured":
            raise _refused("state", f"it is {found.state} already", status=409)
        now = self._world.clock()
        with self._state.write() as db:
            db.execute(
                "UPDATE remoteit_registrations SET state = 'publishing', published = ?, updated = ? WHERE id = ?",
                (now + found.uploaded * self._world.settings.publish_seconds, now, registration),
            )
        return self.registration(registration)

    def delete(self, registration: str) -> None:
        """Delete a bulk registration and its devices; they can be uploaded again. Raises PortalRefusedError."""
        self.registration(registration)
        with self._state.write() as db:
            db.execute("DELETE FROM remoteit_registrations WHERE id = ?", (registration,))

    def registrations(self) -> list[Registration]:
        """Every bulk registration, the newest first."""
        return self._registrations("", ())

    def registration(self, registration: str, rejected: Sequence[Problem] = ()) -> Registration:
        """One bulk registration. Raises PortalRefusedError (404)."""
        found = self._registrations("WHERE r.id = ?", (registration,), rejected)
        if not found:
            raise _refused("id", "there is no such registration", status=404)
        return found[0]

    def _registrations(
        self, where: str, values: tuple[str, ...], rejected: Sequence[Problem] = ()
    ) -> list[Registration]:
        self.settle()
        rows = self._state.rows(
            "SELECT r.id, r.name, r.bic, r.state, r.created, r.updated, count(u.hardware_id) AS uploaded,"  # noqa: S608
            " count(s.registered) AS registered, coalesce(sum(u.online), 0) AS online FROM remoteit_registrations r"
            " LEFT JOIN remoteit_units u ON u.registration = r.id"
            " LEFT JOIN remoteit_services s ON s.hardware_id = u.hardware_id AND s.pid = r.bic"
            f" {where} GROUP BY r.id ORDER BY r.created DESC, r.id",
            *values,
        )
        return [Registration(**row, rejected=tuple(rejected)) for row in rows]

    def settle(self) -> None:
        """Let what has been published long enough be preregistered."""
        due = "state = 'publishing' AND published <= ?"
        now = self._world.clock()  # a wrong clock publishes nothing early
        if self._state.row(f"SELECT id FROM remoteit_registrations WHERE {due}", now):  # noqa: S608
            with self._state.write() as db:
                db.execute(
                    "UPDATE remoteit_registrations SET state = 'preregistered',"  # noqa: S608
                    f" updated = published WHERE {due}",
                    (now,),
                )

    def units(self, registration: str) -> list[dict[str, Any]]:
        """The devices of a registration, in the file's order, without their services."""
        return self._state.rows(
            "SELECT u.hardware_id, u.name, u.online, u.cloned, u.mac, s.registered IS NOT NULL AS registered"
            " FROM remoteit_units u JOIN remoteit_registrations r ON r.id = u.registration"
            " JOIN remoteit_services s ON s.hardware_id = u.hardware_id AND s.pid = r.bic"
            " WHERE u.registration = ? ORDER BY u.line",
            registration,
        )

    def unit(self, hardware_id: str) -> dict[str, Any]:
        """Everything about one device; secrets as SHA-256. Raises PortalRefusedError (404)."""
        self.settle()
        unit = self._state.row(
            "SELECT u.*, r.state, r.bic FROM remoteit_units u JOIN remoteit_registrations r ON r.id = u.registration"
            " WHERE u.hardware_id = ?",
            hardware_id,
        )
        if unit is None:
            raise _refused("hardware_id", "there is no such device", status=404)
        services = self._state.rows(
            "SELECT s.*, p.type, p.port, p.position FROM remoteit_services s JOIN remoteit_projects p ON p.pid = s.pid"
            " WHERE s.hardware_id = ? ORDER BY p.position",
            hardware_id,
        )
        bulk = services[0]
        return {
            "hardware_id": unit["hardware_id"], "name": unit["name"], "state": unit["state"],
            "registration": unit["registration"], "bic": unit["bic"],
            "registered": bulk["registered"] is not None, "online": bool(unit["online"]),
            "cloned": bool(unit["cloned"]),
            "uid": bulk["uid"], "mac": unit["mac"], "cpu": unit["cpu"], "os_label": unit["os_label"],
            "categories": json.loads(unit["categories"]),
            "secret_sha256": _digest(bulk["secret"]), "registration_key_sha256": _digest(unit["registration_key"]),
            "services": [_service(one) for one in services[1:]],
        }  # fmt: skip

    def set_unit(
        self, hardware_id: str, *, online: bool | None = None, cloned: bool | None = None, name: str | None = None
    ) -> None:
        """Change what the cloud believes of a device: for tests and practice. Raises PortalRefusedError (404)."""
        self.unit(hardware_id)
        with self._state.write() as db:
            db.execute(
                "UPDATE remoteit_units SET online = coalesce(?, online), cloned = coalesce(?, cloned),"
                " name = coalesce(?, name), seen = ? WHERE hardware_id = ?",
                (online, cloned, name, self._world.now(), hardware_id),
            )

    def set_target(self, hardware_id: str, service: str, target: str) -> None:
        """Tell where a connection to a service really leads, as `HOST:PORT`. Raises PortalRefusedError."""
        known = [one["name"] for one in self.unit(hardware_id)["services"]]
        if service not in known:
            raise _refused("service", f"there is no service {service!r}", status=404)
        if not _TARGET.fullmatch(target) or not 0 < int(target.rpartition(":")[2]) <= _TOP_PORT:
            raise _refused("target", "a target is HOST:PORT")
        with self._state.write() as db:
            db.execute(
                "UPDATE remoteit_services SET target = ? WHERE hardware_id = ? AND name = ?",
                (target, hardware_id, service),
            )


def _service(row: Row) -> dict[str, Any]:
    return {
        "pid": row["pid"], "name": row["name"], "type": row["type"], "port": row["port"], "uid": row["uid"],
        "registered": row["registered"] is not None, "target": row["target"], "secret_sha256": _digest(row["secret"]),
    }  # fmt: skip


def _digest(secret: str | None) -> str | None:
    return None if secret is None else hashlib.sha256(secret.encode("utf-8")).hexdigest()


def _new_uid() -> str:
    return ":".join(["80", "00", *(f"{byte:02X}" for byte in secrets.token_bytes(6))])


def _refused(column: str, reason: str, *, status: int = 422) -> PortalRefusedError:
    return PortalRefusedError(Problem(0, column, reason), status=status)
