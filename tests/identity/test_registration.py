"""Identities of clouds other than bulk registration: what each unit has, and what is wrong with it."""

from __future__ import annotations

import pickle

import pytest

from factory.config import IdentitySection, PackageRegistration, XyteRegistration
from factory.errors import UsageError
from factory.identity import Identifier, IdentityRefused, KeySource
from factory.secrets import Secret, SecretRef
from factory.values import Work
from tests.identity.units import ETH, facts

NO_KEYS = KeySource(0, 0, None)
CLOUD_ID = "abcdN5DiKi34LdV5qsYkEpKp"
HARDWARE_KEY = SecretRef("env", "NOT_LOOKED_AT_HERE")
GIVEN = Work("LOT", assigned={"cloud_id": CLOUD_ID})


def xyte(**expressions: str) -> Identifier:
    section = XyteRegistration.model_validate({"hardware_key": HARDWARE_KEY, **expressions})
    return Identifier.open(IdentitySection(), section, NO_KEYS, "panel")


def test_xyte_knows_a_unit_by_three_values() -> None:
    identity = pickle.loads(pickle.dumps(xyte())).identify(facts(), GIVEN).identity
    assert identity.registration == {"sn": "S-1", "mac": ETH, "cloud_id": CLOUD_ID}
    assert identity.registration_key is None and identity.bulk_identification_code is None
    assert identity.key_version == 0 and identity.hidden == ()
    assert identity.public()["registration"] == identity.registration


def test_a_cloud_id_may_come_from_the_order_or_from_the_unit() -> None:
    from_order = xyte(cloud_id="{{ order.cloud_id }}").identify(facts(), Work("L", order={"cloud_id": CLOUD_ID}))
    from_unit = xyte(cloud_id="{{ facts.cloud_id }}").identify(facts(values={"cloud_id": CLOUD_ID}), Work("L"))
    assert from_order.identity.registration == from_unit.identity.registration


def test_every_value_that_is_wrong_is_a_finding() -> None:
    with pytest.raises(IdentityRefused) as caught:
        xyte(sn="{{ facts.sno }}", mac="00:00", cloud_id="{{ lot }}").identify(facts(), Work("short"))
    assert [(one.place, one.code) for one in caught.value.findings if one.place.startswith("registration")] == [
        ("registration.sn", "EXPR-UNKNOWN"),
        ("registration.mac", "ID-LEN"),
        ("registration.cloud_id", "ID-CHR"),
    ]


@pytest.mark.parametrize("cloud_id", ["", "default.", "abc", "abcd" + "x" * 41, "abcd N5DiKi34LdV5qsYkEpKp", "-" * 24])
def test_no_cloud_id(cloud_id: str) -> None:
    with pytest.raises(IdentityRefused) as caught:
        xyte().identify(facts(), Work("L", assigned={"cloud_id": cloud_id}))
    assert [one.place for one in caught.value.findings] == ["registration.cloud_id"]


def test_the_interface_of_the_address_is_judged() -> None:
    assert "wlan0" in xyte(mac="{{ mac.wlan0 }}").interfaces


def test_a_bad_expression_names_its_key() -> None:
    with pytest.raises(UsageError, match=r"registration\.cloud_id"):
        xyte(cloud_id="{{ assigned.")


def test_the_package_needs_neither_key_nor_secret() -> None:
    section = PackageRegistration(registration_code=SecretRef("env", "NOT_LOOKED_AT_HERE"))
    identity = Identifier.open(IdentitySection(), section, NO_KEYS, "gateway").identify(facts(), Work("L")).identity
    assert identity.hardware_id.text == ETH.replace(":", "")
    assert identity.registration_key is None and identity.registration == {}
    assert "registration" not in identity.public()


def test_secrets_of_an_identity_show_nowhere() -> None:
    from dataclasses import replace

    identity = replace(xyte().identify(facts(), GIVEN).identity, secrets={"access_key": Secret("f00d" * 8)})
    assert "f00d" not in repr(identity) and "f00d" not in str(identity.public())
    assert [secret.reveal() for secret in identity.hidden] == ["f00d" * 8]


def test_what_else_xyte_is_told() -> None:
    section = XyteRegistration.model_validate(
        {"hardware_key": HARDWARE_KEY, "cloud_id": "", "authentication": "mac-sn", "firmware_version": "1.4.0",
         "sub_model": "{{ order.model }}", "sub_models": ("7in", "10in"), "details": {"lot": "{{ lot }}"}}
    )  # fmt: skip
    identifier = Identifier.open(IdentitySection(), section, NO_KEYS, "panel")
    found = identifier.identify(facts(), Work("L1", order={"model": "7in"})).identity.registration
    assert found == {"sn": "S-1", "mac": ETH, "firmware_version": "1.4.0", "sub_model": "7in", "details.lot": "L1"}
    with pytest.raises(IdentityRefused) as caught:
        identifier.identify(facts(), Work("L1", order={"model": "8in"}))
    assert [one.code for one in caught.value.findings] == ["VAL-ENUM"]
    for version in ("1.4", "v1.4.0", "01.2.3", "1.4.0-"):
        with pytest.raises(IdentityRefused):
            xyte(firmware_version=version).identify(facts(), GIVEN)
