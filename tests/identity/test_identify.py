"""Who a unit is: expressions over what is known, and every reason for a refusal at once."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import IdentitySection
from factory.errors import UsageError
from factory.identity import Identified, IdentityRefused, KeySource, identify
from factory.values import BulkIdentificationCode, Facts, Finding, HardwareId, Mac, RegistrationKey, Severity, Work
from tests.identity.units import CODE, ETH, KEYS, REGISTRATION, WLAN, WORK, facts, identifier


def refused(subject: object, **expressions: object) -> tuple[Finding, ...]:
    assert isinstance(subject, Facts)
    with pytest.raises(IdentityRefused) as caught:
        identifier(**expressions).identify(subject, WORK)  # type: ignore[arg-type]
    assert caught.value.code == "identity.refused" and caught.value.exit_code == 1
    for finding in caught.value.findings:
        if finding.severity is Severity.ERROR:
            assert finding.message in str(caught.value)
    return caught.value.findings


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.place, finding.code) for finding in findings]


def test_the_default_identity() -> None:
    found = identify(facts(), WORK, IdentitySection(), REGISTRATION, KEYS, "router")
    identity = found.identity
    assert identity.hardware_id.text == "b827eb000001" and identity.device_name.text == "b827eb000001"
    assert identity.registration_key == KEYS.derive("router", HardwareId.parse("b827eb000001"))
    assert identity.bulk_identification_code == BulkIdentificationCode(CODE)
    assert {name: str(mac) for name, mac in identity.macs.items()} == {"eth0": ETH, "wlan0": WLAN}
    assert (identity.serial, identity.key_version, found.warnings) == ("S-1", 1, ())


def test_every_namespace() -> None:
    found = identifier(
        hardware_id="RT-{{ facts.serial }}-{{ mac.wlan0[-4:] | upper }}",
        registration_key="{{ derive(hardware_id)[:20] }}",
        device_name="{{ order['Serial No'] }} {{ lot }}",
        categories={
            "A": "{{ assigned.imei }}",
            "B": "{{ facts.fw }}",
            "C": "{{ order.items }}",
            "D": "",
            "J": "x{{ '' }}",
        },
    ).identify(facts(values={"fw": "2.1"}), WORK)
    identity = found.identity
    assert identity.hardware_id.text == "RT-S-1-0002"
    assert identity.registration_key == RegistrationKey(KEYS.derive("router", identity.hardware_id).text[:20])
    assert identity.device_name.text == "A-17 LOT-1"
    assert {letter: value.text for letter, value in identity.categories.items()} == {
        "A": "352099001761481",
        "B": "2.1",
        "C": "3",
        "J": "x",
    }


def test_a_category_that_comes_out_blank_is_left_out() -> None:
    found = identifier(categories={"A": "{{ facts.note | default('') }}"}).identify(facts(), WORK)
    assert found.identity.categories == {}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ mac.eth9 }}", "unknown name mac.eth9; there is mac.eth0, mac.wlan0"),
        ('{{ mac["br-lan"] }}', 'unknown name mac["br-lan"]; there is mac.eth0'),
        ("{{ facts.sirial }}", "unknown name facts.sirial; there is facts.serial"),
        ("{{ order.column }}", 'unknown name order.column; there is order["Serial No"], order.items'),
        ("{{ ordr.items }}", "unknown name ordr; perhaps order was meant"),
        ("{{ zzz }}", "unknown name zzz; there is mac, facts, order, assigned, lot, hardware_id, derive"),
        ("{{ hardware_id }}", "hardware_id cannot be used in its own expression"),
        ("{{ mac }}", "mac is a group of values: name one; there is mac.eth0, mac.wlan0"),
        ("{{ lot.name }}", 'unknown member "name" of a text'),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ lot.__class__.__mro__ }}", 'unknown member "__class__" of a text'),
        ("{{ mac._members }}", "unknown name mac._members"),
        ("{{ lipsum() }}", "unknown name lipsum"),
        ("{{ range(10 ** 9) | list }}", "Range too big"),
    ],
)
def test_an_expression_that_fails_names_its_key_the_name_and_what_there_is(expression: str, said: str) -> None:
    findings = refused(facts(), hardware_id=expression)
    assert findings[0].place == "identity.hardware_id"
    assert said in findings[0].message
    # What is built on the id is not reported as well: it would only repeat this.
    assert [place for place, _ in codes(findings)] == ["identity.hardware_id"]


def test_an_empty_group_says_so() -> None:
    with pytest.raises(IdentityRefused, match="there is nothing in order for this unit"):
        identifier(device_name="{{ order.name }}").identify(facts(), Work("L"))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ mac.eth0", "identity.hardware_id"),
        ("{% if %}", "identity.hardware_id"),
        ("{{ mac.eth0 | uper }}", "No filter named 'uper'"),
        ("{{ [1, 2] | random }}", "No filter named 'random'"),
    ],
)
def test_what_is_no_expression_is_refused_before_any_unit(expression: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        identifier(hardware_id=expression)
    assert said in caught.value.message and caught.value.exit_code == 2


def test_derive_without_a_secret_is_refused_before_any_unit() -> None:
    with pytest.raises(UsageError, match=r"uses derive\(\)"):
        identifier(keys=KeySource(0, 0, None))


def test_every_error_at_once() -> None:
    findings = refused(
        facts({"eth0": "00:00:00:00:00:00", "wlan0": "01:00:5e:00:00:01"}, serial="S\u200b1"),
        hardware_id="{{ mac.eth0 }}",
        device_name="a/b",
        categories={"A": "x,y", "B": "{{ nothing }}"},
    )
    assert codes(findings) == [
        ("identity.hardware_id", "ID-SENTINEL"),
        ("identity.device_name", "NAME-CHR"),
        ("identity.categories.A", "VAL-CHR"),
        ("identity.categories.B", "EXPR-UNKNOWN"),
        ("mac.eth0", "ID-SENTINEL"),
        ("mac.wlan0", "MAC-MC"),
        ("serial", "CHR-INVIS"),
    ]


@pytest.mark.parametrize(
    "value", ["default.", "Issue hardware ID is not set properly", "MYSECRET", "000000000000", "ab cd", "a\nb", "a/b"]
)
def test_a_fact_that_is_no_id_is_refused(value: str) -> None:
    findings = refused(facts(values={"id": value}), hardware_id="{{ facts.id }}")
    assert findings[0].place == "identity.hardware_id"


@pytest.mark.parametrize(
    ("expression", "code", "key"),
    [("one-key-for-all", "KEY-CONSTANT", "one-key-for-all"), ("{{ mac.wlan0 }}", "KEY-FACT", "b827eb000002")],
)
def test_other_keys_pass_with_a_warning(expression: str, code: str, key: str) -> None:
    found = identifier(registration_key=expression, keys=KeySource(0, 0, None)).identify(facts(), WORK)
    assert [(each.code, each.severity) for each in found.warnings] == [(code, Severity.WARNING)]
    assert found.identity.registration_key == RegistrationKey(key) and found.identity.key_version == 0
    assert key not in "".join(str(each) for each in found.warnings)


@pytest.mark.parametrize(
    "expression", ["{{ derive(hardware_id)[99] }}", "{{ {}[derive(hardware_id)] }}", "{{ derive(hardware_id) }}/"]
)
def test_an_error_about_a_key_does_not_show_it(expression: str) -> None:
    key = KEYS.derive("router", HardwareId.parse("b827eb000001")).text
    with pytest.raises(IdentityRefused) as caught:
        identifier(registration_key=expression).identify(facts(), WORK)
    assert key not in str(caught.value) and key not in repr(caught.value.findings)


def test_a_key_is_worked_out_again_for_the_upload() -> None:
    subject = identifier(
        hardware_id="{{ facts.id }}", registration_key="K{{ derive(hardware_id) }}{{ mac.wlan0[-2:] }}"
    )
    key = subject.identify(facts(values={"id": "RT-1"}), WORK).identity.registration_key
    assert subject.registration_key(HardwareId.parse("RT-1"), facts(), WORK) == key
    with pytest.raises(IdentityRefused):
        subject.registration_key(HardwareId.parse("RT-1"), facts({"eth0": ETH}), WORK)


@pytest.mark.parametrize(
    ("there", "warned"),
    [
        (None, False),
        ("default.", False),
        ("Issue hardware ID is not set properly", False),
        ("b827eb000001", False),
        ("B827EB000001", False),
        ("b827eb000002", False),  # its own other address: what connectd takes where nothing is written
        ("b827ebffff01", True),
        ("tester-7\x1b[2J", True),
    ],
)
def test_a_unit_that_carries_another_id_is_worth_a_look(there: str | None, warned: bool) -> None:
    found = identifier().identify(facts(connectd=there), WORK)
    assert [each.code for each in found.warnings] == (["UNIT-KNOWN"] if warned else [])
    assert all(each.message.isprintable() for each in found.warnings)


@pytest.mark.parametrize(
    "serial", ["", "0000000000000000", "To be filled by O.E.M.", "Default string", "0123456789", "None"]
)
def test_a_placeholder_is_no_serial(serial: str) -> None:
    found = identifier().identify(facts(serial=serial), WORK)
    assert found.identity.serial is None
    assert [each.code for each in found.warnings] == ["SERIAL-PLACEHOLDER"]


def test_a_board_without_a_serial_is_fine() -> None:
    found = identifier().identify(facts(serial=None), WORK)
    assert found.identity.serial is None and found.warnings == ()


def test_a_serial_without_end_is_refused() -> None:
    assert codes(refused(facts(serial="x" * 129))) == [("serial", "VAL-LEN")]


def test_it_travels_and_gives_the_same_identity() -> None:
    subject = identifier(device_name="{{ lot }} {{ mac.wlan0 }}")
    again = pickle.loads(pickle.dumps(subject))
    assert again.identify(facts(), WORK) == subject.identify(facts(), WORK)
    assert again.interfaces == subject.interfaces == {"eth0", "wlan0"}


def test_threads_do_not_see_each_other() -> None:
    subject = identifier(hardware_id="{{ mac.eth0 }}", device_name="{{ mac.wlan0 }}")

    def one(number: int) -> Identified:
        macs = {"eth0": f"b8:27:eb:00:{number:02x}:01", "wlan0": f"b8:27:eb:00:{number:02x}:02"}
        return subject.identify(facts(macs, serial=f"S{number}"), WORK)

    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(one, range(100))):
            assert found.identity.hardware_id.text == f"b827eb00{number:02x}01"
            assert found.identity.device_name.text == f"b827eb00{number:02x}02"


macs = st.binary(min_size=6, max_size=6).map(Mac)


@given(st.dictionaries(st.sampled_from(["eth0", "wlan0", "usb0", "br-lan"]), macs, min_size=1), st.text(max_size=12))
def test_any_unit_is_a_sound_identity_or_refused(interfaces: dict[str, Mac], serial: str) -> None:
    subject = Facts(interfaces, serial=serial)
    try:
        found = identifier().identify(subject, WORK)
    except IdentityRefused as error:
        assert any(finding.severity is Severity.ERROR for finding in error.findings)
        return
    identity = found.identity
    assert identity.hardware_id.text == interfaces["eth0"].plain
    assert not interfaces["eth0"].is_local
    assert all(mac.defect() is None for mac in interfaces.values())
    assert len(set(identity.macs.values())) == len(identity.macs)
    assert all(severity is Severity.WARNING for severity in (each.severity for each in found.warnings))
    # Pure: the same input, the same identity.
    assert identifier().identify(subject, WORK) == found
