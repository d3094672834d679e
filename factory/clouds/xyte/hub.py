"""Xyte after the registration: the device's own hub, and the maker's view with the partner key (Xyte reference,
sections 8 and 9).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from factory.clouds.errors import CloudReplyDamaged, said
from factory.clouds.http import Https, Reply
from factory.clouds.repeat import Repeat, Sleep, repeated
from factory.clouds.xyte.device import DeviceKey, encoded
from factory.clouds.xyte.verdicts import body_of, error_text, refusal
from factory.secrets import Secret

_PAGES = 1000
_TIMEOUT = 20.0


class _Authorized:
    """Requests with an Authorization header that has the bare key. One at a time."""

    def __init__(self, server: str, key: Secret, *, ca: Path | None, sleep: Sleep) -> None:
        self._key = key
        self._sleep = sleep
        self._https = Https(server, ca=ca, secrets=(key.reveal(),), timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._https.close()

    def _ask(self, method: str, target: str, body: object = None) -> Reply:
        """Ask; every request of this module may be repeated. Raises XyteRefused and CloudError."""
        headers = {"Authorization": self._key.reveal()}
        content = b"" if body is None else encoded(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        reply = repeated(
            lambda _: self._https.once(method, target, body=content, headers=headers), Repeat.QUERY, sleep=self._sleep
        )
        if 400 <= reply.status < 500:
            raise refusal(reply, self._https)
        if not 200 <= reply.status < 300:
            reason = error_text(reply, self._https)
            raise CloudReplyDamaged(f"Xyte answered with HTTP {reply.status}: {reason}", status=reply.status)
        return reply


class Hub(_Authorized):
    """What a device may say and ask, said and asked in its name. Raises UsageError for a hub that is not `https://`."""

    def __init__(self, key: DeviceKey, *, hub: str = "", ca: Path | None = None, sleep: Sleep = time.sleep) -> None:
        super().__init__(key.hub_url or hub, key.access_key, ca=ca, sleep=sleep)
        self._path = f"/v1/devices/{quote(key.id, safe='')}"

    def telemetry(self, status: str) -> Mapping[str, object]:
        """Say that the device is `online` or `offline`; returns what the hub answers."""
        return body_of(self._ask("POST", f"{self._path}/telemetry", {"status": status, "telemetries": {}}))

    def info(self) -> Mapping[str, object]:
        """What the cloud has of the device. Raises XyteRefused `xyte.not-authorized` when it has none."""
        return body_of(self._ask("GET", self._path))


class Partner(_Authorized):
    """The maker's view of all its devices. Its replies are not documented: read leniently."""

    def __init__(self, server: str, key: Secret, *, ca: Path | None = None, sleep: Sleep = time.sleep) -> None:
        super().__init__(server, key, ca=ca, sleep=sleep)

    def devices(self) -> Iterator[Mapping[str, object]]:
        """Every device, page by page. Raises CloudReplyDamaged for a reply that lists none."""
        before: object = None
        for page in range(1, _PAGES + 1):
            data = self._ask("GET", f"/core/v1/partner/devices?page={page}").json()
            found = _listed(data)
            if not found or found == before:
                return  # a server that knows no pages answers the same again
            before = found
            yield from found

    def find(self, *, sn: str | None, mac: str | None, cloud_id: str | None) -> list[Mapping[str, object]]:
        """The devices that have this cloud id, or this serial number and, where it says so, this MAC."""
        hits = []
        for device in self.devices():
            partner = device.get("partner")
            told = {**partner, **device} if isinstance(partner, Mapping) else device
            own_id = told.get("cloud_id")
            if own_id and cloud_id:
                same = own_id == cloud_id
            else:
                other = told.get("mac")
                same = bool(sn) and told.get("sn") == sn and (not other or not mac or _plain(other) == _plain(mac))
            if same:
                hits.append(device)
        return hits

    def delete(self, device: str) -> None:
        """Delete a device. Raises XyteRefused."""
        self._ask("DELETE", f"/core/v1/partner/devices/{quote(device, safe='')}")


def _listed(data: object) -> list[Mapping[str, object]]:
    if isinstance(data, Mapping):
        data = next((data[name] for name in ("items", "devices", "data") if isinstance(data.get(name), list)), None)
    if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
        raise CloudReplyDamaged(f"Xyte's list of devices is none: {said(type(data).__name__)}")
    return data


def _plain(mac: object) -> str:
    return str(mac).lower().replace(":", "").replace("-", "")
