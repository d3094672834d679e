"""The fast acceptor and the slow explainers come from one table: they never disagree."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.sheets.accept import RowAcceptor
from factory.sheets.columns import FORMS, ProductRules, judges
from factory.sheets.judge import ColumnJudge
from factory.sheets.profile import Column, Profile
from factory.sheets.profiles import REMOTEIT_BULK, XYTE
from factory.sheets.rules import RULES, Use
from factory.values import InvalidValue, Mac, sentinel

EVERY_FORM = Profile(
    name="every-form",
    columns=tuple(
        Column(f"{form}-{required}".upper(), form, required=required, form=form)
        for form in FORMS
        for required in (True, False)
    ),
    max_rows=10,
    max_bytes=10_000,
    forbidden=frozenset(',"\\`'),
)
PRODUCT = ProductRules(ouis=("001b77", "0000001"), pattern="[0-9a-f]+", choices={"TEXT-FALSE": ("Red", "Dark.Red", "")})
PLAIN = judges(EVERY_FORM, ProductRules(), Use.UPLOAD, "id")
NARROW = judges(EVERY_FORM, PRODUCT, Use.UPLOAD, "mac")

hex_like = st.text("0123456789abcdefABCDEFOlIS:-. ", max_size=20)
number_like = st.text("0123456789.,eE+-", max_size=22)
words = st.sampled_from(
    [
        "",
        "NA",
        "n/a",
        "null",
        "-",
        "--",
        "?",
        "TBD",
        "4-Mar",
        "Mar-26",
        "1.2E+15",
        "#N/A",
        "default.",
        "MYSECRET",
        "issue 7",
        "my.secret",
        "000000000000",
        "0-0",
        "ff:ff:ff:ff:ff:ff",
        "aaaaaaaaaaaa",
        "0a0a0a0a0a0a",
        "0a:0a:0a:0a:0a:0a",
        "1.4.0",
        "1.4.0-rc.1",
        "01.4.0",
        "Red",
        "red",
        " Red",
        "Red\n",
        "\uff21",
        "a\u200b",
        "\u00a0",
        "=1",
        "'=1",
        "x" * 64,
        "x" * 65,
        "352099001761481",
        "352099001761491",
        "8901410321111851072",
        "89014103211118500000",
        "00037fbadbad",
        "Missing.one",
        "1A2B3C4D-0000-4000-8000-00000000ABCD",
        "a\x1fb",
        "a,b",
        'a"b',
        "a\\b",
        "a`b",
        "\u0660\u0661",
        "f.f",
        "F_F",
    ]
)
texts = st.one_of(words, hex_like, number_like, st.text(string.printable, max_size=20), st.text(max_size=12))


@pytest.mark.parametrize("name", EVERY_FORM.names)
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_a_cell_is_accepted_exactly_when_nothing_is_said_about_it(name: str, text: str) -> None:
    for table in (PLAIN, NARROW):
        judge = table[name]
        said = list(judge.explain(text))
        assert bool(said) != judge.accepts(text), (name, text, said)
        for trouble in said:
            RULES[trouble.code].message.format_map(trouble.fields)
            RULES[trouble.code].hint.format_map(trouble.fields)


ROWS = [
    (REMOTEIT_BULK, judges(REMOTEIT_BULK, ProductRules(), Use.UPLOAD)),
    (XYTE, judges(XYTE, ProductRules(), Use.UPLOAD)),
    (EVERY_FORM, PLAIN),
    (EVERY_FORM, NARROW),
]
GOOD = {
    "key": "key0123456789",
    "id": "SN-1",
    "imei": "352099001761481",
    "iccid": "8901410321111851072",
    "name": "Unit 1",
    "text": "Red",
    "semver": "1.4.0",
    "uuid": "1a2b3c4d-0000-4000-8000-00000000abcd",
    "cloud-id": "abcdN5DiKi34LdV5qsYkEpKp",
    "mac": "001b77000011",
    "mac-colon": "00:1b:77:00:00:11",
}


def accepted_alone(judge: ColumnJudge, text: str) -> bool:
    return not list(judge.explain(text))


@pytest.mark.parametrize(("profile", "table"), ROWS, ids=["remoteit", "xyte", "every", "narrow"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_row_is_accepted_exactly_when_each_cell_is(
    profile: Profile, table: dict[str, ColumnJudge], data: st.DataObject
) -> None:
    columns = list(table.values())
    row = [GOOD[judge.form.name] for judge in columns]
    for place in data.draw(st.lists(st.integers(0, len(row) - 1), max_size=3)):
        row[place] = data.draw(texts)
    either = [[profile.names.index(name) for name in group] for group in profile.either]
    needs = any(not any(row[place] for place in group) for group in either)
    good = [accepted_alone(judge, text) for judge, text in zip(columns, row, strict=True)]
    cells = RowAcceptor(columns, either)
    if not any("\x1f" in text for text in row):
        assert cells.accepts(row) == (all(good) and not needs)
        tested = [place for place, judge in enumerate(columns) if judge.tests]
        failing = set(cells.failing("\x1f".join(row)))
        assert failing - set(tested) == {place for place, fine in enumerate(good) if not fine} - set(tested)
    if not any(one in text for text in row for one in '\n\r",'):
        lines = RowAcceptor(columns, either, lines=True)
        match = lines.match(",".join(row) + "\n")
        accepted = match is not None and match.lastindex == lines.complete
        accepted = accepted and (lines.further is None or lines.further(match))  # type: ignore[arg-type]
        assert accepted == (all(good) and not needs)


@settings(max_examples=500, deadline=None)
@given(text=st.one_of(hex_like, st.binary(min_size=6, max_size=6).map(bytes.hex)))
def test_a_mac_in_a_sheet_is_a_mac_on_the_bench(text: str) -> None:
    """The sheet's rules and the values' own parser judge alike, apart from how a MAC is written."""
    judge = NARROW["MAC-TRUE"]
    only_style = {"MAC-STYLE", "ID-CASE", "MAC-OUI", "CHR-SPACE"}
    codes = {trouble.code for trouble in judge.explain(text)}
    try:
        mac = Mac.parse(text)
    except InvalidValue:
        assert codes
        return
    defect = mac.defect()
    assert bool(codes - only_style) == bool(defect or mac.is_local)
    if defect:
        assert defect[0] in codes


@settings(max_examples=300, deadline=None)
@given(text=st.text("0fFmMyYsScCrReEtTdDaAuUlLiI.-_7", max_size=12))
def test_placeholders_are_those_of_the_values(text: str) -> None:
    """The regular expression that refuses placeholders knows all that `factory.values.sentinel` knows."""
    judge = PLAIN["ID-TRUE"]
    if sentinel(text):
        assert not judge.accepts(text)
    elif (
        text
        and judge.form.shape(judge.limits)
        and all(one.isalnum() or one in "._-" for one in text)
        and text[0] != "-"
    ):
        assert judge.accepts(text)
