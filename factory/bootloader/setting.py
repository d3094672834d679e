"""Variables that stay: set, saved, and proved by the loader of the next boot."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from factory.bootloader.autoboot import restart
from factory.bootloader.environment import NAME, read_variable
from factory.bootloader.line import BootloaderError, Limit, excerpt
from factory.bootloader.prompt import Answer, Bootloader
from factory.values import InvalidValue, Mac

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]+")
_QUOTED = re.compile(r"[ -~]+")
_ADDRESS = re.compile(r"eth[0-9]*addr")
_WRITE_ONCE = re.compile(r"(?i)can't overwrite|cannot overwrite|can't be changed|not permitted")
_NOT_SAVED = re.compile(r"(?i)\b(?:failed|error|bad device|not (?:found|supported)|can't)\b")
_COLONS = "Six pairs with colons: b8:27:eb:12:34:56."
_SAVE_SECONDS = 60.0
_STEP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class EnvironmentProof:
    """What the variables held before, and what the loader of a new boot says that they hold now."""

    before: Mapping[str, str | None]
    after: Mapping[str, str]
    saved: bool

    def as_json(self) -> dict[str, object]:
        """The proof as plain JSON values."""
        return {"before": dict(self.before), "after": dict(self.after), "saved": self.saved}


def check_settings(values: Mapping[str, str]) -> None:
    """Raise BootloaderError `uboot.value` for what cannot be typed so that every shell takes it as it is, and for an
    `ethaddr` that no unit can have: many boards take it once for ever.
    """
    for name, value in values.items():
        if not NAME.fullmatch(name):
            raise BootloaderError(f"{name!r} is no name of a variable", code="uboot.value")
        if not _QUOTED.fullmatch(value) or "'" in value or "\\" in value or "  " in value or value != value.strip():
            raise BootloaderError(
                f"{name}: the value cannot be typed at the boot loader's prompt",
                hint="Printable ASCII without ' and \\, not empty, no blanks at its ends and no two in a row.",
                code="uboot.value",
            )
        if _ADDRESS.fullmatch(name):
            _check_address(name, value)


def _check_address(name: str, value: str) -> None:
    try:
        mac = Mac.parse(value)
    except InvalidValue as error:
        raise BootloaderError(f"{name}: {error.message}", hint=_COLONS, code="uboot.value") from error
    defect = mac.defect()
    if defect is not None:
        raise BootloaderError(f"{name}: {mac.colons} {defect[1]}", hint="Look at the label.", code="uboot.value")
    if value.lower() != mac.colons:
        raise BootloaderError(f"{name}: {value} is not how U-Boot reads an address", hint=_COLONS, code="uboot.value")


def set_environment(
    loader: Bootloader, values: Mapping[str, str], *, keys: str, limit: Limit
) -> tuple[EnvironmentProof, Bootloader]:
    """Set the variables, save them, restart the unit, and read them back from the loader of the new boot.

    What holds its value already is not written. Returns the proof and the loader of the new boot. Raises
    BootloaderError: `uboot.write-once` (nothing was saved then), `uboot.saveenv`, `uboot.not-proved`, and what the
    line raises.
    """
    check_settings(values)
    before = {name: read_variable(loader, name, limit=limit.within(_STEP_SECONDS)) for name in values}
    changed = {name: value for name, value in values.items() if before[name] != value}
    for name, value in changed.items():
        _set(loader, name, value, limit)
    if changed:
        _save(loader, limit)
    # Not saved: it must be gone after the restart, or there was none.
    mark = f"factory_{secrets.token_hex(4)}"
    _set(loader, mark, "1", limit)
    loader = restart(loader, keys=keys, limit=limit)
    step = limit.within(_STEP_SECONDS * (1 + len(values)))
    if read_variable(loader, mark, limit=step) is not None:
        raise BootloaderError(f"{loader.route}: the unit did not restart on reset", code="uboot.not-proved")
    after = {name: read_variable(loader, name, limit=step) for name in values}
    wrong = [name for name, value in values.items() if after[name] != value]
    if wrong:
        name = wrong[0]
        raise BootloaderError(
            f"{loader.route}: after the restart {name} is {after[name]!r} and not {values[name]!r}",
            hint="The saved environment was not taken: does the loader store it, or does the board set it anew?",
            code="uboot.not-proved",
        )
    return EnvironmentProof(before, dict(values), bool(changed)), loader


def _set(loader: Bootloader, name: str, value: str, limit: Limit) -> None:
    step = limit.within(_STEP_SECONDS)
    typed = value if _PLAIN.fullmatch(value) else f"'{value}'"
    answer = loader.run(f"setenv {name} {typed}", limit=step)
    if _WRITE_ONCE.search(answer.text):
        raise _write_once(loader, name, answer)
    answer.require(f"{loader.route}: setting {name}")
    found = read_variable(loader, name, limit=step)
    if found != value:
        raise BootloaderError(
            f"{loader.route}: {name} was set to {value!r} and reads {found!r}; nothing was saved", code="uboot.value"
        )


def _write_once(loader: Bootloader, name: str, answer: Answer) -> BootloaderError:
    return BootloaderError(
        f"{loader.route}: the boot loader lets {name} be written once, and it has a value already: "
        f"{excerpt(answer.text.encode())}",
        hint="Most boards protect ethaddr and serial# so. Nothing was saved. If the value is wrong, the maker's way to "
        "clear the environment is needed (often: env default -a, saveenv), or a loader built with "
        "CONFIG_ENV_OVERWRITE.",
        code="uboot.write-once",
    )


def _save(loader: Bootloader, limit: Limit) -> None:
    answer = loader.run("saveenv", limit=limit.within(_SAVE_SECONDS))
    if answer.ok and not _NOT_SAVED.search(answer.text):
        return
    raise BootloaderError(
        f"{loader.route}: saveenv failed: {excerpt(answer.text.encode())}",
        hint="What was set is lost at the next restart. Does this loader have a place for its environment?",
        code="uboot.saveenv",
    )
