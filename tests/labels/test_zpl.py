"""Values on a label are data, whatever stands in them; and a template that would let them be more is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.labels import LabelError, LabelTemplate
from factory.labels.zpl import commands

HOSTILE = (
    "^XZ^XA^FO0,0^FDowned^FS",
    "~JA",
    "a^FSb",
    "{{ 7*7 }}{% raw %}\"quotes\" 'and' {braces}",
    "_5E_7E_",
    "Grüße 日本語 \u202e",
    "line\nfeed\r\x1b[31m\x00",
    "\x01marks\x02",
    "back\\slash \\& %00",
)


def rendered(source: str, **names: object) -> bytes:
    return LabelTemplate(Path("t.zpl"), source).render(names).zpl


def fault(source: str, **names: object) -> str:
    with pytest.raises(LabelError) as caught:
        rendered(source, **names)
    assert caught.value.code == "label.template"
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_printed_and_does_nothing(value: str) -> None:
    zpl = rendered("^XA^CI28^FO1,2^FH^FD{{ value }}^FS^XZ", value=value)
    assert zpl.count(b"^") == 7 and b"~" not in zpl and zpl.isascii()
    assert [one.text for one in commands(zpl.decode()) if one.name == "FD"] == [value]


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_comes_back_as_it_went_in(value: str) -> None:
    zpl = rendered("^XA^FH^FDa {{ value }} b^FS^XZ", value=value).decode()
    assert [one.text for one in commands(zpl) if one.name == "FD"] == [f"a {value} b"]
    assert len(list(commands(zpl))) == 5


def test_a_value_without_hex_escapes_announced_is_refused() -> None:
    assert "without ^FH" in fault("^XA^FD{{ value }}^FS^XZ", value="plain")
    assert "without ^FH" in fault("^XA^FH^FDone^FS^FD{{ value }}^FS^XZ", value="plain")
    assert "without ^FH" in fault("^XA^FH\\^FD{{ value }}^FS^XZ", value="other escape character")


@pytest.mark.parametrize("block", ["truncate(7, true, '')", "reverse", "replace('x', '')"])
def test_a_value_that_a_filter_block_takes_apart_is_refused(block: str) -> None:
    source = "^XA^FH^FD{% filter BLOCK %}{{ value }}{% endfilter %}^FO{% filter BLOCK %}{{ value }}{% endfilter %}^XZ"
    message = fault(source.replace("BLOCK", block), value="^XZ^XA and more")
    assert "filter block" in message or "no number" in message


def test_a_value_in_a_command_must_be_a_number() -> None:
    assert b"^FO12,30" in rendered("^XA^FO{{ x }},30^FDa^FS^XZ", x=12)
    assert "no number" in fault("^XA^FO{{ x }},30^FDa^FS^XZ", x="12^FS")
    assert "no number" in fault("^XA^FO{{ x }},30^FDa^FS^XZ", x="-1,2")
    assert "name of a command" in fault("^XA^F{{ x }}1,2^FDa^FS^XZ", x="O")
    assert "before the first" in fault("{{ x }}^XA^XZ", x="1")
    assert "no command" in fault("nothing", x="1")


@pytest.mark.parametrize("command", ["^CC/", "~CT!", "^cd;"])
def test_a_template_must_not_change_what_a_command_is(command: str) -> None:
    assert "changes the characters" in fault(f"^XA{command}^XZ")


def test_names_that_the_unit_does_not_have() -> None:
    message = fault("^XA^FH^FD{{ serial }}^FS^XZ", hardware_id="x")
    assert "t.zpl: 'serial' is undefined" in message
    assert rendered("^XA^FH^FD{{ serial | default('-') }}^FS^XZ") == b"^XA^FH^FD-^FS^XZ"


def test_a_template_that_is_no_template() -> None:
    with pytest.raises(LabelError, match=r"t\.zpl:2:"):
        LabelTemplate(Path("t.zpl"), "^XA\n{{ ^XZ")
    with pytest.raises(LabelError, match="control characters"):
        LabelTemplate(Path("t.zpl"), "^XA\x01^XZ")
    assert "limit" in fault("^XA^FX{{ 'a' * 300000 }}^XZ")
    assert fault("^XA^FH^FD{{ ().__class__.__bases__ }}^FS^XZ")


def test_the_same_values_give_the_same_bytes() -> None:
    source = "^XA^FO1,1^A0N,30,30^FH^FD{{ a }}^FS^FO9,9^BQN,2,4^FH^FDMA,{{ a }}^FS^XZ"
    one, two = (LabelTemplate(Path("t"), source).render({"a": "x"}) for _ in range(2))
    assert (one.zpl, one.svg(), one.png()) == (two.zpl, two.svg(), two.png())
    assert one.sha256 == two.sha256
