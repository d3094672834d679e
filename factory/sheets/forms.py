"""Forms: what a good value of a column looks like, and what no good value is. Data for the fast acceptor and for the
slow explainers alike, so that the two cannot disagree about what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from factory.sheets.finding import Trouble
from factory.values.mac import FIELD_DEFAULTS, Mac

Explain = Callable[[str, "Limits"], Iterator[Trouble]]
Normal = Callable[[str], str | None]
Fields = Callable[[str], Mapping[str, object]]

NULLISH = r"(?i:na|n/a|n\.a\.?|null|none|nil|nan|tbd|unknown|-+|\?+)"
"""What people and programs write when there is no value."""
PRINTABLE = "".join(chr(number) for number in range(0x20, 0x7F))
BACKTICK = "`"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a column adds to its form: the longest value, the characters and leads that the portal cannot take."""

    longest: int = 64
    forbidden: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset("=+-@")
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value of the right shape that is none all the same.

    `pattern` is matched at the start of the value (`whole`: against all of it); the value is refused when it
    matches, or with `wanted` when it does not. `fields` words the message from the value; `starts` are all the
    characters (the inside of a class) that a match can begin with, where that is known.
    """

    code: str
    pattern: str
    fields: Fields
    whole: bool = False
    wanted: bool = False
    starts: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of value. `shape` is the regular expression of a good one; `explain` says why a text is not of that
    shape; `normal` brings a text to the form in which two values are compared, or None when it has none.
    `canonical` says that a text of this shape is its own normal form. `identifier` marks values that must not have
    been a number; `hex` those whose look-alikes have a rule of their own.
    """

    name: str
    what: str
    shape: Callable[[Limits], str]
    explain: Explain
    normal: Normal
    refusals: tuple[Refusal, ...] = ()
    identifier: bool = False
    hex: bool = False
    canonical: bool = False

    @property
    def noun(self) -> str:
        """What such a value is called, in short: 'a MAC address'."""
        return self.what.partition(" as ")[0].partition(" of ")[0]


def characters(allowed: str) -> str:
    """A regular expression's class of these characters."""
    return "[" + "".join(f"\\x{ord(one):02x}" for one in allowed) + "]"


def printable_shape(limits: Limits) -> str:
    """One line of printable ASCII without outer blanks, forbidden characters and leads."""
    inside = "".join(one for one in PRINTABLE if one not in limits.forbidden and one != BACKTICK)
    first = "".join(one for one in inside if one not in limits.leads and one != " ")
    dashes = characters("-") + "+|" if "-" in limits.leads and "-" in inside else ""  # a lone dash runs nothing
    return f"(?:{dashes}{characters(first)}{characters(inside)}{{0,{limits.longest - 1}}}+(?<! ))"


def bounded(first: str, inside: str) -> Callable[[Limits], str]:
    """A shape of one character of the class `first` and any number of `inside`, not ending with a blank."""
    return lambda limits: f"{first}{inside}{{0,{limits.longest - 1}}}+(?<! )"


def fixed(pattern: str) -> Callable[[Limits], str]:
    """A shape that no limit changes."""
    return lambda _limits: pattern


def mac_refusals(mark: str, *, local: bool) -> tuple[Refusal, ...]:
    """Which well-formed addresses no unit can own; `mark` stands between the pairs."""
    pair = "[0-9a-f]{2}"
    known = sorted(FIELD_DEFAULTS | {"0" * 12, "f" * 12} | _PATTERNS)
    listed = "|".join(mark.join(plain[at : at + 2] for at in range(0, 12, 2)) for plain in known)
    alike = f"(?P<pair_>{pair})(?:{mark}(?P=pair_)){{5}}"
    refusals = [
        Refusal("ID-SENTINEL", f"{listed}|{alike}", _mac_defect, whole=True),
        Refusal("MAC-MC", "[0-9a-f][13579bdf]", lambda value: {"octet": value[:2]}),
    ]
    if not local:
        refusals.append(Refusal("MAC-LAA", "[0-9a-f][26ae]", lambda value: {"octet": value[:2]}))
    return tuple(refusals)


def oui_refusal(ouis: tuple[str, ...], mark: str) -> Refusal:
    """The OUI allow list of a product: /24, /28 or /36 as 6, 7 or 9 hex digits."""
    listed = "|".join(mark.join(oui[at : at + 2] for at in range(0, len(oui), 2)) for oui in ouis)
    return Refusal("MAC-OUI", listed, _oui_field, wanted=True)


def _oui_field(value: str) -> Mapping[str, object]:
    return {"oui": "-".join(_pairs(value)[:3])}


def _pairs(value: str) -> list[str]:
    plain = value.replace(":", "").upper()
    return [plain[at : at + 2] for at in range(0, len(plain), 2)]


def _mac_defect(value: str) -> Mapping[str, object]:
    defect = Mac.parse(value).defect()
    return {"what": f"{value}, {defect[1].removeprefix('is ')}" if defect else value}


_PATTERNS = frozenset({"0123456789ab", "123456789abc", "001122334455", "aabbccddeeff", "deadbeefcafe"})
