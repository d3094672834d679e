"""The account as a client: signed requests, GraphQL and REST, and what their refusals mean."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from factory.clouds.errors import CloudError, CloudRefused, CloudReplyDamaged, CloudReplyLost, said
from factory.clouds.http import Https, Reply
from factory.clouds.remoteit.connection import Connection, Mode, connection_id, connection_of, host_ip
from factory.clouds.remoteit.credentials import Credentials
from factory.clouds.remoteit.devices import PAGE, Device, Listing, devices_query, page_of
from factory.clouds.remoteit.reasons import GENERAL, advice
from factory.clouds.remoteit.shape import Object, damaged, object_in, text_in
from factory.clouds.remoteit.signing import http_date, signed_headers
from factory.clouds.repeat import Repeat, Sleep, repeated
from factory.errors import Exit, UsageError

SERVER = "https://api.remote.it"
GRAPHQL = "/graphql/v1"
REST = "/apv/v27"
CLOCK = "remoteit.clock"
_SKEW = 60.0
_PAGES = 1000
_OK = 200
_UNAUTHORIZED = (401, 403)
_WHO = "query { login { id email } }"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose access key this is. `ahead` is by how many seconds the cloud's clock is ahead of ours, None if untold."""

    id: str
    email: str
    ahead: float | None


