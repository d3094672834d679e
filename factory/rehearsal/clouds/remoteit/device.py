"""The device side: what a unit asks at its first boot, and what it is told (remote.it reference, section 4).

Every reply is HTTP 200 with compact JSON whose values are strings, since the unit looks at nothing else. No value has a
comma, a bar or a brace, and no reason has a word that is the name of a field: the unit's parser would stumble over it.
"""

from __future__ import annotations

import datetime
import hmac
import secrets

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.messages import body_of, object_of, reply, text_of
from factory.rehearsal.clouds.remoteit.portal import SERVICE_TYPES, Portal
from factory.rehearsal.clouds.remoteit.upload import id_problem
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World

BASE = "/apv/v27"
_UNIT = (
    "SELECT u.*, r.state, r.bic FROM remoteit_units u JOIN remoteit_registrations r ON r.id = u.registration"
    " WHERE u.hardware_id = ?"
)
_SERVICE = "SELECT * FROM remoteit_services WHERE hardware_id = ? AND pid = ?"


class DeviceSide:
    """The six endpoints that connectd calls, and the report of a component's version."""

    def __init__(self, world: World, portal: Portal) -> None:
        self._world = world
        self._state = world.state
        self._portal = portal

    def routes(self) -> list[Route]:
        """The routes, trailing slashes as the unit sends them."""
        bulk = f"{BASE}/bulk/registration"
        return [
            Route(f"{bulk}/device/information/", self._information, methods=["POST"]),
            Route(f"{bulk}/device/friendly/configuration/{{bic}}/{{hwid}}/", self._friendly, methods=["GET"]),
            Route(f"{BASE}/project/provisioning/download/{{pid}}", self._download, methods=["GET"]),
            Route(f"{bulk}/configuration/{{pid}}/{{hwid}}/", self._configuration, methods=["GET"]),
            Route(f"{bulk}/register", self._register, methods=["POST"]),
            Route(f"{bulk}/device/ready/", self._ready, methods=["POST"]),
            Route(f"{BASE}/device/component/version", self._component, methods=["POST"]),
        ]

    async def _information(self, request: Request) -> Response:
        document = object_of(await body_of(request))
        if document is None:
            return _false("malformed request")
        hardware_id = text_of(document, "HardwareId")
        reason = self._reason(text_of(document, "BulkIdentificationCode"), hardware_id)
        unit = self._state.row(_UNIT, hardware_id)
        if reason or unit is None:
            return _false(reason)
        mac, cpu = text_of(document, "MACAddress"), text_of(document, "CPUId")
        registered = self._state.row(_SERVICE, hardware_id, unit["bic"])
        # A second machine with the identity of a registered one: what the cloud's clone flag is there for.
        known = unit["mac"] is not None and bool(registered and registered["registered"])
        clone = known and (unit["mac"], unit["cpu"]) != (mac, cpu)
        with self._state.write() as db:
            if clone:
                db.execute("UPDATE remoteit_units SET cloned = 1 WHERE hardware_id = ?", (hardware_id,))
            else:
                db.execute(
                    "UPDATE remoteit_units SET mac = ?, cpu = ?, os_label = ?, package = ?, tcp_services = ?, seen = ?"
                    " WHERE hardware_id = ?",
                    (
                        mac, cpu, text_of(document, "OSLabel"), text_of(document, "R3Package"),
                        text_of(document, "TCPServiceList"), self._world.now(), hardware_id,
                    ),
                )  # fmt: skip
        return reply(200, {"status": "true", "reason": ""})

    async def _friendly(self, request: Request) -> Response:
        bic, hardware_id = request.path_params["bic"], request.path_params["hwid"]
        reason = self._reason(bic, hardware_id)
        if reason:
            return _false(reason)
        if self._world.faults.take(CloudFault.CLONE_RESET, request.url.path):
            with self._state.write() as db:
                db.execute("UPDATE remoteit_units SET cloned = 1 WHERE hardware_id = ?", (hardware_id,))
            return reply(200, {"status": "reset", "HardwareId": f"{hardware_id}-1", "reason": "possible clone"})
        pids = self._state.rows("SELECT pid FROM remoteit_projects WHERE bic = ? ORDER BY position", bic)
        registered = self._state.row(_SERVICE, hardware_id, bic)
        return reply(
            200,
            {
                "projects": ",".join(row["pid"] for row in pids),
                "status": "true",
                "reason": "",
                "type": "bulk",
                "registered": "true" if registered and registered["registered"] else "false",
                "HardwareId": hardware_id,
            },
        )

    async def _download(self, request: Request) -> Response:
        pid = request.path_params["pid"]
        if self._state.row("SELECT pid FROM remoteit_projects WHERE pid = ?", pid) is None:
            return PlainTextResponse("not found\n", 404)
        return PlainTextResponse(f"#begin\n{pid}\n# made by a rehearsal; there is no daemon behind it\n")

    async def _configuration(self, request: Request) -> Response:
        pid, hardware_id = request.path_params["pid"], request.path_params["hwid"]
        project = self._state.row(
            "SELECT p.*, q.created FROM remoteit_projects p JOIN remoteit_products q ON q.bic = p.bic WHERE pid = ?",
            pid,
        )
        if project is None:
            return _false("no such service")
        reason = self._reason(project["bic"], hardware_id)
        if reason:
            return _false(reason)
        created = datetime.datetime.fromtimestamp(project["created"], datetime.UTC)
        return reply(
            200,
            {
                "content_ip": "127.0.0.1",
                "content_port": str(project["port"]),
                "content_type": str(SERVICE_TYPES[project["type"]]),
                "enabled": str(project["enabled"]),
                "project_id": pid,
                "status": "true",
                "timestamp": created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            },
        )

    async def _register(self, request: Request) -> Response:
        document = object_of(await body_of(request))
        if document is None:
            return _false("malformed request")
        pid, hardware_id = text_of(document, "project_id"), text_of(document, "hardware_id")
        project = self._state.row("SELECT bic FROM remoteit_projects WHERE pid = ?", pid)
        if project is None:
            return _false("no matching bulk project")
        reason = self._reason(project["bic"], hardware_id)
        if reason == _PUBLISHING or self._world.faults.take(CloudFault.PENDING, request.url.path):
            return reply(200, {"status": "pending", "reason": "registration queued", "registration": "bulk"})
        if reason:
            return _false(reason)
        unit, service = self._state.row(_UNIT, hardware_id), self._state.row(_SERVICE, hardware_id, pid)
        key = text_of(document, "registration_key")
        if unit is None or service is None or not _same(unit["registration_key"], key):
            return _false("wrong registration key")
        if service["registered"] is not None:
            return _false("registered already")
        secret = secrets.token_hex(20).upper()
        with self._state.write() as db:
            db.execute(
                "UPDATE remoteit_services SET secret = ?, registered = ? WHERE uid = ? AND registered IS NULL",
                (secret, self._world.now(), service["uid"]),
            )
        document = {"status": "true", "reason": "", "registration": "bulk", "uid": service["uid"], "secret": secret}
        return reply(200, document)

    async def _ready(self, request: Request) -> Response:
        document = object_of(await body_of(request))
        if document is None:
            return _false("malformed request")
        bic, hardware_id = text_of(document, "BulkIdentificationCode"), text_of(document, "HardwareId")
        reason = self._reason(bic, hardware_id)
        if reason:
            return _false(reason)
        bulk = self._state.row(_SERVICE, hardware_id, bic)
        if bulk is None or bulk["secret"] is None or not _same(bulk["secret"], text_of(document, "DeviceSecret")):
            return _false("not registered or wrong device password")
        with self._state.write() as db:
            db.execute(
                "UPDATE remoteit_units SET online = 1, seen = ? WHERE hardware_id = ?", (self._world.now(), hardware_id)
            )
        return reply(200, {"status": "true", "reason": ""})

    async def _component(self, request: Request) -> Response:
        document = object_of(await body_of(request))
        if document is None:
            return _false("malformed request")
        found: Row | None = self._state.row(
            "SELECT secret FROM remoteit_services WHERE hardware_id = ? AND uid = ?",
            text_of(document, "hardware_id"), text_of(document, "device_address"),
        )  # fmt: skip
        if found is None or found["secret"] is None or not _same(found["secret"], text_of(document, "device_secret")):
            return _false("unknown device")
        return reply(200, {"status": "true", "reason": ""})

    def _reason(self, bic: str, hardware_id: str) -> str:
        """Why the unit cannot go on, or nothing."""
        if self._state.row("SELECT bic FROM remoteit_products WHERE bic = ?", bic) is None:
            return "no matching bulk project"
        if id_problem(hardware_id):
            return f"hardware id refused: {id_problem(hardware_id)}"
        self._portal.settle()
        unit = self._state.row(_UNIT, hardware_id)
        if unit is None:
            return "hardware id not found"
        if unit["bic"] != bic:
            return "hardware id belongs to another product"
        return {"configured": "not published", "publishing": _PUBLISHING}.get(unit["state"], "")


_PUBLISHING = "still being published"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8"), other.encode("utf-8"))


def _false(reason: str) -> Response:
    return reply(200, {"status": "false", "reason": reason})
