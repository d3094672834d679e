"""The product folder to start from: the sample itself, its settings, and what it never overwrites."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import (
    BulkRegistration,
    ConfigError,
    PackageRegistration,
    XyteRegistration,
    load_bench,
    load_product,
)
from factory.config.starter import write_product_folder
from factory.config.toml_text import with_settings
from factory.errors import UsageError
from factory.secrets import SecretRef

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"


def test_a_folder_that_a_line_can_run_from(tmp_path: Path) -> None:
    path = write_product_folder(tmp_path / "acme", bulk_identification_code=CODE)
    product = load_product(path)
    assert product.registration == BulkRegistration(bulk_identification_code=CODE)
    assert (product.folder / product.image.templates / "template.toml").is_file()
    assert product.identity.key is not None
    assert len(product.identity.key.secret.resolve(product.folder).reveal()) == 64
    assert stat.S_IMODE((tmp_path / "acme" / "master.secret").stat().st_mode) == 0o600
    assert load_bench(tmp_path / "acme" / "bench.toml").slot


def test_every_folder_has_a_secret_of_its_own(tmp_path: Path) -> None:
    found = set()
    for name in ("a", "b"):
        write_product_folder(tmp_path / name)
        found.add(SecretRef.parse("file:master.secret").resolve(tmp_path / name).reveal())
    assert len(found) == 2


def test_without_a_code_the_file_says_where_to_get_it(tmp_path: Path) -> None:
    path = write_product_folder(tmp_path / "acme")
    with pytest.raises(ConfigError, match="Copy it from the portal"):
        load_product(path)


def test_the_sample_shows_the_defaults(tmp_path: Path) -> None:
    """What the sample's comments call the default is the default: uncommented keys equal those of a bare file."""
    product = load_product(write_product_folder(tmp_path / "acme", bulk_identification_code=CODE))
    bare_path = tmp_path / "bare.toml"
    bare_path.write_text(f'[product]\nname = "router"\n[registration]\nbulk_identification_code = "{CODE}"\n')
    bare = load_product(bare_path)
    for section in ("unit", "image", "flash", "prove", "hooks", "registration"):
        assert getattr(product, section) == getattr(bare, section), section
    assert product.identity.hardware_id == bare.identity.hardware_id
    assert product.identity.registration_key == bare.identity.registration_key


def test_every_line_that_is_commented_out_works_too(tmp_path: Path) -> None:
    write_product_folder(tmp_path / "acme", bulk_identification_code=CODE)
    for name in ("product.toml", "bench.toml"):
        path = tmp_path / "acme" / name
        lines = path.read_text().splitlines()
        keys = [line.removeprefix("# ") for line in lines]
        is_toml = [line.startswith("# ") and (" = " in line or line.startswith("# [[")) for line in lines]
        path.write_text(
            "\n".join(key if on and _alone(key) else line for key, on, line in zip(keys, is_toml, lines, strict=True))
        )
    product = load_product(tmp_path / "acme" / "product.toml")
    assert product.unit.facts and product.identity.rules.offsets
    assert isinstance(product.registration, BulkRegistration) and product.registration.services
    assert product.image.files and product.hooks.after_pass and product.unit.login.password
    assert len(load_bench(tmp_path / "acme" / "bench.toml").slot) == 3


KINDS = {"remoteit-package": PackageRegistration, "xyte": XyteRegistration}


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_kinds(tmp_path: Path, kind: str) -> None:
    product = load_product(write_product_folder(tmp_path / "acme", kind))
    assert isinstance(product.registration, KINDS[kind]) and product.registration.profile == kind
    assert (product.folder / product.image.templates / "template.toml").is_file()
    assert load_bench(tmp_path / "acme" / "bench.toml").slot
    assert not (tmp_path / "acme" / "master.secret").exists(), "nothing is derived for this cloud"


