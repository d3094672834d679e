"""A column's judge: the same table says whether a value is good, at speed, and what is wrong with it, at length."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from factory.sheets.characters import character_troubles, cleaned, injection
from factory.sheets.finding import Trouble
from factory.sheets.forms import Form, Limits, Refusal
from factory.sheets.profile import Column
from factory.values import sentinel

_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_NUMBER_TEXT = re.compile(r"[0-9]+(?:[.,][0-9]+[eE]\+?[0-9]+|[eE]\+[0-9]+|\.0+)")
_ERROR_TEXT = re.compile(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)")


@dataclass(frozen=True, slots=True)
class Test:
    """What no regular expression says of a value of the right shape: a check digit, a pool, a product's pattern."""

    code: str
    good: Callable[[str], bool]
    fields: Callable[[str], Mapping[str, object]]


class ColumnJudge:
    """Judges the values of one column; `tests` are what its regular expression does not say."""

    def __init__(
        self, column: Column, form: Form, limits: Limits, *, required: bool, choices: tuple[str, ...] = (),
        tests: tuple[Test, ...] = ()
    ) -> None:  # fmt: skip
        self.column = column
        self.form = form
        self.limits = limits
        self.required = required
        self.choices = choices
        self.tests = tests
        shape = "(?:" + "|".join(re.escape(one) for one in choices) + ")" if choices else form.shape(limits)
        self._shape = re.compile(shape)
        self._refusals = () if choices else form.refusals
        self._compiled = tuple(re.compile(refusal.pattern) for refusal in self._refusals)
        self._plain = shape
        self._good = re.compile(self.expression(r"\Z", "pair"))

    def expression(self, stop: str, pair: str) -> str:
        """The regular expression of a good cell, empty ones included where they may be. `stop` is the assertion that
        the cell ends here, `pair` a group name of which a row has only one.
        """
        guards = [refusal.starts for refusal in self._refusals]
        body = "".join(_lookahead(refusal, stop) for refusal in self._refusals) + self._plain
        if guards and all(guards):  # most values start with none of the characters that a refusal could start with
            body = f"(?![{''.join(guards)}]){self._plain}|{body}"
        body = body.replace("pair_", pair)
        return f"(?:{body})" if self.required else f"(?:{stop}|{body})"

    def accepts(self, text: str) -> bool:
        """True when nothing is wrong with this cell."""
        return self._good.fullmatch(text) is not None and (not text or all(test.good(text) for test in self.tests))

    def compared(self, text: str) -> str | None:
        """The form in which two rows of this column are compared, or None when there is nothing to compare."""
        clean = text if _PLAIN.fullmatch(text) else cleaned(text)
        return self.form.normal(clean) if clean else None

    def value(self, text: str) -> str | None:
        """What a cell means, as far as that is certain and only its spelling is remarked on: a MAC in another style.
        None when the cell is wrong. Never used to repair a sheet; it is what an import takes over.
        """
        if self.accepts(text):
            return text
        plain = self.form.normal(text) if self.form.hex else None
        return plain if plain is not None and self.accepts(plain) else None

    def explain(self, text: str) -> Iterator[Trouble]:
        """Say everything that is wrong with a cell. Nothing is yielded exactly when the cell is accepted."""
        plain = _PLAIN.fullmatch(text) is not None
        clean = text if plain else cleaned(text)
        if not clean:
            yield from self._explain_blank(text)
            return
        damage = self._damage(clean) if self.form.identifier else None
        if damage is not None:
            yield damage
            return
        codes = set()
        for trouble in () if plain else character_troubles(text, secret=self.limits.secret):
            if not (self.form.hex and trouble.code == "VAL-ASCII"):  # look-alikes have their own words there
                codes.add(trouble.code)
                yield trouble
        run = injection(text)
        if run is not None and clean.strip("-"):
            yield run
            return
        lead = len(text) - len(text.lstrip())
        for trouble in self._explain_value(clean):
            if trouble.code not in codes or trouble.code not in ("CHR-SPACE", "VAL-ASCII"):
                codes.add(trouble.code)
                yield trouble._replace(spots=tuple(spot + lead for spot in trouble.spots)) if lead else trouble
        if not codes and not (clean == text and self._shape.fullmatch(text)):
            yield Trouble("VAL-FORM", {"shown": self._show(clean), "what": self.form.what, "hint": ""})

    def _explain_blank(self, text: str) -> Iterator[Trouble]:
        if text:
            yield from character_troubles(text)
        if self.required:
            yield Trouble("VAL-EMPTY", {"why": ""})

    def _explain_value(self, clean: str) -> Iterator[Trouble]:
        if self.choices:
            if clean not in self.choices:
                yield Trouble(
                    "VAL-LIST", {"shown": clean, "near": _near(clean, self.choices), "allowed": _some(self.choices)}
                )
            return
        value: str | None = clean
        if not self._shape.fullmatch(clean):
            yield from self.form.explain(clean, self.limits)
            value = self.form.normal(clean) if self.form.hex else None
        if value is None or not self._shape.fullmatch(value):
            return
        for refusal, pattern in zip(self._refusals, self._compiled, strict=True):
            hit = pattern.fullmatch(value) if refusal.whole else pattern.match(value)
            if (hit is None) == refusal.wanted:
                yield Trouble(refusal.code, refusal.fields(value))
                if refusal.code == "ID-SENTINEL":
                    return
        for test in self.tests:
            if not test.good(value):
                yield Trouble(test.code, test.fields(value))

    def _damage(self, clean: str) -> Trouble | None:
        """A placeholder, or what a spreadsheet has made of an identifier: nothing else need be said then."""
        reason = sentinel(clean)
        if reason:
            reason = reason.removeprefix("is ")
            return Trouble("ID-SENTINEL", {"what": reason if self.limits.secret else f'"{clean}", {reason}'})
        if _ERROR_TEXT.fullmatch(clean):
            return Trouble("XLS-ERR", {"shown": clean})
        if _NUMBER_TEXT.fullmatch(clean):
            shown = self._show(clean)
            return Trouble("XLS-NUM", {"shown": shown, "cell": "", "why": f"a spreadsheet changed {self.form.noun}"})
        return None

    def _show(self, text: str) -> str:
        return "***" if self.limits.secret else text


class _Blank(ColumnJudge):
    """Judges a column without a header: its cells must be empty."""

    def explain(self, text: str) -> Iterator[Trouble]:
        """Say that a value stands beside the table."""
        if text:
            yield Trouble("ROW-BESIDE", {"shown": text})


_NOTHING = Form("nothing", "empty", lambda _limits: "", lambda _text, _limits: iter(()), lambda _text: None)
BLANK: ColumnJudge = _Blank(Column("", ""), _NOTHING, Limits(), required=False)


def _lookahead(refusal: Refusal, stop: str) -> str:
    end = stop if refusal.whole else ""
    return f"(?{'=' if refusal.wanted else '!'}(?:{refusal.pattern}){end})"


def _near(text: str, choices: tuple[str, ...]) -> str:
    lower = {one.lower(): one for one in choices}
    found = difflib.get_close_matches(text.lower(), lower, n=1, cutoff=0.5)
    return f'; near "{lower[found[0]]}"' if found else ""


def _some(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:8]) + (f" and {len(choices) - 8} more" if len(choices) > 8 else "")
