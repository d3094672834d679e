"""Files of ours are written through `factory.files`, and by nothing else but what is named here, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import factory

TOP = Path(factory.__file__).parent

# Module or folder, what it may do, and why that is no file of ours, or is one that has rules of its own.
ALLOWED = {
    "files.py": ({"open", "move", "remove"}, "it is the edge"),
    "rehearsal/": (
        {"open", "move", "copy", "remove", "temporary", "database"},
        "simulated units and clouds: their own folders, which nobody misses after a power cut",
    ),
    "images/pack_writer.py": (
        {"open", "move", "descriptor"},
        "a container is taken up again; test_power_cut",
    ),
    "images/ext4/sparse.py": ({"descriptor"}, "holes in a file that files.replacing has open"),
    "images/ext4/base.py": ({"open", "temporary"}, "input of mke2fs in a temporary folder"),
    "images/formats/squashfs.py": ({"temporary"}, "input and output of mksquashfs in a temporary folder"),
    "flashing/card/medium.py": ({"open", "descriptor"}, "cards: devices, not files"),
    "ledger/station.py": ({"open", "descriptor"}, "a lock file: its content is for people"),
    "ledger/backup.py": ({"database"}, "SQLite's own backup into a file that files.appearing names"),
    "lots/build_sinks.py": ({"descriptor"}, "one sync for thousands of images"),
    "lots/rehearse_images.py": ({"move"}, "links in an image that is rehearsed, in a temporary folder"),
    "lots/rehearse_unit.py": ({"remove"}, "the folder of a rehearsed unit"),
    "lots/report/numbers.py": ({"move"}, "a column of a table gets another name"),
    "cli/app.py": ({"open"}, "/dev/null in the place of a broken pipe"),
    "cli/__init__.py": ({"open"}, "/dev/null in the place of a closed stream"),
    "cli/flash.py": ({"temporary"}, "an image that is unpacked to be flashed"),
    "cli/rehearse_lot.py": ({"temporary"}, "the folders of rehearsed units"),
}
_METHODS = {
    **dict.fromkeys(("write_text", "write_bytes", "touch"), "open"),
    **dict.fromkeys(("rename", "hardlink_to", "symlink_to"), "move"),
}
_OS = {
    **dict.fromkeys(("rename", "renames", "replace", "link", "symlink"), "move"),
    **dict.fromkeys(("pwrite", "pwritev", "writev", "ftruncate", "truncate", "sendfile", "sync"), "descriptor"),
    **dict.fromkeys(("mknod", "mkfifo"), "open"),
}
_HARMLESS = {"which", "disk_usage", "get_terminal_size"}


def doings(source: str) -> Iterator[tuple[int, str]]:
    """Each place at which a module writes, moves or copies files by itself: line and kind."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (kind := _kind(node)):
            yield node.lineno, kind


def _kind(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" and _writes(call, 1) else None
    if not isinstance(function, ast.Attribute):
        return None
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    name = function.attr
    if owner == "os":
        if name in ("open", "fdopen"):
            return "open" if (_writes(call, 1) if name == "fdopen" else _for_writing(call)) else None
        return _OS.get(name)
    if owner == "shutil":
        return None if name in _HARMLESS else "remove" if name == "rmtree" else "copy"
    if owner == "tempfile":
        return "temporary"
    if (owner, name) == ("sqlite3", "connect"):
        return "database"
    if owner in ("files", "tarfile", "zipfile"):
        return None
    if name == "open":
        return "open" if _writes(call, 0) else None
    if name == "replace":  # of a path; a string's has two arguments, a value's has names
        return "move" if len(call.args) == 1 and not call.keywords else None
    return _METHODS.get(name)


def _writes(call: ast.Call, position: int) -> bool:
    modes = [one.value for one in call.keywords if one.arg == "mode"] + call.args[position : position + 1]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def _for_writing(call: ast.Call) -> bool:
    """Anything but O_RDONLY and the flags that go with it; a variable may be anything."""
    harmless = {"O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_NOCTTY"}
    named = {node.attr for node in ast.walk(call.args[1]) if isinstance(node, ast.Attribute)}
    return not named or bool(named - harmless)


def test_nothing_else_writes_files() -> None:
    found: dict[str, dict[str, list[int]]] = {}
    for path in sorted(TOP.rglob("*.py")):
        name = str(path.relative_to(TOP))
        key = "rehearsal/" if name.startswith("rehearsal/") else name
        for line, kind in doings(path.read_text()):
            found.setdefault(key, {}).setdefault(kind, []).append(line)
    strangers = {
        f"factory/{name}:{lines[0]} ({kind})"
        for name, kinds in found.items()
        for kind, lines in kinds.items()
        if kind not in ALLOWED.get(name, (set(), ""))[0]
    }
    assert not strangers, f"through factory.files, or named in ALLOWED with a reason: {sorted(strangers)}"
    unused = {
        f"{name}: {kind}" for name, (kinds, _) in ALLOWED.items() for kind in kinds if kind not in found.get(name, {})
    }
    assert not unused, f"not done any more: {sorted(unused)}"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("open('a', 'w')", "open"),
        ("open('a', mode='rb+')", "open"),
        ("path.open('ab')", "open"),
        ("path.write_text('')", "open"),
        ("path.touch()", "open"),
        ("os.open(p, os.O_WRONLY | os.O_CREAT)", "open"),
        ("os.open(p, flags)", "open"),
        ("path.replace(other)", "move"),
        ("path.rename(other)", "move"),
        ("os.replace(a, b)", "move"),
        ("shutil.copy(a, b)", "copy"),
        ("sqlite3.connect(a)", "database"),
        ("tempfile.mkdtemp()", "temporary"),
    ],
)
def test_a_writer_is_seen(source: str, kind: str) -> None:
    assert [found for _, found in doings(source)] == [kind]


@pytest.mark.parametrize(
    "source",
    ["open('a')", "path.open('rb')", "'a'.replace('b', 'c')", "now.replace(year=1)", "files.write_text(p, '')",
     "write_text(p, '')", "shutil.which('a')", "os.open(p, os.O_RDONLY | os.O_CLOEXEC)", "book.open()"],
)  # fmt: skip
def test_a_reader_is_not(source: str) -> None:
    assert list(doings(source)) == []
