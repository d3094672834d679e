"""What remote.it's refusals mean, and what to do about each (remote.it reference, section 6.3)."""

from __future__ import annotations

import re

GENERAL = "These are the cloud's own words. Try again later, or ask the vendor's support."
_BY_CODE = {
    "0102": "The user name, password or access key is wrong: make a new access key in the portal.",
    "0806": "The cloud does not know this service. Has the unit registered? `factory remoteit devices` lists them.",
    "0807": "Another device of the account has this name: give one of the two another name.",
    "0861": "This is a device and not one of its services: name the service, as DEVICE/SERVICE.",
}
_BY_WORDS = {
    "bad device address": "A service id looks like 80:00:00:00:00:00:00:91; `factory remoteit devices` lists them.",
    "missing api token": "The developer key is missing or wrong: R3_DEVELOPER_API_KEY, from the portal's account page.",
    "missing user": "The access key belongs to no user: was it deleted in the portal?",
    "no matching bulk project": "The bulk identification code is no product's: compare it with the portal's (i) icon.",
    "signature": "The secret is not this access key's, or was not copied whole: compare R3_ACCESS_KEY_ID and "
    "R3_SECRET_ACCESS_KEY.",
    "access key": "The cloud does not know this access key: was it copied whole, and deleted in the portal since?",
    "offline": "The unit is not online: is it switched on, and does it reach the internet?",
}
_CODE = re.compile(r"\[(\d{4})\]")


def advice(reason: str) -> str:
    """One line that says what to do about a refusal; a general one for words that nobody documented."""
    code = _CODE.search(reason)
    if code and code[1] in _BY_CODE:
        return _BY_CODE[code[1]]
    lower = reason.lower()
    for words, what in _BY_WORDS.items():
        if words in lower:
            return what
    return GENERAL
