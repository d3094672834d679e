"""Profiles: ours, those of other packages, and how a sheet without a profile finds its own."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from factory.config import RulesSection
from factory.errors import UsageError
from factory.sheets.columns import hardware_id_form, product_rules
from factory.sheets.profile import Column, Profile
from factory.sheets.profiles import REMOTEIT_BULK, XYTE, profile, profile_names
from tests.sheets.made import checked, codes, csv_file, good

OTHER = Profile(
    "other-cloud",
    (Column("serial", "serial", True, form="id", unique=True), Column("colour", "colour")),
    max_rows=5,
    max_bytes=1000,
    forbidden=frozenset(',"'),
)


def entry(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = metadata.EntryPoints([metadata.EntryPoint("other-cloud", value, "factory.profiles")])
    monkeypatch.setattr(metadata, "entry_points", lambda **select: points.select(**select))


def test_a_profile_of_another_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry("tests.sheets.test_profiles:OTHER", monkeypatch)
    assert profile_names() == ("remoteit-bulk", "xyte", "order", "other-cloud")
    assert profile("other-cloud").columns == OTHER.columns
    path = csv_file(tmp_path, [["A-1", "red"], ["a.1", "NA"]], "serial,colour")
    report = checked(path, profile=None)
    assert report.profile == "other-cloud" and codes(report) == {"DUP-FILE", "VAL-NULLISH"}


@pytest.mark.parametrize("value", ["tests.sheets.none:OTHER", "tests.sheets.test_profiles:ID"])
def test_an_entry_point_that_is_no_profile(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(value, monkeypatch)
    with pytest.raises(UsageError, match=r"cannot be loaded|is no Profile"):
        profile("other-cloud")


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        profile("remoteit")
    assert caught.value.code == "sheet.profile" and "remoteit-bulk, xyte" in caught.value.hint


def test_the_header_finds_the_profile(tmp_path: Path) -> None:
    assert checked(csv_file(tmp_path, [good(1)]), profile=None).profile == REMOTEIT_BULK.name
    assert checked(csv_file(tmp_path, [["A-1"] + [""] * 6], XYTE.header), profile=None).profile == XYTE.name


def test_limits_of_the_portals() -> None:
    assert (REMOTEIT_BULK.max_rows, REMOTEIT_BULK.max_bytes, XYTE.per_call) == (1000, 250_000, 25)


@pytest.mark.parametrize(
    ("sample", "form"),
    [
        (["001b77000001", "x"], "mac"),
        ([], "mac"),
        (["352099001761481"] * 2, "imei"),
        (["8901410321111851072"], "iccid"),
        (["SN-0001-KQ", "SN-0002-KQ"], "id"),
        (["1122334455"] * 9, "mac"),
        ([1122334455.0, 3.0], "mac"),
        ([True, None, "NA"], "mac"),
    ],
)
def test_the_form_of_hardware_ids_is_that_of_most(sample: list[object], form: str) -> None:
    assert hardware_id_form(sample) == form


def test_a_product_says_what_its_ids_are(tmp_path: Path) -> None:
    rules = product_rules(RulesSection(pattern="SN-[0-9]{4}"), "{{ facts.serial }}", [("A", ("Red",))], name="p")
    assert rules.hardware_id == "id" and rules.choices == {"CATEGORY_A": ("Red",)}
    path = csv_file(tmp_path, [good(1, HARDWARE_ID="SN-0001"), good(2, HARDWARE_ID="SN-2")])
    report = checked(path, product=rules)
    assert [(one.cell, one.code) for one in report.findings] == [("B3", "ID-PATTERN")]
    assert product_rules(RulesSection(), "{{ mac.eth0 }}").hardware_id == "mac"
