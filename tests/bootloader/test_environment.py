from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factory.bootloader import (
    BootloaderError,
    read_bootloader_facts,
    read_environment,
    read_variable,
    set_environment,
)
from factory.bootloader.environment import parse_environment
from factory.bootloader.setting import check_settings
from factory.rehearsal.uboot import UbootFault
from factory.units import Deadline
from tests.bootloader.boards import board, stopped

MAC, OTHER = "b8:27:eb:12:34:56", "b8:27:eb:12:34:57"
names = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("_#.-"), min_size=1, max_size=12)
contents = st.text(st.characters(codec="latin-1", exclude_characters="\r"), max_size=60)


def limit() -> Deadline:
    return Deadline(30.0)


def printed(values: dict[str, str]) -> str:
    escaped = {name: value.replace("\\", "\\\\").replace("\n", "\\\n") for name, value in values.items()}
    text = "".join(f"{name}={value}\n" for name, value in escaped.items())
    return f"{text}\nEnvironment size: {len(text) + 1}/16380 bytes\n"


@example({"0": "\n"})
@given(st.dictionaries(names, contents, min_size=1, max_size=6))
def test_any_environment_is_read_as_it_is(values: dict[str, str]) -> None:
    found = parse_environment(printed(values))
    assert found is not None
    assert found.values == values


@given(st.dictionaries(names, contents, min_size=1, max_size=6), st.integers(0, 10_000))
def test_a_lost_byte_is_never_overlooked(values: dict[str, str], at: int) -> None:
    text = printed(values)
    end = text.rindex("\nEnvironment size")
    at %= end
    # The line feed before the size is no part of a value.
    found = parse_environment(text[:at] + text[at + 1 :])
    # Losing one line end gives the size of a loader that does not count the end of all; two names then are one.
    assert found is None or found.values == values or found.used == end + 1


@given(st.binary(max_size=300))
def test_noise_is_no_environment_or_a_parsed_one(noise: bytes) -> None:
    found = parse_environment(noise.decode("latin-1"))
    assert found is None or isinstance(found.values, dict)


def test_values_with_line_feeds_do_not_spoof_other_variables(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        unit.machine.environment.update({"bootargs": f"a\nethaddr={OTHER}", "ethaddr": MAC, "odd": "\xe9\\"})
        found = read_environment(loader, limit=limit())
        assert (found.values["ethaddr"], found.values["bootargs"]) == (MAC, f"a\nethaddr={OTHER}")
        assert found.values["odd"] == "\xe9\\"
        assert read_variable(loader, "ethaddr", limit=limit()) == MAC
        assert read_variable(loader, "nothing", limit=limit()) is None


def test_facts_are_what_the_product_says_the_variables_hold(tmp_path: Path) -> None:
    names = {"ethaddr": "eth0", "eth1addr": "eth1", "serial#": "serial"}
    with board(tmp_path) as unit, stopped(unit) as loader:
        unit.machine.environment.update({"ethaddr": MAC, "serial#": "SN-1"})
        facts = read_bootloader_facts(loader, names, limit=limit())
        assert {name: mac.colons for name, mac in facts.interfaces.items()} == {"eth0": MAC}
        assert (facts.serial, facts.model, facts.routes) == ("SN-1", "rehearsal", (loader.route,))
        for name, value in (("ethaddr", "b8:27:eb:12:34"), ("ethaddr", "b8:27:eb:12:34:56 "), ("serial#", "a\nb")):
            kept = dict(unit.machine.environment)
            unit.machine.environment[name] = value
            with pytest.raises(BootloaderError) as caught:
                read_bootloader_facts(loader, names, limit=limit())
            assert caught.value.code == "uboot.facts"
            unit.machine.environment = kept


def test_what_is_set_is_proved_by_the_next_boot(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        proof, loader = set_environment(loader, {"ethaddr": MAC, "note": "two words"}, keys=" ", limit=Deadline(60))
        assert (proof.before["ethaddr"], proof.after, proof.saved) == (
            None,
            {"ethaddr": MAC, "note": "two words"},
            True,
        )
        assert unit.boots == 2
        again, loader = set_environment(loader, {"ethaddr": MAC}, keys=" ", limit=Deadline(60))
        assert (again.saved, again.after, unit.boots) == (False, {"ethaddr": MAC}, 3)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (None, "uboot.write-once"),
        (UbootFault.SAVEENV_FAILS, "uboot.saveenv"),
        (UbootFault.FORGETS_ENV, "uboot.not-proved"),
    ],
)
def test_what_cannot_be_kept_is_told(tmp_path: Path, fault: UbootFault | None, code: str) -> None:
    with board(tmp_path) as unit:
        if fault is None:
            unit.machine.environment = {"ethaddr": OTHER, "bootdelay": "1", "loadaddr": "82000000"}
            unit.machine.save()
        else:
            unit.faults.add(fault)
        with stopped(unit) as loader, pytest.raises(BootloaderError) as caught:
            set_environment(loader, {"ethaddr": MAC}, keys=" ", limit=Deadline(60))
        assert caught.value.code == code
        if fault is None:
            assert "written once" in caught.value.message
            assert OTHER in unit.machine.saved.read_text()


@pytest.mark.parametrize("value", ["", " a", "a ", "a  b", "it's", "a\\b", "a\nb", "\xe9"])
def test_what_cannot_be_typed_is_refused(value: str) -> None:
    with pytest.raises(BootloaderError) as caught:
        check_settings({"name": value})
    assert caught.value.code == "uboot.value"
    with pytest.raises(BootloaderError):
        check_settings({"a b": "c"})


@pytest.mark.parametrize(
    "value", ["nonsense", "b827eb123456", "b8-27-eb-12-34-56", "00:00:00:00:00:00", "01:00:5e:00:00:01"]
)
def test_an_address_that_no_unit_can_have_is_not_set(value: str) -> None:
    for name in ("ethaddr", "eth1addr"):
        with pytest.raises(BootloaderError) as caught:
            check_settings({name: value})
        assert caught.value.code == "uboot.value" and name in caught.value.message
    check_settings({"ethaddr": "B8:27:EB:12:34:56", "ethact": value})
