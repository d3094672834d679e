"""From an address to a logged-in transport: probes while the unit boots, one judged host key, one try to log in."""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.protocol import HostKey, HostKeys, Transcript, UnitError
from factory.units.ssh_address import dial, route_name

if TYPE_CHECKING:
    import paramiko

    from factory.config import SshSection

PROBE_EVERY = 3.0  # seconds between two probes: sshd bans those that knock too often
_DIAL = 3.0
_HANDSHAKE = 20.0


@dataclass(slots=True)
class Connector:
    """One way to one unit. `connect` may be called again after a reboot."""

    section: SshSection
    login: Login
    slot: str
    host_keys: HostKeys
    transcript: Transcript

    @property
    def route(self) -> str:
        """See `route_name`."""
        return route_name(self.section)

    def connect(self, deadline: Deadline, login_seconds: float) -> tuple[paramiko.Transport, HostKey]:
        """Probe until an SSH server answers, then log in within `login_seconds`. Raises as `open_ssh`."""
        last: Exception | None = None
        while True:
            started = time.monotonic()
            try:
                transport = self._handshake(deadline)
            except (OSError, EOFError) as error:
                last = error
                self.transcript.note(f"{self.route} does not answer: {error}")
            else:
                break
            if deadline.left < PROBE_EVERY - (time.monotonic() - started):
                raise self._unreachable(last, deadline)
            deadline.pause(PROBE_EVERY - (time.monotonic() - started))
        try:
            key = _host_key(transport)
            self.transcript.note(f"host key {key.algorithm} {key.fingerprint}")
            self.host_keys.seen_at_connect(self.slot, key)
            self._log_in(transport, login_seconds)
        except BaseException:
            transport.close()
            raise
        return transport, key

    def _handshake(self, deadline: Deadline) -> paramiko.Transport:
        """TCP and key exchange. Raises OSError or EOFError where another probe may do better."""
        import paramiko

        connection = dial(self.section, deadline.slice(_DIAL))
        _quiet_log()
        transport = paramiko.Transport(connection)
        try:
            _prefer_fast_ciphers(transport)
            transport.start_client(timeout=deadline.slice(_HANDSHAKE))
        except paramiko.ssh_exception.IncompatiblePeer as error:
            transport.close()
            raise self._incompatible(error) from error
        except paramiko.SSHException as error:
            transport.close()
            # No banner, a reset or a time-out: a server that is just starting does this too.
            raise ConnectionError(str(error)) from error
        except BaseException:
            transport.close()
            raise
        return transport

    def _log_in(self, transport: paramiko.Transport, seconds: float) -> None:
        import paramiko

        transport.auth_timeout = seconds
        try:
            if self.login.key is not None:
                transport.auth_publickey(self.login.user, _private_key(self.login))
            elif self.login.password is not None:
                password = self.login.password.reveal()
                self.transcript.secret(password)
                transport.auth_password(self.login.user, password)
            else:
                transport.auth_none(self.login.user)
        except paramiko.BadAuthenticationType as error:
            raise self._other_way(error) from error
        except paramiko.AuthenticationException as error:
            raise self._no_login(error, transport.is_active(), seconds) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise UnitError(f"{self.route}: the login broke off: {error}", code="unit.ssh") from error
        if not transport.is_authenticated():
            raise UnitError(f"{self.route}: the server wants more than one proof of who we are", code="unit.ssh")

    def _no_login(self, error: Exception, active: bool, seconds: float) -> UnitError:
        """Refused, or no verdict: then a server that is slow to refuse, or hangs up on it, has counted it as well."""
        once = "It was tried once and is not tried again."
        if "timeout" in str(error).lower():
            message = f"{self.route}: no answer to the login within {seconds:g} s"
            hint = f"{once} [unit.timeouts] login sets how long is waited."
            return UnitError(message, hint=hint, code="unit.ssh", retry=False)
        if not active:
            message = f"{self.route}: the connection ended during the login of {self.login.user}"
            return UnitError(message, hint=f"{once} Check [unit.login], and the cable.", code="unit.ssh", retry=False)
        what = "key" if self.login.key else "password"
        return UnitError(
            f"{self.route}: user or {what} was refused for {self.login.user}",
            hint=f"Check [unit.login]. {once}",
            code="unit.login-incorrect",
            retry=False,
        )

    def _other_way(self, error: paramiko.BadAuthenticationType) -> UnitError:
        offered = ", ".join(error.allowed_types) or "nothing"
        given = "a key" if self.login.key else "a password" if self.login.password else "neither password nor key"
        code = "unit.password-needed" if given.startswith("neither") else "unit.login-incorrect"
        message = f"{self.route}: login {self.login.user} gives {given}, the server takes {offered}"
        return UnitError(message, hint="Change [unit.login] password or key.", code=code, retry=False)

    def _incompatible(self, error: Exception) -> UnitError:
        return UnitError(
            f"{self.route}: its SSH server is too old: {error}",
            hint="It offers only what is no longer safe and was removed from paramiko 5 (ssh-rsa with SHA-1, old key "
            "exchanges or ciphers). Renew the server or its keys in the unit's image, or use the serial console.",
            code="unit.ssh.incompatible",
            retry=False,
        )

    def _unreachable(self, last: Exception | None, deadline: Deadline) -> UnitError:
        return UnitError(
            f"{self.route} did not answer within {deadline.seconds:.0f} s: {last or 'silence'}",
            hint="Check the cable, the unit's power and address, and that its SSH server runs.",
            code="unit.ssh.unreachable",
        )


def _quiet_log() -> None:
    """What paramiko logs comes to us as exceptions too; without a handler Python would print it on stderr."""
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _host_key(transport: paramiko.Transport) -> HostKey:
    key = transport.get_remote_server_key()
    blob = key.asbytes()
    digest = base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    return HostKey(key.get_name(), f"SHA256:{digest}", blob)


def _prefer_fast_ciphers(transport: paramiko.Transport) -> None:
    options = transport.get_security_options()
    fast = [name for name in options.ciphers if "gcm" in name]
    # AES-GCM moves twice what the default CTR ciphers do (speed reference, SSH).
    options.ciphers = sorted(fast) + [name for name in options.ciphers if name not in fast]


def _private_key(login: Login) -> paramiko.PKey:
    import paramiko

    assert login.key is not None
    try:
        return paramiko.PKey.from_path(login.key, None)
    except paramiko.PasswordRequiredException as error:
        hint = "A line has nobody to type it: use a key without one, readable by this user only."
        raise UnitError(f"the private key {login.key} needs a pass phrase", hint=hint, code="unit.key") from error
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not a private key"
        raise UnitError(f"cannot use the private key {login.key}: {reason}", code="unit.key") from error
