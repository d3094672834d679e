"""A product and a unit for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping

from factory.config import BulkRegistration, IdentitySection, RulesSection
from factory.identity import Identifier, KeySource
from factory.secrets import Secret
from factory.values import ConnectdShow, Facts, Mac, Work

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
REGISTRATION = BulkRegistration(bulk_identification_code=CODE)
KEYS = KeySource(1, 32, Secret("correct-horse-battery"))
ETH, WLAN = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"


def facts(
    interfaces: Mapping[str, str] | None = None,
    *,
    values: Mapping[str, str] | None = None,
    serial: str | None = "S-1",
    connectd: str | None = None,
) -> Facts:
    macs = {name: Mac.parse(mac) for name, mac in (interfaces or {"eth0": ETH, "wlan0": WLAN}).items()}
    show = None if connectd is None else ConnectdShow(connectd, Secret("k"), CODE)
    return Facts(macs, values or {}, serial, connectd=show)


def identifier(
    *, rules: RulesSection | None = None, keys: KeySource = KEYS, product: str = "router", **expressions: object
) -> Identifier:
    section = IdentitySection.model_validate({"rules": rules or RulesSection(), **expressions})
    return Identifier.open(section, REGISTRATION, keys, product)


WORK = Work("LOT-1", order={"Serial No": "A-17", "items": "3"}, assigned={"imei": "352099001761481"})
