"""The forms of identifiers: MAC, IMEI, ICCID, free ids, keys, and what a spreadsheet or a keyboard makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from factory.sheets.characters import positions
from factory.sheets.finding import Trouble
from factory.sheets.forms import NULLISH, Form, Limits, Refusal, bounded, fixed, mac_refusals
from factory.values import describe, sentinel
from factory.values.mac import FIELD_DEFAULTS

_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_MARKS = re.compile(r"[:.\-]")
_MEANT_HEX = {"O": "0", "o": "0", "l": "1", "I": "1", "S": "5", "s": "5", "Z": "2", "\u0410": "A", "\u0412": "B",
              "\u0421": "C", "\u0415": "E", "\u0430": "a", "\u0441": "c", "\u0435": "e", "\u041e": "0", "\u043e": "0",
              "\u2212": "-", "\u30fc": "-", "\u2013": "-", "\u2010": "-"}  # fmt: skip
_MEANT_DIGIT = _MEANT_HEX | {"B": "8", "b": "6", "G": "6", "g": "9", "q": "9"}
_SHORT_OCTETS = re.compile(r"[0-9A-Fa-f]{1,2}(?:[:-][0-9A-Fa-f]{1,2}){5}")
_ONE_MARK = re.compile(r"[0-9A-Fa-f]{2}(?P<mark>[:-])(?:[0-9A-Fa-f]{2}(?P=mark)){4}[0-9A-Fa-f]{2}")


def mac_form(name: str, mark: str, *, local: bool = False, ouis: tuple[Refusal, ...] = ()) -> Form:
    """The form of a MAC address: lower-case pairs with `mark` between them, nothing for the plain form."""
    pairs = mark.join(["[0-9a-f]{2}"] * 6)
    return Form(
        name=name,
        what=f"a MAC address as {mark.join(['00', '1b', '77', '00', '00', '11'])}",
        shape=fixed("[0-9a-f]{12}" if not mark else pairs),
        explain=lambda text, limits: _explain_mac(text, mark, limits),
        normal=lambda text: _mac_normal(text, mark),
        refusals=mac_refusals(mark, local=local) + ouis,
        identifier=True,
        hex=True,
        canonical=True,
    )


def _mac_normal(text: str, mark: str) -> str | None:
    digits = _MARKS.sub("", text).replace(" ", "").lower()
    if len(digits) != 12 or not _HEX.issuperset(digits):
        return None
    return mark.join(digits[at : at + 2] for at in range(0, 12, 2)) if mark else digits


def _explain_mac(text: str, mark: str, limits: Limits) -> Iterator[Trouble]:
    blanks = [at for at, one in enumerate(text) if one == " "]
    if blanks:
        yield Trouble("CHR-SPACE", {"what": "blank", "where": positions(blanks)}, tuple(blanks))
        text = text.replace(" ", "")
    wrong = [(at, one) for at, one in enumerate(text) if one not in _HEX and one not in ":-."]
    if wrong:
        yield _not_digits(text, wrong, "0-9 A-F", _MEANT_HEX, limits)
        return
    digits = _MARKS.sub("", text)
    plain = _mac_normal(text, mark) or ""
    if len(digits) == 16:
        inside = " with FF-FE inside" if digits[6:10].lower() == "fffe" else ""
        yield Trouble("MAC-64", {"inside": inside})
    elif _SHORT_OCTETS.fullmatch(text) and len(digits) < 12:
        full = [octet.zfill(2).lower() for octet in re.split("[:-]", text)]
        yield Trouble("MAC-FMT", {"what": "octets of one digit", "shown": text, "plain": mark.join(full)})
    elif len(digits) != 12:
        why = "; leading zeros lost?" if len(digits) < 12 else ""
        yield Trouble(
            "ID-LEN",
            {"shown": f'"{text}"', "length": len(text), "unit": "characters", "needed": 12, "why": why},
        )
    elif digits != text and not _ONE_MARK.fullmatch(text):
        kinds = {one for one in text if one in ":-."}
        what = "mixed separators" if len(kinds) > 1 else "misplaced separators"
        yield Trouble("MAC-FMT", {"what": what, "shown": text, "plain": plain})
    elif _MARKS.findall(text) != [mark] * (5 if mark else 0):
        how = "without separators" if digits == text else f'with "{text[2]}"'
        yield Trouble("MAC-STYLE", {"shown": text, "what": how, "plain": plain})
    elif text != plain:
        spots = tuple(at for at, one in enumerate(text) if one.isupper())
        yield Trouble("ID-CASE", {"shown": text, "plain": plain}, spots)


def _not_digits(
    text: str, wrong: list[tuple[int, str]], only: str, meanings: Mapping[str, str], limits: Limits
) -> Trouble:
    places: dict[str, list[int]] = {}
    for at, one in wrong:
        places.setdefault(one, []).append(at)
    named = [f"{_called(one)} at {positions(spots)}" for one, spots in list(places.items())[:4]]
    meant = list(dict.fromkeys(meanings[one] for one in places if one in meanings))
    fields: dict[str, object] = {
        "shown": "***" if limits.secret else text,
        "what": ", ".join(named),
        "only": only,
        "meant": f"; did you mean {' and '.join(meant)}?" if meant else "",
    }
    return Trouble("ID-HEX", fields, tuple(at for at, _ in wrong))


def _called(one: str) -> str:
    return f"letter {one}" if one.isascii() and one.isalpha() else describe(one)


def _digits_form(name: str, what: str, shape: str, length: str, kinds: tuple[int, int]) -> Form:
    def explain(text: str, limits: Limits) -> Iterator[Trouble]:
        wrong = [(at, one) for at, one in enumerate(text) if one not in _DIGITS]
        if wrong:
            yield _not_digits(text, wrong, "digits", _MEANT_DIGIT, limits)
        elif not kinds[0] <= len(text) <= kinds[1]:
            why = "; leading zeros lost?" if len(text) < kinds[0] else ""
            yield Trouble(
                "ID-LEN",
                {"shown": f'"{text}"', "length": len(text), "unit": "digits", "needed": length, "why": why},
            )

    lost = Refusal("XLS-15", "[0-9]{15}0+", lambda value: {"shown": value, "cell": ""}, whole=True)
    zero = Refusal("ID-SENTINEL", "0+", lambda value: {"what": value}, whole=True)
    return Form(
        name=name, what=what, shape=fixed(shape), explain=explain, refusals=(zero, lost), identifier=True,
        canonical=True,
        normal=lambda text: text if _DIGITS.issuperset(text) and kinds[0] <= len(text) <= kinds[1] else None,
    )  # fmt: skip


IMEI = _digits_form("imei", "an IMEI of 15 digits", "[0-9]{15}", "15", (15, 15))
ICCID = _digits_form("iccid", "an ICCID of 18 to 22 digits", "[0-9]{18,22}", "18 to 22", (18, 22))


def _spread(word: str) -> str:
    """A word with the separators of ids between its letters, as `factory.values.sentinel` folds them away."""
    return "".join(f"{one}[._-]*+" for one in word)


_SENTINELS = "(?i:[._-]*+(?:{}))".format(
    "|".join(
        (
            _spread("default") + "(?![0-9A-Za-z])",
            _spread("issue"),
            _spread("missing"),
            _spread("mysecret") + "(?![0-9A-Za-z])",
            "0(?:[._-]*+0)++[._-]*+(?![0-9A-Za-z])",
            "f(?:[._-]*+f)++[._-]*+(?![0-9A-Za-z])",
            *(_spread(known) + "(?![0-9A-Za-z])" for known in sorted(FIELD_DEFAULTS)),
        )
    )
)


def _explain_id(text: str, limits: Limits) -> Iterator[Trouble]:
    wrong: dict[str, list[int]] = {}
    for at, one in enumerate(text):
        if (not (one.isascii() and (one.isalnum() or one in "._-")) and "!" <= one <= "~") or one == " ":
            wrong.setdefault(one, []).append(at)
    for one, places in wrong.items():
        what = "a character that no key may have" if limits.secret and one != " " else describe(one)
        yield Trouble(
            "CHR-SPACE" if one == " " else "ID-CHR", {"what": what, "where": positions(places)}, tuple(places)
        )
    if len(text) > limits.longest:
        yield Trouble("VAL-LEN", {"length": len(text), "limit": limits.longest})


def _sentinel_field(value: str) -> Mapping[str, object]:
    return {"what": sentinel(value) or value}


_SEPARATORS = str.maketrans("", "", "._- ")


def _folded(text: str) -> str | None:
    return text.lower().translate(_SEPARATORS) or text or None


def _same(text: str) -> str | None:
    return text or None


_ID_SHAPE = bounded("[A-Za-z0-9._]", "[A-Za-z0-9._-]")
_NUMBER = Refusal(
    "XLS-NUM",
    r"[0-9]+\.(?:[0-9]+[eE][0-9]+|0+)",
    lambda value: {"shown": value, "cell": "", "why": "a spreadsheet changed the text"},
    whole=True,
    starts="0-9",
)
_NO_VALUE = Refusal("ID-SENTINEL", NULLISH, lambda value: {"what": f'"{value}" stands for no value'}, whole=True)
_ID_REFUSALS = (Refusal("ID-SENTINEL", _SENTINELS, _sentinel_field), _NO_VALUE, _NUMBER)
ID = Form(
    "id", "an id of letters, digits, '.', '_' and '-'", _ID_SHAPE, _explain_id, _folded, _ID_REFUSALS, identifier=True
)
KEY = Form("key", "a registration key", _ID_SHAPE, _explain_id, _same, _ID_REFUSALS, identifier=True, canonical=True)