@pytest.mark.parametrize("kind", KINDS)
def test_their_samples_work_with_every_line_in_force(tmp_path: Path, kind: str) -> None:
    path = write_product_folder(tmp_path / "acme", kind)
    lines = path.read_text().splitlines()
    keys = [line.removeprefix("# ") for line in lines]
    on = [line.startswith("# ") and " = " in line and _alone(key) for line, key in zip(lines, keys, strict=True)]
    path.write_text("\n".join(key if use else line for key, use, line in zip(keys, on, lines, strict=True)))
    product = load_product(path)
    assert product.unit.facts and product.identity.rules.oui and product.hooks.after_pass
    if isinstance(product.registration, PackageRegistration):
        assert str(product.registration.registration_code) == "env:REMOTEIT_REGISTRATION_CODE"


def test_bulk_brings_the_persistence_kit(tmp_path: Path) -> None:
    write_product_folder(tmp_path / "acme")
    kit = tmp_path / "acme" / "persistence"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in kit.iterdir()}
    assert modes.pop("connectd-restore.service") == 0o644
    assert set(modes.values()) == {0o755} and "connectd_save_config" in modes


def _alone(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True


def test_settings_keep_the_comments(tmp_path: Path) -> None:
    path = write_product_folder(
        tmp_path / "acme",
        bulk_identification_code=CODE,
        settings={
            "unit": {"simulated": True, "connectd_dir": "etc/connectd", "facts": {"firmware": "cat fw"}},
            "unit.login.password": "env:UNIT_PASSWORD",
            "identity.rules.interfaces": ["eth0", "wlan0"],
            "identity.categories": {"A": "{{ lot }}"},
            "unit.timeouts.boot": 2.5,
        },
    )
    product = load_product(path)
    assert product.unit.simulated and product.unit.connectd_dir == "etc/connectd"
    assert product.unit.facts == {"firmware": "cat fw"} and product.unit.timeouts.boot == 2.5
    assert product.identity.rules.interfaces == ("eth0", "wlan0")
    assert product.identity.categories == {"A": "{{ lot }}"}
    assert str(product.unit.login.password) == "env:UNIT_PASSWORD"
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert len(comments) > 40


def test_settings_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unit\.simulatd"):
        write_product_folder(tmp_path / "a", bulk_identification_code=CODE, settings={"unit.simulatd": True})


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "acme"
    target.mkdir()
    (target / "product.toml").write_text("mine")
    with pytest.raises(UsageError, match=r"already has product\.toml") as caught:
        write_product_folder(target)
    assert caught.value.code == "init.exists"
    assert [entry.name for entry in target.iterdir()] == ["product.toml"]
    assert (target / "product.toml").read_text() == "mine"


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "master.secret").write_text("0123456789abcdef\n")
    (tmp_path / "master.secret").chmod(0o600)
    write_product_folder(tmp_path)
    assert (tmp_path / "master.secret").read_text() == "0123456789abcdef\n"


def test_a_file_in_place_of_the_folder_and_an_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_product_folder(tmp_path / "acme")
    with pytest.raises(UsageError, match="no kind of product 'xite'") as caught:
        write_product_folder(tmp_path / "b", "xite")
    assert "remoteit-bulk" in caught.value.hint


keys = st.text("abc", min_size=1, max_size=3)
plain = st.booleans() | st.integers(-9, 9) | st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=2)


@given(st.dictionaries(keys, plain, max_size=3), st.dictionaries(keys, plain, max_size=3))
def test_any_value_that_is_set_can_be_read(top: dict[str, bool], below: dict[str, bool]) -> None:
    text = '# a file\nabc = "old"\n# a = "an example"\n\n[s]  # a section\nb = 1 # why\n'
    settings = {**top, **{f"s.{key}": value for key, value in below.items()}}
    result = with_settings(text, settings)
    data = tomllib.loads(result)
    assert {**data, "s": None} == {"abc": "old", **top, "s": None}
    assert data["s"] == {"b": 1, **below}
    assert result.startswith("# a file\n")


def test_a_text_that_cannot_be_changed_line_by_line_is_not_damaged() -> None:
    with pytest.raises(ValueError, match="cannot set"):
        with_settings('a = """\nb = 1\n"""\n', {"b": 2})
