"""`factory image show`: what is printed of images that other tools made, and how the command ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from factory.cli import main
from factory.errors import Exit
from factory.images import write_image
from tests.images.product import CODE, KEY, builder, identity
from tests.programs import require


def shown(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["image", "show", str(path), "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def unpacked(folder: Path, hardware_id: str = "b827eb000001\n") -> Path:
    """A folder as somebody else would lay it out."""
    top = folder / "connectd"
    for name in ("active", "available", "dfiles", "pfiles", "services"):
        (top / name).mkdir(parents=True, mode=0o700)
    for name, text in (("hardware_id", hardware_id), ("registration_key", f"{KEY}\n")):
        (top / f"{name}.txt").write_text(text)
    (top / "bulk_identification_code.txt").write_text(f"{CODE}\n")
    (top / "registration_key.txt").chmod(0o600)
    return top


def test_our_own_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = builder(tmp_path).build(identity())
    path = write_image(image, tmp_path / "out")
    code, document = shown(path, capsys)
    assert code == Exit.DONE and document["schema"] == "factory.image.show/1"
    assert document["would_do"] is True and document["findings"] == []
    assert document["sha256"] == image.manifest.image and document["product"] == "router"
    modes = {entry["path"]: entry["mode"] for entry in document["files"]}
    assert modes["registration_key.txt"] == "0600" and modes["dfiles"] == "0700"
    assert document["parts"][0]["identity"]["hardware_id"] == "b827eb000001"
    assert KEY not in json.dumps(document)


def test_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = unpacked(tmp_path, "default.\n")
    (top / "active" / "\x1b[31m[red]").write_text("x\n")
    assert main(["image", "show", str(top)]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "It would NOT do." in said and "default." in said and "[ID-SENTINEL]" in said
    assert "\x1b" not in said and "\\x1b[31m[red]" in said, "what a name says to the terminal is not done"
    assert KEY not in said
    (top / "active" / "\x1b[31m[red]").unlink()
    (top / "hardware_id.txt").write_text("b827eb000001\n")
    assert main(["image", "show", str(top)]) == Exit.DONE
    assert "It would do." in capsys.readouterr().out


@pytest.mark.parametrize("form", ["tar", "cpio", "squashfs", "ext4"])
def test_images_of_other_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    top, path = unpacked(tmp_path), tmp_path / f"made.{form}"
    _make(form, top, path)
    code, document = shown(path, capsys)
    assert document["format"].startswith(form) and document["sha256"] is None
    wrong = {finding["code"] for finding in document["findings"]}
    owners = {entry["uid"] for entry in document["files"]}
    assert wrong == (set() if owners == {0} else {"IMG-OWNER"}) and code == (1 if wrong else 0)
    (top / "dfiles" / "AA").write_text("x\n")
    path.unlink()
    _make(form, top, path)
    code, document = shown(path, capsys)
    assert code == Exit.FAILED and "IMG-FOLDER" in {finding["code"] for finding in document["findings"]}


def _make(form: str, top: Path, path: Path) -> None:
    argv: dict[str, list[str]] = {
        "tar": ["tar", "-cf", str(path), "-C", str(top), "."],
        "cpio": ["sh", "-c", f'cd "{top}" && find . | cpio -o -H newc > "{path}"'],
        "squashfs": ["mksquashfs", str(top), str(path), "-all-root", "-noappend", "-quiet"],
        "ext4": ["mke2fs", "-q", "-t", "ext4", "-d", str(top), str(path), "4M"],
    }
    program = {"tar": "tar", "cpio": "cpio", "squashfs": "mksquashfs", "ext4": "mke2fs"}[form]
    full = require(program)
    command = [full if part == program else part for part in argv[form]]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def test_what_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    code, document = shown(tmp_path / "notes.txt", capsys)
    assert code == document["error"]["exit"] == Exit.USAGE
    code, document = shown(tmp_path / "nowhere", capsys)
    assert code == document["error"]["exit"] == Exit.USAGE
