"""Xyte's provisioning server: a device, its children, and many at once (Xyte reference, sections 2 to 4)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from factory.clouds.errors import CloudError, CloudReplyDamaged, CloudReplyLost
from factory.clouds.http import Https, Reply
from factory.clouds.repeat import Repeat, Sleep, repeated
from factory.clouds.xyte.device import DeviceKey, encoded
from factory.clouds.xyte.verdicts import NO_MODEL, XyteRefused, body_of, error_text, refusal, unknown
from factory.secrets import Secret
from factory.values import UNIT_TAKEN

BULK_LIMIT = 25
_TIMEOUT = 20.0
_PAUSE = 2.0
_TIMED_OUT = 408  # a gateway may say so after the server has acted
_JSON = {"Content-Type": "application/json"}


class Entry:
    """One connection, one request at a time. `hardware_key` is the batch's; it goes out in bodies and nowhere else."""

    def __init__(
        self,
        server: str,
        hardware_key: Secret,
        *,
        ca: Path | None = None,
        timeout: float = _TIMEOUT,
        sleep: Sleep = time.sleep,
    ) -> None:
        """Raises UsageError for an address or a CA file that is none."""
        self._key = hardware_key
        self._sleep = sleep
        self._server, self._ca, self._timeout = server, ca, timeout
        self._https = Https(server, ca=ca, secrets=(hardware_key.reveal(),), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._https.close()

    def register(self, request: Mapping[str, object]) -> DeviceKey:
        """Register one device. Tried once more where no answer came or the server failed; what comes after that and is
        no success leaves the outcome unknown.

        Raises XyteRefused (`xyte.hardware-key`, `xyte.taken`, `xyte.data`, `xyte.refused`): nothing was made;
        CloudUnreachable and CloudThrottled: nothing was made either; OutcomeUnknown.
        """
        body = encoded({"hardware_key": self._key.reveal(), **request})
        try:
            reply = self._post("/v1/devices", body)
        except CloudReplyLost as error:
            return self._once_more(body, error.message)
        except CloudReplyDamaged as error:  # larger than any reply is
            raise unknown(error.message) from None
        if reply.status >= 500:
            return self._once_more(body, f"HTTP {reply.status}")
        return _judged(reply, self._https)

    def _once_more(self, body: bytes, why: str) -> DeviceKey:
        self._sleep(_PAUSE)
        try:
            return _judged(self._post("/v1/devices", body), self._https)
        except XyteRefused as error:
            lost = "the first try was done, and its reply was lost" if error.code == UNIT_TAKEN else "asked twice"
            raise unknown(f"{lost} ({why}); then it said: {error.reason}", status=error.status) from None
        except CloudError as error:
            raise unknown(f"asked twice, first: {why}; then: {error.message}", status=error.status) from None

    def register_child(self, parent: str, parent_key: Secret, request: Mapping[str, object]) -> DeviceKey:
        """Register a child of a device with that device's key (Xyte reference, section 4.1). Asked once: its serial
        number is not unique for Xyte, and a second try would make a second child.

        Raises as `register`, and XyteRefused `xyte.not-authorized` (the parent's key) and `xyte.model`.
        """
        https = Https(self._server, ca=self._ca, secrets=(parent_key.reveal(),), timeout=self._timeout)
        headers = {**_JSON, "Authorization": parent_key.reveal()}
        try:
            with https:
                target = f"/v1/devices/{parent}/children"
                reply = repeated(
                    lambda _: https.once("POST", target, body=encoded(request), headers=headers),
                    Repeat.UNSENT,
                    sleep=self._sleep,
                )
        except (CloudReplyLost, CloudReplyDamaged) as error:
            raise unknown(error.message) from None
        if reply.status >= 500:
            raise unknown(f"HTTP {reply.status}", status=reply.status)
        if reply.status == 404:
            reason = error_text(reply, https)
            hint = "The model id stands in the portal: Models, the child's model, Info."
            raise XyteRefused(f'Xyte: "{reason}"', reason=reason, hint=hint, code=NO_MODEL, status=404)
        return _judged(reply, https)

    def register_bulk(self, requests: Sequence[Mapping[str, object]]) -> list[DeviceKey | CloudError]:
        """Register up to 25 devices at once; one result for each, in order. The reply's form is not documented: what
        cannot be matched to a device without doubt comes back as OutcomeUnknown, and never as a success.

        Raises as `register`, for all of them; asked once.
        """
        if not 0 < len(requests) <= BULK_LIMIT:
            raise ValueError(f"1 to {BULK_LIMIT} devices at a time")
        body = encoded([{"hardware_key": self._key.reveal(), **request} for request in requests])
        try:
            reply = self._post("/v1/devices/bulk_create", body)
            if reply.status >= 500 or reply.status == _TIMED_OUT:
                raise unknown(f"HTTP {reply.status}", status=reply.status)
            if not 200 <= reply.status < 300:
                raise refusal(reply, self._https)
            items = reply.json()
        except (CloudReplyLost, CloudReplyDamaged) as error:
            raise unknown(error.message) from None
        return _bulk_results(items, requests)

    def _post(self, target: str, body: bytes) -> Reply:
        return repeated(
            lambda _: self._https.once("POST", target, body=body, headers=_JSON), Repeat.UNSENT, sleep=self._sleep
        )


def _judged(reply: Reply, https: Https) -> DeviceKey:
    """The key of a success. Raises XyteRefused or OutcomeUnknown."""
    if not 200 <= reply.status < 300:
        if 400 <= reply.status < 500 and reply.status != _TIMED_OUT:
            raise refusal(reply, https)
        raise unknown(f"HTTP {reply.status}: {error_text(reply, https)}", status=reply.status)
    try:
        data = body_of(reply)
        return DeviceKey.of(data)
    except CloudReplyDamaged as error:
        # A 2xx without an id beside an error was seen in the field; whether it made a record nobody says.
        # A reply that may hold a key is never repeated.
        words = "it is not shown" if b"access_key" in reply.body else error_text(reply, https)
        raise unknown(f"HTTP {reply.status}, but {error.message}: {words}") from None


def _bulk_results(items: object, requests: Sequence[Mapping[str, object]]) -> list[DeviceKey | CloudError]:
    listed = items if isinstance(items, list) and len(items) == len(requests) else [None] * len(requests)
    found: list[DeviceKey | CloudError] = []
    seen: set[str] = set()
    for item, request in zip(listed, requests, strict=True):
        outcome: DeviceKey | CloudError = unknown("the reply to a bulk registration does not say which device is which")
        # Order alone is no proof: the item must repeat the serial number.
        if isinstance(item, Mapping) and item.get("sn") == request.get("sn") and not item.get("error"):
            try:
                key = DeviceKey.of(item)
                outcome = key if key.id not in seen else outcome
                seen.add(key.id)
            except CloudReplyDamaged as error:
                outcome = unknown(error.message)
        found.append(outcome)
    return found
