"""[registration] by profile: its own keys, and errors that name them as they stand in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import ConfigError, Product, XyteRegistration, load_product

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"


def loaded(folder: Path, registration: str) -> Product:
    path = folder / "product.toml"
    path.write_text(f'[product]\nname = "p"\n[registration]\n{registration}\n')
    return load_product(path)


def refused(folder: Path, registration: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, registration)
    return caught.value.message


def test_a_file_without_a_profile_is_of_bulk_registration(tmp_path: Path) -> None:
    assert loaded(tmp_path, f'bulk_identification_code = "{CODE}"').registration.profile == "remoteit-bulk"


@pytest.mark.parametrize(
    ("registration", "said"),
    [
        ("", "registration.bulk_identification_code: missing"),
        ('profile = "xite"', "registration: profile must be one of remoteit-bulk, remoteit-package, xyte"),
        ("profile = 3", "registration: profile must be one of"),
        ('profile = "xyte"', "registration.hardware_key: missing"),
        ('profile = "xyte"\nhardware_key = "abc"', "registration.hardware_key: a secret is given by reference"),
        (
            'profile = "xyte"\nhardware_key = "env:A"\nhardwarekey = "x"',
            "hardwarekey: unknown key; did you mean hardware_",
        ),
        ('profile = "xyte"\nhardware_key = "env:A"\nregisters = "both"', "registration.registers: "),
        ('profile = "xyte"\nhardware_key = "env:A"\nserver = "http://x"', "registration.server: must be an address"),
        ('profile = "remoteit-package"\nregistration_cod = "x"', "cod: unknown key; did you mean registration_code?"),
        (f'profile = "remoteit-package"\nbulk_identification_code = "{CODE}"', "bulk_identification_code: unknown key"),
        ("service = []", "registration.service: unknown key; did you mean services?"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, registration: str, said: str) -> None:
    assert said in refused(tmp_path, registration)


def test_a_secret_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    text = refused(tmp_path, 'profile = "xyte"\nhardware_key = "51f0-secret"')
    assert "51f0" not in text


def test_xyte_has_defaults_for_all_but_the_key(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'profile = "xyte"\nhardware_key = "env:XYTE_HARDWARE_KEY"').registration
    assert isinstance(found, XyteRegistration)
    assert (found.registers, found.server, found.sn) == ("unit", "https://entry.xyte.io", "{{ facts.serial }}")


def test_only_a_model_by_mac_goes_without_cloud_ids(tmp_path: Path) -> None:
    start = 'profile = "xyte"\nhardware_key = "env:A"\ncloud_id = ""\n'
    assert "cloud_id must not be empty" in refused(tmp_path, start)
    found = loaded(tmp_path, start + 'authentication = "mac-sn"').registration
    assert isinstance(found, XyteRegistration) and found.cloud_id == ""
    assert "needs firmware_version" in refused(
        tmp_path, 'profile = "xyte"\nhardware_key = "env:A"\nregisters = "station"'
    )