class RemoteItAccount:
    """A context manager. Every method raises the errors of `factory.clouds.errors`; the reason that a cloud gives is
    shown as it was said, without the secrets, and with what to do about it.

    `account` is the id of an organization to act in, None for one's own. `with_length` signs the body's length too.
    """

    def __init__(
        self,
        credentials: Credentials,
        https: Https,
        *,
        account: str | None = None,
        with_length: bool = True,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._credentials = credentials
        self._https = https
        self._account = account
        self._with_length = with_length
        self._sleep = sleep

    @classmethod
    def open(
        cls,
        credentials: Credentials,
        *,
        server: str = SERVER,
        ca: Path | None = None,
        account: str | None = None,
        with_length: bool = True,
        timeout: float = 30.0,
        sleep: Sleep = time.sleep,
    ) -> RemoteItAccount:
        """An account over HTTPS; `timeout` in seconds bounds each request. Raises UsageError."""
        https = Https(server, ca=ca, secrets=credentials.values(), timeout=timeout)
        return cls(credentials, https, account=account, with_length=with_length, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._https.close()

    @property
    def server(self) -> str:
        """The server that is asked."""
        return self._https.server

    def whoami(self) -> Person:
        """Whose access key this is."""
        data, reply = self._graphql(_WHO, {})
        login = object_in(data, "login")
        return Person(text_in(login, "id"), text_in(login, "email"), reply.ahead)

    def devices(self, *, state: str | None = None, name: str | None = None, hardware_id: str | None = None) -> Listing:
        """Every device of the account, a thousand per request, or those that a filter finds. A name is looked for
        within names; whether a hardware id must match whole is not documented: compare both for equality.
        """
        given = {"state": state, "name": name, "hardwareId": hardware_id}
        filters: dict[str, Any] = {"size": PAGE, **{key: value for key, value in given.items() if value is not None}}
        found: dict[str, Device] = {}
        asked: set[str] = set()
        for _ in range(_PAGES):
            query, variables = devices_query(filters, self._account)
            page = page_of(self._graphql(query, variables)[0], self._account)
            found.update((device.id, device) for device in page.devices)
            if page.last is None:
                return Listing(tuple(found.values()), page.total)
            if page.last in asked or not page.devices:
                raise damaged("the pages of devices do not end")
            asked.add(page.last)
            filters["after"] = page.last
        raise damaged(f"more than {_PAGES} pages of devices")

    def connect(self, service_id: str, mode: Mode, *, ip: str | None = None) -> Connection:
        """Open a connection; `ip` is the one address of Mode.RESTRICTED. Never asked twice unless nothing was sent.

        Raises UsageError for an address that does not fit the mode. A reply that was lost may leave a connection open,
        which ends by itself.
        """
        asked = {"deviceaddress": service_id, "wait": "true", "hostip": host_ip(mode, ip)}
        try:
            answer = self._rest("/device/connect", asked, Repeat.UNSENT)[0]
        except (CloudReplyLost, CloudReplyDamaged) as error:
            error.hint = f"{error.hint} A connection may be open; it ends by itself, after eight hours as a rule."
            raise
        identifier = connection_id(answer)
        try:
            return connection_of(answer, service_id)
        except CloudError as error:
            try:
                self.stop(service_id, identifier)
            except CloudError:
                error.hint = f"{error.hint} Connection {said(identifier)} may still be open."
            raise

    def stop(self, service_id: str, connection: str) -> None:
        """End a connection and whatever runs through it. Asked again where a reply was lost."""
        asked = {"deviceaddress": service_id, "connectionid": connection}
        try:
            self._rest("/device/connect/stop", asked, Repeat.QUERY)
        except CloudRefused as refused:
            if refused.tries > 1 and refused.code != CLOCK:
                return  # the first try ended it, and its reply was lost: there is nothing left to end
            if refused.code != CLOCK:
                refused.hint = (
                    f"Most likely it has ended already: then there is nothing to do. Otherwise: {refused.hint}"
                )
            raise

    def _rest(self, path: str, document: Object, repeat: Repeat) -> tuple[Object, Reply]:
        """One REST call. HTTP 200 with a status that is not true is a refusal."""
        developer = self._credentials.developer_key
        if developer is None:
            raise UsageError(
                f"{self._credentials.source} has no R3_DEVELOPER_API_KEY, which connections need",
                hint="It stands on the portal's account page. See docs/remoteit.md.",
                code="remoteit.credentials",
            )
        reply = self._post(REST + path, document, {"developerkey": developer.reveal()}, repeat)
        answer = self._object(reply)
        if reply.status != _OK or str(answer.get("status")).lower() != "true":
            raise self._refused(answer.get("reason") or answer.get("message") or answer.get("code"), reply)
        return answer, reply

    def _graphql(self, query: str, variables: Mapping[str, Any]) -> tuple[Object, Reply]:
        """One query. HTTP 200 with errors in it is a refusal."""
        reply = self._post(GRAPHQL, {"query": query, "variables": dict(variables)}, {}, Repeat.QUERY)
        answer = self._object(reply)
        errors = answer.get("errors")
        if errors or reply.status != _OK:
            told = errors if isinstance(errors, list) and errors else [answer]
            texts = [one.get("message") or one.get("reason") for one in told if isinstance(one, Mapping)]
            raise self._refused("; ".join(str(text) for text in texts[:3] if text), reply)
        return object_in(answer, "data"), reply

    def _post(self, target: str, document: Object, headers: Mapping[str, str], repeat: Repeat) -> Reply:
        body = json.dumps(document, ensure_ascii=False).encode("utf-8")

        def once(_: int) -> Reply:
            # Signed anew for each try: the date is part of it.
            signed = signed_headers(
                self._credentials.key_id, self._credentials.hmac_key, "POST", target,
                host=self._https.host, date=http_date(time.time()), body=body, with_length=self._with_length,
            )  # fmt: skip
            return self._https.once("POST", target, body=body, headers={**headers, **signed})

        return repeated(once, repeat, sleep=self._sleep)

    def _object(self, reply: Reply) -> Object:
        """The object of a reply. A refusal without a body that can be read is a refusal all the same."""
        try:
            answer = reply.json()
        except CloudReplyDamaged:
            if reply.status in _UNAUTHORIZED:
                raise self._refused(None, reply) from None
            raise
        if not isinstance(answer, dict):
            raise damaged("it is no JSON object")
        return answer

    def _refused(self, reason: object, reply: Reply) -> CloudRefused:
        https = self._https
        words = said(https.mask(said(reason, 4096))) if reason else f"HTTP {reply.status} without a reason"
        code, exit_code, hint = CloudRefused.code, Exit.FAILED, advice(words)
        message = f"{https.host} refused: {words}"
        if reply.status in _UNAUTHORIZED:
            code, exit_code = "remoteit.unauthorized", Exit.USAGE
            ask = f"Is the access key of {self._credentials.source} still active in the portal?"
            hint = ask if hint == GENERAL else f"{hint} {ask}"
            ahead = reply.ahead
            if ahead is not None and abs(ahead) > _SKEW:
                # A signature holds for its date, and the cloud's words need not say so.
                code, hint = CLOCK, "Set the clock, then try again: timedatectl set-ntp true."
                side = "behind" if ahead > 0 else "ahead of"
                message += (
                    f"; this computer's clock is {abs(ahead):.0f} s {side} the cloud's, which is the likely cause"
                )
        error = CloudRefused(message, reason=words, hint=hint, code=code, exit_code=exit_code, status=reply.status)
        error.tries = reply.tries
        return error
