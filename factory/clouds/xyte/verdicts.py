"""What a reply to a registration means, and what the station does next (Xyte reference, sections 2.3 and 13)."""

from __future__ import annotations

from collections.abc import Mapping

from factory.clouds.errors import CloudError, CloudRefused, CloudReplyDamaged, said
from factory.clouds.http import Https, Reply
from factory.errors import Exit
from factory.values import UNIT_TAKEN as TAKEN

HARDWARE_KEY, DATA, REFUSED, UNKNOWN = "xyte.hardware-key", "xyte.data", "xyte.refused", "xyte.unknown"
NOT_AUTHORIZED, NO_MODEL = "xyte.not-authorized", "xyte.model"
_NOBODY_KNOWS = "nobody knows whether Xyte registered the unit: "
_RESOLVE = "`factory xyte resolve` finds the record in the cloud, deletes it, and lets the unit register again."


class OutcomeUnknown(CloudError):  # noqa: N818 - reads as what happened
    """Xyte was asked and nobody knows whether it registered the device; its key is lost then. Never asked again by
    itself: a second registration is refused, and the refusal proves nothing.
    """

    code = UNKNOWN
    exit_code = Exit.FAILED


class XyteRefused(CloudRefused):
    """Xyte said no and made nothing."""


def unknown(why: str, *, status: int | None = None) -> OutcomeUnknown:
    """The error for a reply that was lost."""
    # What the ledger kept of an earlier try says so already.
    return OutcomeUnknown(
        f"{_NOBODY_KNOWS}{why.removeprefix(_NOBODY_KNOWS)}", hint=f"The unit waits. {_RESOLVE}", status=status
    )


def body_of(reply: Reply) -> Mapping[str, object]:
    """The JSON object of a reply. Raises CloudReplyDamaged."""
    data = reply.json()
    if not isinstance(data, Mapping):
        raise CloudReplyDamaged(f"the cloud answered with HTTP {reply.status} and no JSON object", status=reply.status)
    return data


def error_text(reply: Reply, https: Https) -> str:
    """What a reply says is wrong: its `error`, else the body as it is; fit for a terminal, without the keys."""
    try:
        told = body_of(reply).get("error")
    except CloudReplyDamaged:
        told = None
    text = told if isinstance(told, str) else reply.body[:2000].decode("utf-8", "replace")
    return said(https.mask(text)) or "an empty body"


def refusal(reply: Reply, https: Https) -> XyteRefused:
    """The error for a reply that is a clear no. Status decides first, then loosely the text: wording may change."""
    reason = error_text(reply, https)
    words = reason.lower()
    if reply.status == 400 and ("hardware" in words or "key" in words):
        return _refused(
            reply, reason, HARDWARE_KEY, "Xyte does not know the batch's hardware key",
            "The line stops. Is registration.hardware_key the key of this model's batch, and not revoked? "
            "Portal: Models, your model, Hardware Keys.",
            Exit.USAGE,
        )  # fmt: skip
    if reply.status == 422 and ("already" in words or "taken" in words):
        return _refused(
            reply, reason, TAKEN, "Xyte has this unit's cloud id or serial number already",
            "The unit is put into quarantine: this ledger has no key of it. Was it registered by another station, by "
            "itself, or is the number used twice? Find it in the portal; delete it there before it registers again.",
        )  # fmt: skip
    if reply.status == 422:
        hint = "Mend the value in product.toml, [registration], or on the unit; then run the unit again."
        return _refused(reply, reason, DATA, "Xyte does not accept the unit's values", hint)
    if is_not_authorized(reply, reason):
        hint = "The record was deleted in the cloud, or the key is another device's."
        return _refused(reply, reason, NOT_AUTHORIZED, "Xyte does not accept the access key", hint)
    hint = "Nothing documented says so: look at the words. Nothing was registered."
    return _refused(reply, reason, REFUSED, f"Xyte refused with HTTP {reply.status}", hint)


def is_not_authorized(reply: Reply, reason: str) -> bool:
    """Whether the device is not there any more: 401, or 400 with the same words (Xyte reference, section 8)."""
    return reply.status == 401 or (reply.status == 400 and "not authorized" in reason.lower())


def _refused(reply: Reply, reason: str, code: str, what: str, hint: str, exit_code: Exit = Exit.FAILED) -> XyteRefused:
    return XyteRefused(
        f'{what}: "{reason}"', reason=reason, hint=hint, code=code, status=reply.status, exit_code=exit_code
    )
