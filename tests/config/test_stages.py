"""[[stage]] and what stops a line: what is refused, by key and in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import ConfigError, StageSection, load_bench, load_product
from factory.config.stages import expected
from tests.config.test_load import MINIMAL, problems, product

FLASH = '[[stage]]\nname = "flash"\nkind = "flash"\n'
TEST = '[[stage]]\nname = "test"\nkind = "check"\n'
SLOT = '[[slot]]\nname = "A"\nssh = { host = "192.0.2.1" }\n'


def check(**keys: str) -> str:
    told = "".join(f", {name} = {value}" for name, value in keys.items())
    return f'{TEST}checks = [ {{ name = "a", command = "true"{told} }} ]\n'


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (TEST, 'exactly one stage has kind = "flash"; here are 0'),
        (FLASH + FLASH.replace('name = "flash"', 'name = "two"'), "here are 2"),
        (TEST + FLASH, "must be the first"),
        (FLASH + TEST + TEST, "two stages are named test"),
        (FLASH + 'program = ["./x"]\n', "has no checks of its own"),
        (FLASH + TEST.replace('"test"', '"Test it"'), "String should match"),
        (FLASH + check(expect='"(-?[0-9+"'), "expect is not a regular expression"),
        (FLASH + check(expect='"dBm"', min="-70"), "no group"),
        (FLASH + check(min="2", max="1"), "min 2 is above max 1"),
        (FLASH + check().replace('"a"', '"program"'), "cannot be named program"),
        (FLASH + check().replace("} ]", '}, { name = "a", command = "true" } ]'), "two checks named a"),
        (FLASH + TEST + "scan = true\n", "no [label]"),
    ],
)
def test_stages_that_make_no_sense(tmp_path: Path, stages: str, says: str) -> None:
    assert says in "\n".join(problems(tmp_path, MINIMAL + stages))


def test_stages_in_order(tmp_path: Path) -> None:
    loaded = load_product(product(tmp_path, MINIMAL + FLASH + check(min="-70", expect='"(.*) {serial}"')))
    assert loaded.stages == ("flash", "test")
    (one,) = loaded.stage[1].checks
    assert (one.min, one.max, one.status, one.measures) == (-70, None, 0, True)
    assert load_product(product(tmp_path, MINIMAL)).stages == ()


def test_a_units_own_value_in_a_pattern_is_no_pattern() -> None:
    pattern = expected("^{serial}$", {"serial": "A.B*"})
    assert pattern.search("A.B*")
    assert not pattern.search("AXBB")
    assert expected("x{2}", {}).search("xx"), "counts stay counts"


def test_when_a_line_stops_and_how_long_transcripts_stay(tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text('[station]\nname = "S"\n' + SLOT)
    station = load_bench(path).station
    assert (station.stage, station.stop_slot_after, station.stop_lot_after) == (None, 3, 5)
    assert station.keep_transcripts is None
    path.write_text('[station]\nname = "S"\nkeep_transcripts = { days = 10, failed_days = 5 }\n' + SLOT)
    with pytest.raises(ConfigError, match="failed_days must not be less than days"):
        load_bench(path)


def test_a_section_by_itself() -> None:
    assert StageSection(name="test", kind="check").checks == ()
