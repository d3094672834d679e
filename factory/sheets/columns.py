"""From a profile and a product to the judges of the columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.config import RulesSection
from factory.errors import UsageError
from factory.sheets import identifier_forms as ids
from factory.sheets import text_forms as texts
from factory.sheets.forms import NULLISH, Form, Limits, oui_refusal
from factory.sheets.judge import ColumnJudge, Test
from factory.sheets.luhn import check_digit, is_valid
from factory.sheets.profile import Column, Profile
from factory.sheets.rules import Use

_SIMPLE = {
    "key": ids.KEY, "id": ids.ID, "imei": ids.IMEI, "iccid": ids.ICCID, "name": texts.NAME, "text": texts.TEXT,
    "semver": texts.VERSION, "uuid": texts.UUID, "cloud-id": texts.CLOUD_ID,
}  # fmt: skip
FORMS = (*_SIMPLE, "mac", "mac-colon", "hardware-id")
SAMPLE = 200
_ONLY_MAC = re.compile(r"\{\{\s*mac\.\w+\s*\}\}")
_NO_VALUE = re.compile(NULLISH)
_PLAIN_LETTERS = re.compile(r"[A-Za-z0-9._-]*[g-hjkm-np-rt-yG-HJKM-NP-RT-Y][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses that a work order may use: plain lower-case hex, both ends belong to it; `left` are still free."""

    name: str
    first: str
    last: str
    left: int


@dataclass(frozen=True, slots=True)
class ProductRules:
    """What a product adds to a profile. `hardware_id` names the form of its ids, where the product says it; `choices`
    maps a column's name to its list of values; `name` is the product's.
    """

    ouis: tuple[str, ...] = ()
    pattern: str | None = None
    allow_local: bool = False
    hardware_id: str | None = None
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    name: str = ""


def product_rules(
    rules: RulesSection, hardware_id: str, categories: Iterable[tuple[str, tuple[str, ...]]] = (), *, name: str = ""
) -> ProductRules:
    """The rules of a product's `[identity.rules]`, its expression for hardware ids, and its `[[category]]` lists, where
    a single letter stands for the portal's CATEGORY_ column.
    """
    form = "mac" if _ONLY_MAC.fullmatch(hardware_id.strip()) else "id" if rules.pattern else None
    choices = {f"CATEGORY_{name}" if len(name) == 1 else name: values for name, values in categories}
    return ProductRules(rules.oui, rules.pattern, rules.allow_locally_administered, form, choices, name=name)


def judges(profile: Profile, product: ProductRules, use: Use, hardware_id: str = "mac") -> Mapping[str, ColumnJudge]:
    """The judge of each column by the column's name; `hardware_id` is the form of hardware ids in this sheet."""
    return {column.name: _judge(column, profile, product, use, hardware_id) for column in profile.columns}


def hardware_id_form(sample: Iterable[object]) -> str:
    """What kind of hardware ids a sheet without a product holds: the kind of most values in a sample; MAC if none."""
    votes: Counter[str] = Counter()
    for value in sample:
        if isinstance(value, str):
            text = value.strip()
        elif isinstance(value, float):
            text = f"{value:.0f}"
        else:
            continue
        votes[_kind(text)] += bool(text) and _NO_VALUE.fullmatch(text) is None
    most = votes.most_common(1)
    return most[0][0] if most and most[0][1] else "mac"


def _kind(text: str) -> str:
    if text.isascii() and text.isdigit():
        if len(text) == 15:
            return "imei"
        if 18 <= len(text) <= 22 and text.startswith("89"):
            return "iccid"
    digits = re.sub("[:. -]", "", text)
    if len(digits) != 12 and _PLAIN_LETTERS.fullmatch(text) and not re.match("(?i)issue|missing|default", text):
        return "id"
    return "mac"


def _judge(column: Column, profile: Profile, product: ProductRules, use: Use, hardware_id: str) -> ColumnJudge:
    name = (product.hardware_id or hardware_id) if column.form == "hardware-id" else column.form
    form = _form(name, column, product)
    limits = Limits(column.longest, profile.forbidden, profile.leads, column.secret)
    required = column.required and (use is Use.UPLOAD or column.work_required)
    tests = tuple(_tests(form, column, product))
    return ColumnJudge(
        column, form, limits, required=required, choices=product.choices.get(column.name, ()), tests=tests
    )


def _form(name: str, column: Column, product: ProductRules) -> Form:
    if name in ("mac", "mac-colon"):
        mark = ":" if name == "mac-colon" else ""
        ouis = (oui_refusal(product.ouis, mark),) if product.ouis else ()
        return ids.mac_form(name, mark, local=product.allow_local, ouis=ouis)
    form = _SIMPLE.get(name)
    if form is None:
        raise UsageError(f"column {column.name} has the unknown form {name}", hint=f"Known: {', '.join(FORMS)}.")
    return form


def _tests(form: Form, column: Column, product: ProductRules) -> Iterable[Test]:
    if form.name in ("imei", "iccid"):
        # An ICCID's printed number may come without its check digit; only the full ones of 19 and 20 digits are tested.
        yield Test(f"{form.name.upper()}-LUHN", _luhn if form.name == "imei" else _card, _luhn_fields)
    if column.form == "hardware-id" and product.pattern is not None:
        pattern = re.compile(product.pattern)
        shown = product.pattern
        yield Test("ID-PATTERN", lambda text: pattern.fullmatch(text) is not None,
                   lambda text: {"shown": text, "pattern": shown})  # fmt: skip
    if product.pools and form.hex:
        ranges = tuple((pool.first, pool.last) for pool in product.pools)
        yield Test("MAC-POOL", lambda text: _in_pools(text, ranges), lambda _text: _pool_fields(product.pools))


def _luhn(text: str) -> bool:
    return is_valid(text)


def _card(text: str) -> bool:
    return len(text) not in (19, 20) or is_valid(text)


def _luhn_fields(text: str) -> Mapping[str, object]:
    return {"shown": text, "found": text[-1], "expected": check_digit(text[:-1])}


def _in_pools(text: str, ranges: tuple[tuple[str, str], ...]) -> bool:
    plain = text.replace(":", "")
    return any(first <= plain <= last for first, last in ranges)


def _pool_fields(pools: tuple[Pool, ...]) -> Mapping[str, object]:
    return {"pool": ", ".join(pool.name for pool in pools), "left": sum(pool.left for pool in pools)}
