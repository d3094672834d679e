"""Units whose /etc/connectd forgets: a program of the maker's saves it, and something restores it at boot.

The save is the moment from which the new content comes back by itself. So the way back ends with a save too; and
where a restart has taken the old content away, which lay beside the new, the way back is a unit without an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from factory.config import UnitSection
from factory.flashing.errors import FlashError
from factory.flashing.pending import PROGRAMS, WITHDRAWING, Saving
from factory.flashing.plan import ID_FILE, PACKAGE_FILES, Flashable, Preflight
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Unit

NOT_SAVED = 23
_SAID = 300
_HINT = "What it needs, and a kit that does it: see docs/persistence.md."


def program_of(section: UnitSection) -> str:
    """The program that saves, as connectd itself calls it."""
    return PROGRAMS[1 if section.simulated else 0]


def saves_script(program: str) -> str:
    """Whether the unit has the program, and whether it is a script without a single command, as the package's is."""
    return f"""
s=$(command -v {quote(program)} 2>/dev/null)
if [ -f "$s" ] && [ -x "$s" ]; then
  does=no; n=0
  while read -r l || [ -n "$l" ]; do
    n=$((n+1)); case $n$l in 1'#!'*) continue;; 1*) does=yes; break;; esac
    case $l in ''|'#'*|:|true|exit|'exit 0'|return|'return 0') ;; *) does=yes; break;; esac
  done < "$s"
  printf 'n saves %s\\n' $does
fi
"""


def saving_of(plan: Preflight, image: Flashable, section: UnitSection) -> Saving | None:
    """What the unit of this plan is owed beside its old content, where it saves its folder."""
    if section.persistence != "save-config":
        return None
    others = [i for i in plan.files if i != plan.code and plan.destinations[i].entry.path not in PACKAGE_FILES]
    named = next((i for i in others if plan.destinations[i].entry.path == ID_FILE), None)
    files = tuple(plan.destinations[i].real for i in (plan.code, *others) if i != named)
    if named is None:
        return Saving(program_of(section), plan.boot or "", files, files[0], "")
    text = image.contents[ID_FILE].decode("utf-8", "replace").partition("\n")[0].strip()
    return Saving(program_of(section), plan.boot or "", files, plan.destinations[named].real, text)


def save(unit: Unit, image: Flashable, section: UnitSection, *, deadline: Deadline) -> str:
    """Run the unit's program; return its status and what it said, without secrets, for the receipt.

    Raises FlashError (`flash.save-config`) when it fails.
    """
    completed = unit.run(f"{program_of(section)} </dev/null 2>&1", deadline=deadline.within(section.timeouts.flash))
    said = _said(completed, image)
    if completed.status != 0:
        raise FlashError(
            f"{unit.route}: connectd_save_config failed with status {completed.status}: {said or 'no output'}",
            hint=_HINT,
            code="flash.save-config",
        )
    return f"status 0, {said or 'no output'}"


def not_saved(unit: Unit, completed: Completed) -> FlashError:
    """The error for a way back whose save failed."""
    said = " ".join(completed.stdout[-_SAID:].decode("ascii", "backslashreplace").split())
    return FlashError(
        f"{unit.route}: connectd_save_config failed on the way back: {said or 'no output'}",
        hint=f"The next start would bring the new content back. {_HINT}",
        code="flash.save-config",
    )


def way_back(saving: Saving | None) -> Sequence[str]:
    """Shell text between the undo and the end of the staging folders. `$did` is what the undo did; it becomes
    'withdrawn' where a restart took the old content away.
    """
    if saving is None:
        return ()
    root = "" if saving.program == PROGRAMS[1] else "/"
    first, others, name = quote(saving.files[0]), " ".join(map(quote, saving.files[1:])), quote(saving.id)
    mark = f"{quote(saving.id.rsplit('/', 1)[0])}/{WITHDRAWING}"
    holds = f' && [ "$h" = {quote(saving.text)} ]' if saving.text else ""
    return (
        f"b=; f={root}proc/sys/kernel/random/boot_id; if [ -r $f ]; then read -r b < $f; fi",
        f"h=; if [ -f {name} ]; then read -r h < {name} || :; fi",
        # The mark is of this boot: what is half taken away is completed, also once the id is gone, until it is saved.
        f'if [ $did = nothing ] && {{ [ -d {mark}.$b ] || {{ [ "$b" != {quote(saving.boot)} ]{holds}; }}; }}; then',
        f"did=withdrawn; mkdir -p {mark}.$b; rm -f {first}; sync; rm -f {others} {name}; sync",
        "fi",
        f"if [ $did != nothing ]; then {saving.program} </dev/null || exit {NOT_SAVED}; fi",
        f"rm -rf {mark}.*",
    )


def save_again(saving: Saving | None, staging: str) -> tuple[str, str]:
    """Shell text around the end of the staging folders: what a save of theirs took of them must not come back."""
    if saving is None:
        return "", ""
    return (
        f"again=no; if [ -d {quote(staging)} ]; then again=yes; fi",
        f"if [ $again = yes ]; then {saving.program} </dev/null || exit {NOT_SAVED}; fi",
    )


def _said(completed: Completed, image: Flashable) -> str:
    text = completed.stdout[-_SAID:].decode("ascii", "backslashreplace")
    for content in image.contents.values():
        secret = content.decode("utf-8", "replace").strip()
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return " ".join(text.split())
