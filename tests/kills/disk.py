"""What a disk may hold after a power cut: every state that a file system may leave of the calls up to a moment.

Without an fsync of the file, what was written may be there, be lost, be cut, be zeros, or be there without what was
written before it. Without an fsync of the folder, a name that was made, renamed or taken away may be so or not, and
later names may have reached the disk without earlier ones. With an fsync it is there. Nothing else is taken for
granted: that ext4 writes more than it must helps nobody on another file system.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.kills.calls import Call, Listener, heard

_BLOCK = 4096
_VARIANTS = 8


@dataclass(eq=False, slots=True)
class _File:
    mode: int = 0o600
    synced: bytes = b""
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut off there

    def content(self, writes: list[tuple[int, bytes | None]]) -> bytes:
        content = bytearray(self.synced)
        for at, data in writes:
            if data is None:
                del content[at:]
                content.extend(bytes(at - len(content)))
            else:
                content.extend(bytes(max(0, at - len(content))))
                content[at : at + len(data)] = data
        return bytes(content)

    def variants(self) -> list[bytes]:
        """All written; none; the last cut in its middle; zeros; one write without the others, or all but one. The
        first is what readers see.
        """
        whole, none = self.content(self.unsynced), self.synced
        if not self.unsynced:
            return [whole]
        at, data = self.unsynced[-1]
        half = self.content([*self.unsynced[:-1], (at, data and data[: len(data) // 2])])
        zeros = none[: len(whole)] + bytes(max(0, len(whole) - len(none)))
        first, last = self.unsynced[:1], self.unsynced[-1:]
        some = [first, last, self.unsynced[1:], self.unsynced[:-1]]
        return [whole, none, half, zeros, *map(self.content, some)]


@dataclass(eq=False, slots=True)
class _Folder:
    mode: int = 0o755
    synced: dict[str, _File | _Folder] = field(default_factory=dict)
    unsynced: list[tuple[int, dict[str, _File | _Folder | None]]] = field(default_factory=list)

    def entries(self, kept: Callable[[int], bool] = lambda number: True) -> dict[str, _File | _Folder]:
        """The names in it when of the changes since the last sync only these were kept, by the number of the call."""
        found: dict[str, _File | _Folder | None] = dict(self.synced)
        for number, change in self.unsynced:
            if kept(number):
                found |= change
        return {name: node for name, node in found.items() if node is not None}


State = dict[str, tuple[int, bytes | None]]
"""Every path below the folder: its mode, and a file's content, or None for a folder. A mode is on the disk at once."""


class Disk:
    """A folder's files as calls change them. `top` is a folder that is on the disk as it is now."""

    def __init__(self, top: Path) -> None:
        self._top = Path(os.path.realpath(top))
        self._root = _loaded(self._top)
        self._number = 0

    def do(self, call: Call) -> None:
        """Take in one call that was made."""
        self._number += 1
        parent = self._folder(call.path.parent) if call.path != self._top else self._root
        name = call.path.name
        node = parent.entries().get(name)
        if call.kind in ("create", "mkdir"):
            made = _File(call.at) if call.kind == "create" else _Folder(call.at)
            parent.unsynced.append((self._number, {name: made}))
        elif call.kind in ("unlink", "rmdir"):
            parent.unsynced.append((self._number, {name: None}))
        elif call.kind in ("rename", "link"):
            assert call.to is not None and node is not None, call
            target = self._folder(call.to.parent)
            gone: dict[str, _File | _Folder | None] = {name: None} if call.kind == "rename" else {}
            if target is parent:
                parent.unsynced.append((self._number, {call.to.name: node, **gone}))
            else:
                target.unsynced.append((self._number, {call.to.name: node}))
                parent.unsynced.append((self._number, gone))
        elif call.kind == "sync-folder":
            folder = self._folder(call.path)
            folder.synced, folder.unsynced = folder.entries(), []
        elif call.kind == "chmod" and node is not None:
            node.mode = call.at
        elif isinstance(node, _File):
            if call.kind == "write":
                node.unsynced.append((call.at, call.data))
            elif call.kind == "truncate":
                node.unsynced.append((call.at, None))
            elif call.kind == "fsync":
                node.synced, node.unsynced = node.content(node.unsynced), []

    def states(self) -> Iterator[State]:
        """What may be found after a power cut now; some states may come twice."""
        numbers = sorted({number for folder in _folders(self._root) for number, _ in folder.unsynced})
        kept: list[Callable[[int], bool]] = [lambda number: True, lambda number: False]
        for one in numbers:
            kept += [lambda number, one=one: number < one, lambda number, one=one: number != one]  # type: ignore[misc]
            kept += [lambda number, one=one: number == one]  # type: ignore[misc]
        for choice in kept:
            for variant in range(_VARIANTS):
                yield dict(_seen(self._root, choice, variant, ""))

    def _folder(self, path: Path) -> _Folder:
        node: _File | _Folder = self._root
        for part in path.relative_to(self._top).parts:
            assert isinstance(node, _Folder)
            node = node.entries()[part]
        assert isinstance(node, _Folder), path
        return node


