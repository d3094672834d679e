"""What a program really asked of the kernel, by strace: for SQLite, whose calls are made in C."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.kills.calls import Call
from tests.programs import require

_CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,link,mkdir,rmdir,chmod,fchmod"
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"\((\d+)<((?:\\x[0-9a-f]{2})*)>")
MARK = b"mark: "


def traced(module: str, folder: Path) -> list[Call | str]:
    """Run `python -m MODULE FOLDER` under strace and return what it did to files below the folder, in order, and
    between them what it said on stderr by `mark`. It has one thread.
    """
    log = folder.parent / "strace"
    command = [require("strace"), "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}", "-o", str(log)]
    done = subprocess.run([*command, sys.executable, "-m", module, str(folder)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:].decode()
    places: dict[int, int] = {}
    there = {folder, *folder.rglob("*")}
    calls = list[Call | str]()
    for line in log.read_text().splitlines():
        found = _call(line, folder, places, there)
        if found is not None:
            calls.append(found)
    return calls


def _call(line: str, folder: Path, places: dict[int, int], there: set[Path]) -> Call | str | None:
    """The call of one line, if it is one of ours that did something. `places` are the offsets of descriptors."""
    name, _, rest = line.partition("(")
    _, _, result = rest.rpartition(" = ")
    if not name.isidentifier() or result.startswith("-1"):
        return None
    texts = [_bytes(text) for text in _TEXT.findall(rest)]
    opened = _DESCRIPTOR.match(f"({rest}")
    number, path = (int(opened[1]), Path(_bytes(opened[2]).decode())) if opened else (-1, Path())
    if name == "write" and number == 2 and texts[0].startswith(MARK):
        return texts[0].removeprefix(MARK).decode().strip()
    if name == "openat":
        return _opened(Path(texts[-1].decode()), rest, result, folder, places, there)
    if number >= 0 and path.is_relative_to(folder):
        numbers = [int(text) for text in re.findall(r", (\d+)(?=[,)])", rest)]
        return _on_descriptor(name, number, path, texts, numbers, places, there)
    paths = [Path(text.decode()) for text in texts]
    if paths and paths[0].is_relative_to(folder) and name in ("rename", "unlink", "link", "mkdir", "rmdir", "chmod"):
        mode = int(re.findall(r", (0\d+)", rest)[0], 8) if name in ("mkdir", "chmod") else 0
        there |= set(paths[1:]) | ({paths[0]} if name == "mkdir" else set())
        there -= {paths[0]} if name in ("rename", "unlink", "rmdir") else set()
        return Call(name, paths[0], paths[1] if len(paths) > 1 else None, at=mode)
    return None


def _opened(path: Path, rest: str, result: str, folder: Path, places: dict[int, int], there: set[Path]) -> Call | None:
    if not path.is_relative_to(folder):
        return None
    places[int(result.partition("<")[0])] = 0
    if path in there or "O_CREAT" not in rest:
        return Call("truncate", path) if "O_TRUNC" in rest else None
    there.add(path)
    return Call("create", path, at=0o600)


def _on_descriptor(
    name: str, number: int, path: Path, texts: list[bytes], numbers: list[int], places: dict[int, int], there: set[Path]
) -> Call | None:
    if name == "pwrite64":
        return Call("write", path, data=texts[-1], at=numbers[-1])
    if name == "write":
        at = places.get(number, 0)
        places[number] = at + len(texts[-1])
        return Call("write", path, data=texts[-1], at=at)
    if name in ("fsync", "fdatasync"):
        return Call("sync-folder" if path.is_dir() else "fsync", path)
    if name == "ftruncate":
        return Call("truncate", path, at=numbers[-1])
    return None


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))
