"""A first boot as connectd does it: provisioning, registration, ready (remote.it reference, sections 4.1 to 4.5).

Every request is pasted from the unit's files byte by byte, and every reply is read as the unit reads it: what a CR, a
blank or `default.` does to a real unit happens here too.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from factory.errors import FactoryError
from factory.rehearsal.firstboot.reply import projects, value
from factory.rehearsal.firstboot.unit_files import CODE, END_OF_CONFIGURATION, ID, KEY, Boot, UnitFiles
from factory.rehearsal.firstboot.wire import Wire

_PID_LENGTH = 36
_BULK = b"/bulk/registration"
_CONFIGURED = (
    ("application_type", "content_type"),
    ("proxy_dest_port", "content_port"),
    ("proxy_dest_ip", "content_ip"),
    ("content_test", "content_test"),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the unit waits, in seconds, and how often it asks again. A real one asks for 30 hours while a
    registration is pending, every 30 seconds; a rehearsal has published before.
    """

    pending_seconds: float = 0.5
    pending_tries: int = 20
    retry_seconds: float = 0.2
    retry_tries: int = 3


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """Boots units against the simulated server at `url`, trusting `ca`. It may travel to another process."""

    url: str
    ca: Path
    pace: Pace = Pace()

    def boot(self, root: Path, mac: str) -> Boot:
        """Walk the unit whose files lie below `root` through its first boot; `mac` is the address that it sends.

        Raises FileError when the files cannot be read or written. What the server does is never an error here.
        """
        with Wire(self.url, self.ca) as wire:
            return _Unit(UnitFiles(root), wire, mac, self.pace).boot()


class _StoppedError(Exception):
    """The unit goes no further."""