def _loaded(path: Path) -> _Folder:
    below = {
        one.name: _loaded(one) if one.is_dir() else _File(mode_of(one), one.read_bytes()) for one in path.iterdir()
    }
    return _Folder(mode_of(path), below)


def mode_of(path: Path) -> int:
    """The bits that chmod sets."""
    return stat.S_IMODE(path.lstat().st_mode)


def _folders(top: _Folder) -> Iterator[_Folder]:
    yield top
    below = [*top.synced.values(), *(node for _, change in top.unsynced for node in change.values())]
    for node in dict.fromkeys(below):
        if isinstance(node, _Folder):
            yield from _folders(node)


def _seen(
    folder: _Folder, kept: Callable[[int], bool], variant: int, prefix: str
) -> Iterator[tuple[str, tuple[int, bytes | None]]]:
    for name, node in folder.entries(kept).items():
        if isinstance(node, _Folder):
            yield f"{prefix}{name}", (node.mode, None)
            yield from _seen(node, kept, variant, f"{prefix}{name}/")
        else:
            variants = node.variants()
            yield f"{prefix}{name}", (node.mode, variants[min(variant, len(variants) - 1)])


@dataclass(frozen=True, slots=True)
class Moment:
    """A power cut: what the disk holds, after which call, and whether the work had returned by then."""

    state: State
    after: str
    ended: bool
    marks: frozenset[str]


def recorded(folder: Path, work: Callable[[Callable[[str], None]], object]) -> Iterator[Moment]:
    """Do `work` in a folder and yield every state that a power cut may leave. `work` is handed a function by which it
    says what it has promised so far.
    """
    disk, calls = Disk(folder), list[Call | str]()

    def done(call: Call) -> None:
        moded = call.kind in ("create", "mkdir", "chmod")
        calls.append(replace(call, at=mode_of(call.path)) if moded else call)

    with heard(folder, Listener(lambda call: None, done)):
        work(calls.append)
    return moments_of(disk, calls)


def moments_of(disk: Disk, calls: Sequence[Call | str], without: str = r"(?!)") -> Iterator[Moment]:
    """Every state that a power cut may leave of these calls, each once per moment of its kind; a text among them is a
    promise. Names that the pattern `without` finds are left out: nobody looks at them.
    """
    left_out = re.compile(without)
    seen: set[bytes] = set()
    marks: frozenset[str] = frozenset()
    for number, call in enumerate(calls):
        if isinstance(call, str):
            marks |= {call}
        else:
            disk.do(call)
        ended = number == len(calls) - 1
        for found in disk.states():
            state = {name: file for name, file in found.items() if not left_out.search(name)}
            key = _key(state, f"{ended} {sorted(marks)}")
            if key not in seen:
                seen.add(key)
                yield Moment(state, f"{number + 1}. {call}", ended, marks)


def laid_out(state: State, folder: Path) -> Path:
    """Make a state into files of a folder, for readers."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, (_, content) in state.items():
        if content is None:
            (folder / name).mkdir()
        else:
            _lay(folder / name, content)
    for name, (mode, _) in reversed(state.items()):
        (folder / name).chmod(mode)
    return folder


def _lay(path: Path, content: bytes) -> None:
    """Write a file, with holes where there are whole blocks of zeros, as the writers of images do."""
    with path.open("wb") as stream:
        for at in range(0, len(content), _BLOCK):
            block = content[at : at + _BLOCK]
            if block.count(0) < len(block):
                stream.seek(at)
                stream.write(block)
        stream.truncate(len(content))


def _key(state: State, moment: str) -> bytes:
    digest = hashlib.sha256(moment.encode())
    for name, (mode, content) in sorted(state.items()):
        digest.update(f"{name} {mode} {None if content is None else len(content)}".encode())
        digest.update(content or b"")
    return digest.digest()
