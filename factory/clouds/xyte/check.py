"""Whether a registered unit is what the cloud thinks it is: the check at the end of the line (Xyte reference, 9)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.clouds.errors import CloudError, said
from factory.clouds.repeat import Sleep
from factory.clouds.xyte.device import DeviceKey
from factory.clouds.xyte.differences import differences
from factory.clouds.xyte.hub import Hub
from factory.values import Finding, Severity


@dataclass(frozen=True, slots=True)
class Checked:
    """What one device's check found; no error among the findings means that it is good. `claimed` says that a customer
    has it, None where the cloud did not say.
    """

    device: str
    claimed: bool | None
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """No error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def check_device(
    key: DeviceKey,
    sent: Mapping[str, object],
    *,
    telemetry: bool = True,
    hub: str = "",
    ca: Path | None = None,
    sleep: Sleep = time.sleep,
) -> Checked:
    """Ask in the unit's name: what the cloud has of it against what it was told, `sent`; with `telemetry` also whether
    a message is taken, after which the unit is said to be offline again, whatever happened.

    What the cloud answers ends in the findings. Raises UsageError for a hub that is not `https://`.
    """
    findings: list[Finding] = []
    claims: list[bool] = []
    with Hub(key, hub=hub, ca=ca, sleep=sleep) as own:
        try:
            info = own.info()
            findings += [_error("XYTE-DIFFERS", key, text) for text in differences(info, sent)]
            claims += _claimed(info.get("claimed"), missing="claimed" not in info)
            if telemetry:
                try:
                    reply = own.telemetry("online")
                finally:
                    own.telemetry("offline")
                findings += _telemetry(key, reply, sent)
                claims += [reply["space_data_version"] != 0] if "space_data_version" in reply else []
        except CloudError as error:
            findings.append(_error(error.code, key, error.message, error.hint))
    claimed = any(claims) if claims else None
    if claimed:
        findings.append(_error("XYTE-CLAIMED", key, "a customer has claimed it already", "Was it sold before?"))
    return Checked(key.id, claimed, tuple(findings))


def _telemetry(key: DeviceKey, reply: Mapping[str, object], sent: Mapping[str, object]) -> Iterator[Finding]:
    if reply.get("success") is not True:
        yield _error("XYTE-TELEMETRY", key, f"telemetry was not taken: success is {said(reply.get('success'))}")
    newest, own = reply.get("latest_fw_version"), sent.get("firmware_version")
    if newest and own and newest != own:
        message = f"the cloud will send it firmware {said(newest)}, and it was made with {own}"
        yield _error("XYTE-FIRMWARE", key, message, "Flash the version that the model has in the portal.")


def _claimed(value: object, *, missing: bool) -> list[bool]:
    """What the info says of a claim: null, '' and false are none (Xyte reference, section 14)."""
    return [] if missing else [bool(value)]


def _error(code: str, key: DeviceKey, message: str, hint: str = "") -> Finding:
    return Finding(code, Severity.ERROR, f"device {key.id}", message, hint)
