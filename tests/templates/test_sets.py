"""The template sets of remote.it's package and of Xyte: what they make, and what the lints say of it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from factory.config import Product, load_product
from factory.config.starter import write_product_folder
from factory.config.toml_text import Setting
from factory.images import Builder, Image, TemplateFault, open_builder, read_tree, write_image
from factory.images.lint import judge
from factory.secrets import Secret, SecretError
from factory.values import DeviceName, HardwareId, Identity, Mac
from tests.images.product import identity as bulk_identity

HARDWARE_KEY = "5b6a2f3c-0d1e-4f2a-9b8c-7d6e5f4a3b2c"
ACCESS_KEY = "0123456789abcdef0123456789abcdef"
CODE = "0BADC0DE-1234-5678-9ABC-DEF012345678"
VALUES = {"sn": "A26-000123", "mac": "00:1b:77:a4:c0:11", "cloud_id": "abcdN5DiKi34LdV5qsYkEpKp"}
GIVEN = {"id": "2f1e0d3c-1111-2222-3333-444455556666", "hub_url": "https://eu-1.endpoints.xyte.io"}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XYTE_HARDWARE_KEY", HARDWARE_KEY)
    monkeypatch.setenv("REMOTEIT_REGISTRATION_CODE", CODE)


def product(folder: Path, kind: str, settings: Mapping[str, Setting] | None = None) -> Product:
    return load_product(write_product_folder(folder / kind, kind, settings=settings))


def opened(made: Product) -> Builder:
    return open_builder(made.image, made.folder, made.product.name, made.registration)


def unit(**registration: str) -> Identity:
    return Identity(
        HardwareId.parse("001b77a4c011"),
        None,
        DeviceName.parse("Panel 1"),
        None,
        {"eth0": Mac.parse("001b77a4c011")},
        registration=registration,
    )


def modes(image: Image) -> Mapping[str, int]:
    return {entry.path: entry.mode for entry in image.manifest.files}


def codes(image: Image, folder: Path) -> list[str]:
    return [finding.code for finding in judge(read_tree(write_image(image, folder))).every_finding]


def test_the_package_gets_one_file_and_nothing_else(tmp_path: Path) -> None:
    made = product(tmp_path, "remoteit-package", {"registration.registration_code": "env:REMOTEIT_REGISTRATION_CODE"})
    image = opened(made).build(unit())
    assert image.contents == {"registration": f"{CODE}\n".encode()} and modes(image) == {"registration": 0o600}
    assert made.image.root == "/etc/remoteit"
    assert CODE not in json.dumps(image.manifest.as_json()) + repr(image)
    assert codes(image, tmp_path / "out") == []


def test_without_a_code_the_file_is_empty(tmp_path: Path) -> None:
    image = opened(product(tmp_path, "remoteit-package")).build(unit())
    assert image.contents == {"registration": b""}
    assert codes(image, tmp_path / "out") == ["IMG-UNREGISTERED"]


def test_a_unit_that_registers_itself_has_the_hardware_key(tmp_path: Path) -> None:
    builder = pickle.loads(pickle.dumps(opened(product(tmp_path, "xyte"))))
    image = builder.build(unit(**VALUES))
    assert modes(image) == {"hardware_key": 0o600, "identity.json": 0o644}
    assert image.contents["hardware_key"] == f"{HARDWARE_KEY}\n".encode()
    said = json.loads(image.contents["identity.json"])
    assert said == {"server": "https://entry.xyte.io", "name": "Panel 1", **VALUES}
    assert HARDWARE_KEY not in json.dumps(image.manifest.as_json())
    assert image.manifest.identity["registration"] == VALUES
    assert codes(image, tmp_path / "out") == []


def test_a_unit_that_the_station_registers_has_its_own_key_only(tmp_path: Path) -> None:
    builder = opened(product(tmp_path, "xyte", {"registration.registers": "station"}))
    identity = replace(unit(**VALUES, **GIVEN), secrets={"access_key": Secret(ACCESS_KEY)})
    image = builder.build(identity)
    assert modes(image) == {"access_key": 0o600, "identity.json": 0o644}
    assert image.contents["access_key"] == f"{ACCESS_KEY}\n".encode()
    said = json.loads(image.contents["identity.json"])
    assert said == {"server": "https://entry.xyte.io", "name": "Panel 1", **VALUES, **GIVEN}
    assert not any(HARDWARE_KEY.encode() in content for content in image.contents.values())
    assert HARDWARE_KEY.encode() not in pickle.dumps(builder)
    assert ACCESS_KEY not in json.dumps(image.manifest.as_json())
    assert codes(image, tmp_path / "out") == []


def test_before_it_is_registered_that_unit_has_no_image(tmp_path: Path) -> None:
    builder = opened(product(tmp_path, "xyte", {"registration.registers": "station"}))
    with pytest.raises(
        TemplateFault, match=r"access_key needs registration\.id, registration\.hub_url, registration\.a"
    ):
        builder.build(unit(**VALUES))


def test_what_the_set_needs_is_said(tmp_path: Path) -> None:
    with pytest.raises(TemplateFault, match=r"templates/xyte/template\.toml: the set needs registration\.mac"):
        opened(product(tmp_path, "xyte")).build(unit(sn="A", cloud_id=VALUES["cloud_id"]))


def test_a_set_of_another_cloud_is_refused(tmp_path: Path) -> None:
    made = product(tmp_path, "xyte")
    (made.folder / "templates" / "xyte" / "template.toml").write_text(
        'profiles = ["remoteit-bulk"]\n[[file]]\npath = "identity.json"\nmode = "0644"\n'
    )
    with pytest.raises(TemplateFault, match="the set is for remoteit-bulk, and the product is xyte"):
        opened(made)


def test_a_secret_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XYTE_HARDWARE_KEY")
    with pytest.raises(SecretError, match="XYTE_HARDWARE_KEY"):
        opened(product(tmp_path, "xyte"))


@pytest.mark.parametrize(
    "source", ["{{ registration.hardware_key | int('x') + 1 }}", "{{ registration[registration.hardware_key] }}"]
)
def test_an_error_of_a_template_does_not_tell_the_key(tmp_path: Path, source: str) -> None:
    made = product(tmp_path, "xyte")
    (made.folder / "templates" / "xyte" / "hardware_key.j2").write_text(f"{source}\n")
    with pytest.raises(TemplateFault) as caught:
        opened(made).build(unit(**VALUES))
    assert HARDWARE_KEY not in str(caught.value)


def test_connectd_needs_what_only_bulk_registration_has(tmp_path: Path) -> None:
    path = write_product_folder(tmp_path / "bulk", bulk_identification_code=CODE)
    builder = opened(load_product(path))
    assert codes(builder.build(bulk_identity()), tmp_path / "out") == []
    with pytest.raises(TemplateFault, match="needs registration_key, bulk_identification_code"):
        builder.build(unit(**VALUES))
