"""Reading product.toml and bench.toml: every error at once, by key, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import ConfigError, load_bench, load_product
from factory.files import FileError

CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"
MINIMAL = f'[product]\nname = "router"\n[registration]\nbulk_identification_code = "{CODE}"\n'


def product(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "product.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_product(product(tmp_path, text))
    assert str(tmp_path / "product.toml") in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_the_least_that_a_product_needs(tmp_path: Path) -> None:
    loaded = load_product(product(tmp_path, MINIMAL))
    assert loaded.folder == tmp_path.resolve() and len(loaded.sha256) == 64
    assert loaded.unit.connectd_dir == "/etc/connectd" and loaded.identity.key is None


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    first = load_product(product(tmp_path, MINIMAL)).sha256
    assert load_product(product(tmp_path, MINIMAL + "# a comment\n")).sha256 != first


def test_every_error_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        '[product]\nnmae = "x"\n[identity.rules]\noui = ["b8:27"]\noffsets = { wlan0 = "eth0" }\npattern = "("\n'
        '[unit]\nconnectd_dir = 7\n[unit.timeouts]\nboot = 0\n[flash]\nmethod = "cart"\n'
        '[registration]\nbulk_identification_code = "1"\nservices = [{ name = "ssh", type = "SSH", port = 70000 }]\n',
    )
    keys = {line.split(":")[0] for line in found}
    assert keys == {
        "product.name",
        "product.nmae",
        "identity.rules.oui.0",
        "identity.rules.offsets.wlan0",
        "identity.rules.pattern",
        "unit.connectd_dir",
        "unit.timeouts.boot",
        "flash.method",
        "registration.bulk_identification_code",
        "registration.services.0.port",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[prduct]\nname = "x"', "prduct: unknown key; did you mean product?"),
        ('[product]\nnmae = "x"', "product.nmae: unknown key; did you mean name?"),
        ("[unit.login]\nusr = 'x'", "unit.login.usr: unknown key; did you mean user?"),
        ("[identity.rules]\nouis = []", "identity.rules.ouis: unknown key; did you mean oui?"),
        ("[identity.key]\nzzz = 1", "identity.key.zzz: unknown key; known here: secret, version, length"),
        ("folder = 'x'", "folder: unknown key"),
        ("sha256 = 'x'", "sha256: unknown key"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, said: str) -> None:
    top, _, rest = text.partition("\n")
    whole = f"{text}\n{MINIMAL}" if not text.startswith("[product]") else MINIMAL.replace("[product]", text)
    assert any(line.startswith(said) for line in problems(tmp_path, whole)), (top, rest)


@pytest.mark.parametrize(
    "line",
    [
        '[unit.login]\npassword = "{}"',
        '[identity.key]\nsecret = "{}"',
        '[identity.key]\nsecret = ["{}"]',
        '[identity.key]\nsecret = {{ value = "{}" }}',
        '[unit.login]\npasword = "{}"',
    ],
)
def test_a_secret_written_in_place_of_its_reference_is_not_repeated(tmp_path: Path, line: str) -> None:
    hidden = "correct horse battery"
    said = "\n".join(problems(tmp_path, MINIMAL + line.format(hidden)))
    assert hidden not in said and "horse" not in said


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('[unit]\nclear = "yes"', "unit.clear"),
        ("[unit]\nclear = 1", "unit.clear"),
        ('[identity.key]\nsecret = "env:A"\nversion = "1"', "identity.key.version"),
        ('[identity.key]\nsecret = "env:A"\nversion = 1.0', "identity.key.version"),
        ('[unit.timeouts]\nboot = "30"', "unit.timeouts.boot"),
        ("[image]\nformat = 7", "image.format"),
    ],
)
def test_no_value_is_changed_into_another_type(tmp_path: Path, line: str, key: str) -> None:
    assert [each.split(":")[0] for each in problems(tmp_path, MINIMAL + line)] == [key]


def test_whole_seconds_are_seconds(tmp_path: Path) -> None:
    assert load_product(product(tmp_path, MINIMAL + "[unit.timeouts]\nboot = 30")).unit.timeouts.boot == 30.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[product]\nname = "ro\u00fcter"', "product.name: must be plain ASCII: U+00FC"),
        ('[product]\nname = "ro\uff11"', "full-width digit ONE at 3"),
        ('[product]\nname = " router"', "blank at 1"),
        ('[product]\nname = ""', "must not be empty"),
    ],
)
def test_names_are_plain_ascii(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in line for line in problems(tmp_path, MINIMAL.replace('[product]\nname = "router"', text)))


@pytest.mark.parametrize(
    "line",
    [
        '[unit]\nconnectd_dir = "/etc/c\u00f6nnectd"',
        '[unit.facts]\n"n\u00e4me" = "cat /x"',
        '[identity.rules.offsets]\n"wl\u00e4n0" = "eth0+1"',
        '[identity]\nhardware_id = "{{ facts.n\u00e4me }}"',
    ],
)
def test_names_anywhere_in_the_file_are_plain_ascii(tmp_path: Path, line: str) -> None:
    assert "must be plain ASCII" in problems(tmp_path, MINIMAL + line)[0]


def test_relative_paths_need_a_simulated_unit(tmp_path: Path) -> None:
    line = '[unit]\nconnectd_dir = "etc/connectd"\n'
    assert "simulated = true" in problems(tmp_path, MINIMAL + line)[0]
    assert load_product(product(tmp_path, MINIMAL + line + "simulated = true\n")).unit.connectd_dir == "etc/connectd"


@pytest.mark.parametrize("root", ["/data", "/etc/connectd/services", "/etc/conn"])
def test_an_image_that_does_not_hold_connectds_folder(tmp_path: Path, root: str) -> None:
    (said,) = problems(tmp_path, MINIMAL + f'[image]\nroot = "{root}"\n')
    assert root in said and "/etc/connectd" in said
    for above in ("/", "/etc", "/etc/connectd/"):
        assert load_product(product(tmp_path, MINIMAL + f'[image]\nroot = "{above}"\n')).image.root == above


@pytest.mark.parametrize(
    ("written", "kept"),
    [("b8:27:eb", "b827eb"), ("B8-27-EB", "b827eb"), ("70b3d5f", "70b3d5f"), ("70:b3:d5:f2:f", "70b3d5f2f")],
)
def test_address_blocks(tmp_path: Path, written: str, kept: str) -> None:
    loaded = load_product(product(tmp_path, MINIMAL + f'[identity.rules]\noui = ["{written}"]'))
    assert loaded.identity.rules.oui == (kept,)


def test_what_is_no_toml_or_no_text_or_no_file(tmp_path: Path) -> None:
    assert problems(tmp_path, "[product\n")[0].startswith("not TOML")
    (tmp_path / "product.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match="byte 8: not UTF-8"):
        load_product(tmp_path / "product.toml")
    with pytest.raises(FileError, match="No such file"):
        load_product(tmp_path / "no.toml")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner)))
def test_settings_are_values_and_cannot_be_changed(value: object) -> None:
    # Frozen through and through: what a worker got is what was read.
    from factory.config import RulesSection

    rules = RulesSection()
    with pytest.raises(ValueError, match="frozen"):
        rules.pattern = value  # type: ignore[misc,assignment]


def bench(tmp_path: Path, slots: str) -> Path:
    path = tmp_path / "bench.toml"
    path.write_text(f'[station]\nname = "s1"\n{slots}')
    return path


def test_a_bench(tmp_path: Path) -> None:
    loaded = load_bench(
        bench(
            tmp_path,
            '[[slot]]\nname = "1"\nserial = { port = "/dev/a", baud = 9600, dtr = false }\n'
            '[[slot]]\nname = "2"\nssh = { host = "192.168.1.1", interface = "enp3s0" }\n'
            '[[slot]]\nname = "3"\nssh = { host = "192.168.1.1", interface = "enp4s0" }\n'
            'power = { on = ["relay", "1"], off = ["relay", "0"] }\n',
        )
    )
    assert [slot.name for slot in loaded.slot] == ["1", "2", "3"]
    assert loaded.slot[0].serial is not None and loaded.slot[0].serial.dtr is False
    assert loaded.slot[0].serial.rts is None and loaded.folder == tmp_path.resolve()


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ("", "has no place for a unit"),
        ('[[slot]]\nname = "1"\n', "slot 1 has no route"),
        ('[[slot]]\nname = "1"\nserial = { port = "/dev/a" }\n' * 2, "same name 1"),
        (
            '[[slot]]\nname = "1"\nserial = { port = "/dev/a" }\n[[slot]]\nname = "2"\nserial = { port = "/dev/a" }\n',
            "slots 1 and 2 have the same serial port /dev/a",
        ),
        (
            '[[slot]]\nname = "1"\nssh = { host = "h", interface = "e" }\n'
            '[[slot]]\nname = "2"\nssh = { host = "h", interface = "e" }\n',
            "slots 1 and 2 have the same ssh address h 22 e",
        ),
        ('[[slot]]\nname = "1"\nssh = { host = "h" }\nhost_key = "pinned"\n', "slot 1 pins a host key"),
        ('[[slot]]\nname = "1"\nserial = { port = "/dev/a", baud = "9600" }\n', "slot.0.serial.baud"),
        ('[[slot]]\nname = "1"\nserial = { prt = "/dev/a" }\n', "slot.0.serial.prt: unknown key; did you mean port?"),
    ],
)
def test_what_a_bench_must_not_be(tmp_path: Path, slots: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_bench(bench(tmp_path, slots))
    assert said in caught.value.message