class _Unit:
    """One unit on its way."""

    def __init__(self, files: UnitFiles, wire: Wire, mac: str, pace: Pace) -> None:
        self._files, self._wire, self._pace = files, wire, pace
        self._said: list[str] = []
        self._mac = files.text("ci_mac.txt") or mac.encode("ascii")
        self._cpu = files.text("cpuid.txt") or b""
        self._code = self._id = b""
        self._reset = False

    def boot(self) -> Boot:
        """Go as far as it goes."""
        stopped = ""
        try:
            self._provision()
            failed = self._register_all()
            self._ready()
            if failed:
                raise _StoppedError(failed)
        except _StoppedError as why:
            stopped = str(why)
            self._said.append(stopped)
        except FactoryError as error:
            if error.code != "firstboot.name":
                raise
            stopped = error.message
        return Boot(stopped, self._reset, tuple(self._said), self._files.held())

    def _provision(self) -> None:
        code, hardware_id = self._files.text(CODE), self._files.text(ID)
        if code is None:
            raise _StoppedError(f"Fail: /etc/connectd/{CODE} is missing.")
        if hardware_id is None:
            raise _StoppedError(f"{ID} is missing: the unit makes an id of an address that is not known here")
        self._code, self._id = code, hardware_id
        self._files.make_folders()
        reply = self._introduce()
        if value(reply, "status") == "reset":
            self._start_anew(value(reply, "HardwareId"))
            reply = self._introduce()
        if value(reply, "status") != "true":
            raise _StoppedError(f"dprovision for {_text(self._code)} failed: {self._reason(reply)}")
        for pid in projects(reply):
            self._configure(pid)

    def _introduce(self) -> bytes:
        _, secret = self._files.provisioned(_text(self._code)) if _is_name(self._code) else ("", "")
        known = b', "DeviceSecret" : "%s"' % secret.encode("utf-8") if secret else b""
        body = (
            b'{"BulkIdentificationCode" : "%s", "HardwareId" : "%s", "MACAddress" : "%s", "CPUId" : "%s",'
            b' "OSLabel" : "Linux rehearsal", "R3Package" : "2.6.40", "TCPServiceList" : ""%s}'
            % (self._code, self._id, self._mac, self._cpu, known)
        )
        self._wire.ask("POST", _BULK + b"/device/information/", body)
        path = _BULK + b"/device/friendly/configuration/" + self._code + b"/" + self._id + b"/"
        return self._wire.ask("GET", path)[1]

    def _start_anew(self, new_id: str) -> None:
        self._reset = True
        self._said += [f"Service directs to reset for new ID: {new_id}", "Clone detected - device reset."]
        self._files.clear()
        self._id = new_id.encode("utf-8")
        self._write_id()

    def _configure(self, pid: str) -> None:
        name = pid.encode("utf-8", "replace")
        if self._files.read("dfiles", pid) is None:
            status, content = self._wire.ask("GET", b"/project/provisioning/download/" + name)
            if status != 200:
                self._said.append(f"{pid}: the provisioning file came with HTTP {status}; no service of it")
                return
            self._files.write("dfiles", pid, content)
        reply = self._wire.ask("GET", _BULK + b"/configuration/" + name + b"/" + self._id + b"/")[1]
        if value(reply, "status") != "true":
            self._said.append(f"{pid}: no configuration: {self._reason(reply)}")
            return
        enabled, before = value(reply, "enabled") == "1", self._files.read("dfiles", f"{pid}.conf")
        if not enabled:
            if before is not None:
                self._files.deactivate(pid)
            return
        timestamp = value(reply, "timestamp")
        if before is None or timestamp.encode("utf-8") not in before:
            self._write_configuration(pid, reply, timestamp)

    def _write_configuration(self, pid: str, reply: bytes, timestamp: str) -> None:
        lines = [f"timestamp {timestamp}", "enabled 1"]
        lines += [f"{name} {found}" for name, key in _CONFIGURED if (found := value(reply, key))]
        configuration = ("\n".join(lines) + "\n").encode("utf-8")
        self._files.write("dfiles", f"{pid}.conf", configuration)
        whole = (self._files.read("dfiles", pid) or b"") + configuration + END_OF_CONFIGURATION
        self._files.write("pfiles", pid, whole)
        there = self._files.read("available", pid)
        if there is not None:
            self._files.write("available", pid, whole + there.partition(END_OF_CONFIGURATION)[2])
            self._files.activate(pid)

    def _register_all(self) -> str:
        """Register every service that has no address yet; why the first of them failed, or nothing."""
        first = ""
        for pid in self._files.names("pfiles"):
            if self._files.read("available", pid) is None:
                failed = self._register(pid, self._files.read("pfiles", pid) or b"")
                first = first or failed
                self._said.append(failed or f"OK: {pid} is provisioned")
        return first

    def _register(self, pid: str, pfile: bytes) -> str:
        lines = pfile.split(b"\n")
        at = next((number for number, line in enumerate(lines) if b"#begin" in line), None)
        project = lines[at + 1] if at is not None and at + 1 < len(lines) else b""
        if len(project) != _PID_LENGTH:
            return f"FAIL: {pid}: Provisioning file corrupt"
        key = self._files.text(KEY)
        if key is None:
            return f"FAIL: {pid}: {KEY} is missing: the unit sends an address as its key that is not known here"
        body = b'{"project_id":"%s","hardware_id" : "%s", "registration_key" : "%s"}' % (project, self._id, key)
        pending, retries = self._pace.pending_tries, self._pace.retry_tries
        while True:
            reply = self._wire.ask("POST", _BULK + b"/register", body)[1]
            status, reason = value(reply, "status"), self._reason(reply)
            if status == "true":
                self._keep(pid, pfile, reply)
                return ""
            if status == "false":
                return f"FAIL: {pid}: {reason}"
            if status == "pending":
                pending, wait = pending - 1, self._pace.pending_seconds
                if pending < 0:
                    return f"FAIL: {pid}: on retry count (still pending : {reason})"
            else:
                retries, wait = retries - 1, self._pace.retry_seconds
                if retries < 0:
                    return f"FAIL: {pid}: error talking to server ({status or reason})"
            time.sleep(wait)  # between two requests a unit waits, and there is nothing to wait for

    def _keep(self, pid: str, pfile: bytes, reply: bytes) -> None:
        lines = f"UID {value(reply, 'uid')}\npassword {value(reply, 'secret')}\n"
        self._files.write("available", pid, pfile + lines.encode("utf-8"))
        self._write_id()
        self._files.activate(pid)

    def _write_id(self) -> None:
        # Written by an unquoted echo: runs of blanks become one.
        self._files.write("", ID, b" ".join(self._id.replace(b"\t", b" ").split(b" ")).strip(b" ") + b"\n")

    def _ready(self) -> None:
        _, secret = self._files.provisioned(_text(self._code)) if _is_name(self._code) else ("", "")
        if not secret:
            failed = next((line for line in self._said if line.startswith("FAIL: ")), "")
            raise _StoppedError(failed or "FAIL: device ready requires bulk service and secret")
        claim = b"%d" % (10001 + secrets.randbelow(89999))
        self._files.write("", "claimcode.txt", claim + b"\n")
        body = b'{"BulkIdentificationCode" : "%s", "HardwareId" : "%s", "DeviceSecret" : "%s", "ClaimCode" : "%s"}' % (
            self._code, self._id, secret.encode("utf-8"), claim,
        )  # fmt: skip
        self._wire.ask("POST", _BULK + b"/device/ready/", body)

    def _reason(self, reply: bytes) -> str:
        if self._wire.trouble:
            return f"no answer: {self._wire.trouble}"
        return value(reply, "reason") or ("the reply is nothing that the unit understands" if reply else "no answer")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def _is_name(code: bytes) -> bool:
    """Whether a code may be the name of a file below `available`."""
    return bool(code) and b"/" not in code and len(code) < 200 and code not in (b".", b"..")
