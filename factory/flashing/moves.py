"""The order of the moves on the unit, and the way back. Pure: shell text made from a plan.

The unit cannot register without its bulk identification code. So the code goes first and comes last, with a sync
between, and whatever happens in the middle leaves a unit that cannot register:

    armed      staged content checked, the undo script in its place, synced
    code away  the old code is moved into the staging folder, synced
    swapped    the other old files are moved aside, synced; the new ones are moved in, synced
    code in    the new code is moved in, synced

Old content is moved and not copied, so that it comes back with its owner, times and attributes. Whoever takes the way
back first renames the staging folders: a move script that still runs on the unit (its line was cut) then finds
nothing more to move and ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from factory.flashing.pending import LOCK, Saving
from factory.flashing.plan import Preflight
from factory.flashing.saving import save_again, way_back

UNDOING = ".undo"
DONE = ".done"
BAD_CONTENT = 9
INTERRUPTED = 17


def stage_script(plan: Preflight, number: int, receive: str, locking: str = "") -> str:
    """Make the staging folder `number` and let `receive` (a command run in it) take the payload from stdin.

    Ends with INTERRUPTED and changes nothing when an earlier flash was cut and its old content still waits there.
    """
    staging = plan.stagings[number].path
    parent = staging.rsplit("/", 1)[0] or "/"
    undo = [quote(f"{staging}{suffix}/undo") for suffix in ("", UNDOING)]
    guard = f"if [ -f {undo[0]} ] || [ -f {undo[1]} ]; then exit {INTERRUPTED}; fi" if number == 0 else ""
    before = f"({locking}) || exit $?" if locking and number == 0 else ""
    return f"""exec 2>&1
{before}
set -e
{guard}
[ -d {quote(parent)} ] || (umask 022; mkdir -p {quote(parent)})
umask 077
rm -rf {_all_of(staging)}
mkdir {quote(staging)}
cd {quote(staging)}
mkdir new old
{receive}"""


def move_script(plan: Preflight, digests: Mapping[int, str], guard: str = "") -> str:
    """Check what was staged, then put it in its place. `guard` is shell text that may end it before;
    `digests` are the expected hashes by index, made for the plan's hash program, empty where it has none. Ends with
    BAD_CONTENT and a line 'bad PATH' when the staged content is not what was sent; nothing was moved then.
    """
    home, code = plan.stagings[0].path, plan.code
    others = [index for index in plan.files if index != code]
    lines = ["exec 2>&1", "set -e", "umask 077", guard or ":", *_check(plan, digests)]
    lines += [f"[ -e {_real(plan, i)} ] || : > {_old(plan, i)}.absent" for i in plan.files]
    lines += [f"mv {quote(home)}/undo.new {quote(home)}/undo", "sync"]
    lines += [_aside(plan, code), "sync"]
    lines += [_aside(plan, index) for index in others]
    lines += list(_make_folders(plan))
    lines += ["sync"]
    lines += [f"mv -f {_new(plan, index)} {_real(plan, index)}" for index in others]
    lines += ["sync", f"mv -f {_new(plan, code)} {_real(plan, code)}", "sync"]
    return "\n".join(lines)


def undo_script(plan: Preflight) -> str:
    """The way back, kept in the staging folder itself; run there after the staging folders got their '.undo' names.

    Can be cut and run again: what is back is no longer in the staging folder, and the code comes back last.
    """
    code = plan.code
    old, real = _old(plan, code, UNDOING), _real(plan, code)
    lines = ["set -e", f"if [ -e {old} ] || [ -e {old}.absent ]; then rm -f {real}; sync; fi"]
    lines += [_back(plan, index) for index in plan.files if index != code]
    lines += [_folder_back(plan, index) for index in reversed(plan.folders)]
    lines += ["sync", f"if [ -e {old} ]; then mv -f {old} {real}; sync; fi", ""]
    return "\n".join(lines)


def restore_script(staging: Sequence[str], saving: Saving | None = None) -> str:
    """Take the way back if there is one, delete the staging folders, and say 'restored' or 'nothing'; 'withdrawn' where
    a unit that saves its folder had lost its old content, and its identity was taken away.
    """
    home = quote(staging[0] + UNDOING)
    lines = ["exec 2>&1", "set -e", "umask 077", "did=nothing"]
    for path in staging:
        now, undoing = quote(path), quote(path + UNDOING)
        lines.append(f"if [ -d {now} ]; then rm -rf {undoing}; mv {now} {undoing}; fi")
    lines.append(f"if [ -f {home}/undo ]; then did=restored; . {home}/undo; fi")
    lines += [*way_back(saving), *_discard(staging, UNDOING), _unlock(staging), "printf '%s\\n' $did"]
    return "\n".join(lines)


def finish_script(staging: Sequence[str], copy: str, saving: Saving | None = None, guard: str = "") -> str:
    """Delete the old content, unless `guard` (shell text) ends it before. Its first rename is the point after which
    there is no way back.
    """
    before, after = save_again(saving, staging[0])
    lines = [
        "exec 2>&1",
        "set -e",
        guard,
        before,
        *_discard(staging, ""),
        f"rm -rf {quote(copy)}",
        after,
        _unlock(staging),
    ]
    return "\n".join([line for line in lines if line] + ["sync"])


def _unlock(staging: Sequence[str]) -> str:
    return f"rm -rf {quote(staging[0].rsplit('/', 1)[0])}/{LOCK}.*"


def _discard(staging: Sequence[str], suffix: str) -> Iterator[str]:
    now, done = quote(staging[0] + suffix), quote(staging[0] + DONE)
    yield f"if [ -d {now} ]; then rm -rf {done}; mv {now} {done}; sync; fi"
    for path in staging:
        yield f"rm -rf {_all_of(path)}"
    yield "sync"


def _check(plan: Preflight, digests: Mapping[int, str]) -> Iterator[str]:
    """Modes and owner of the staged files, and their content where the unit has a hash program."""
    yield f"set -- $(ls -lnd {quote(plan.stagings[0].path)}); owner=$3"
    yield from _owned_with_modes(plan, {index: _new(plan, index) for index in plan.files})
    if plan.digest is not None:
        yield (
            f'check() {{ set -- "$1" "$2" "$3" $({plan.digest.program} < "$2"); '
            f'[ "$4" = "$1" ] || {{ printf "bad %s\\n" "$3"; exit {BAD_CONTENT}; }}; }}'
        )
    for index, digest in digests.items():
        yield f"check {digest} {_new(plan, index)} {quote(plan.destinations[index].entry.path)}"


def _owned_with_modes(plan: Preflight, paths: Mapping[int, str]) -> Iterator[str]:
    """One chmod per mode and one chown: starting a program is what takes time on a small unit."""
    by_mode: dict[int, list[str]] = {}
    for index, path in paths.items():
        by_mode.setdefault(plan.destinations[index].entry.mode, []).append(path)
    for mode, members in by_mode.items():
        yield f"chmod {mode:04o} {' '.join(members)}"
    # As root everything belongs to root; where we are not, it belongs to whoever we are.
    if paths:
        yield f'if [ "$owner" = 0 ]; then chown 0:0 {" ".join(paths.values())} 2>/dev/null || :; fi'


def _aside(plan: Preflight, index: int) -> str:
    real = _real(plan, index)
    return f"if [ -e {real} ]; then mv -f {real} {_old(plan, index)}; fi"


def _back(plan: Preflight, index: int) -> str:
    old, real = _old(plan, index, UNDOING), _real(plan, index)
    return f"if [ -e {old} ]; then mv -f {old} {real}; elif [ -e {old}.absent ]; then rm -f {real}; fi"


def _make_folders(plan: Preflight) -> Iterator[str]:
    yield "set --"
    for index in plan.folders:
        yield f'[ -d {_real(plan, index)} ] || set -- "$@" {_real(plan, index)}'
    yield '[ $# = 0 ] || mkdir "$@"'
    yield from _owned_with_modes(plan, {index: _real(plan, index) for index in plan.folders})


def _folder_back(plan: Preflight, index: int) -> str:
    before, real = plan.destinations[index].before, _real(plan, index)
    if before.mode is None:
        # Moved away and not removed: it needs no other program, and goes with the staging folder.
        return f"if [ -d {real} ]; then mv {real} {quote(f'{plan.stagings[0].path}{UNDOING}/old/{index}')}; fi"
    owner = f"chown {before.uid}:{before.gid} {real} 2>/dev/null || :"
    return f"if [ -d {real} ]; then chmod {before.mode:04o} {real}; {owner}; fi"


def _real(plan: Preflight, index: int) -> str:
    return quote(plan.destinations[index].real)


def _new(plan: Preflight, index: int) -> str:
    return quote(f"{_staging_of(plan, index)}/new/{index}")


def _old(plan: Preflight, index: int, suffix: str = "") -> str:
    return quote(f"{_staging_of(plan, index)}{suffix}/old/{index}")


def _staging_of(plan: Preflight, index: int) -> str:
    return next(staging.path for staging in plan.stagings if index in staging.files)


def _all_of(staging: str) -> str:
    return " ".join(quote(staging + suffix) for suffix in ("", UNDOING, DONE))
