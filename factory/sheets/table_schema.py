"""The rules as a frictionless Table Schema, for those who check sheets with other tools, and as our own test oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.sheets.columns import ProductRules, judges
from factory.sheets.profile import Profile
from factory.sheets.rules import Use


def table_schema(
    profile: Profile, product: ProductRules | None = None, *, use: Use = Use.UPLOAD, hardware_id: str = "mac"
) -> Mapping[str, Any]:
    """The Table Schema of a profile: every field a string, with `required`, `unique`, `enum` and `pattern`.

    What a schema cannot say (check digits, pools, what a spreadsheet did, other rows in the ledger) is left out.
    """
    fields = []
    for judge in judges(profile, product or ProductRules(), use, hardware_id).values():
        constraints: dict[str, Any] = {}
        if judge.required:
            constraints["required"] = True
        if judge.column.unique:
            constraints["unique"] = True
        if judge.choices:
            constraints["enum"] = list(judge.choices)
        else:
            constraints["pattern"] = judge.expression("$", "pair")
        fields.append({"name": judge.column.name, "type": "string", "format": "default", "constraints": constraints})
    return {"fields": fields, "missingValues": [""]}
