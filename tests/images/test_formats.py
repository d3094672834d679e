"""Formats against the programs that units and people have, and images that others made."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.images import ImageError, Kind, TemplateFault, read_tree, write_image
from factory.images.formats.cpio import cpio, read_cpio
from factory.images.formats.squashfs import squashfs
from factory.images.programs import program
from factory.images.tree import plain_path
from factory.values import FileEntry
from tests.images.product import builder, identity, template_folder
from tests.programs import require


def unpack(argv: list[str], target: Path, data: bytes) -> None:
    target.mkdir()
    subprocess.run(argv, input=data, cwd=target, check=True, capture_output=True)


def same(target: Path, entries: tuple[FileEntry, ...], contents: dict[str, bytes]) -> None:
    assert {each.relative_to(target).as_posix() for each in target.rglob("*")} == {entry.path for entry in entries}
    for entry in entries:
        assert stat.S_IMODE((target / entry.path).stat().st_mode) == entry.mode
        assert entry.is_folder or (target / entry.path).read_bytes() == contents[entry.path]


@pytest.mark.parametrize("argv", [["busybox", "cpio", "-id"], ["cpio", "-id", "--quiet"]])
def test_cpio_programs_unpack_it(tmp_path: Path, argv: list[str]) -> None:
    image = builder(tmp_path, format="cpio").build(identity())
    path = write_image(image, tmp_path / "out")
    unpack([require(argv[0]), *argv[1:]], tmp_path / "unit", path.read_bytes())
    same(tmp_path / "unit", image.manifest.files, dict(image.contents))


def test_zstd_unpacks_it(tmp_path: Path) -> None:
    image = builder(tmp_path, format="tar.zst").build(identity())
    path = write_image(image, tmp_path / "out")
    said = subprocess.run([require("zstd"), "-dc", path], capture_output=True, check=True)
    assert said.stdout == image.tar


def test_squashfs_is_the_same_each_time_and_unsquashfs_unpacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("mksquashfs")
    image = builder(tmp_path, format="squashfs").build(identity())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert squashfs(image.tar) == image.body
    path = write_image(image, tmp_path / "out")
    said = subprocess.run([require("unsquashfs"), "-lln", path], capture_output=True, check=True, text=True).stdout
    assert "0/0" in said and "1970-01-01 00:00 " in said
    subprocess.run([require("unsquashfs"), "-d", tmp_path / "unit", path], capture_output=True, check=True)
    same(tmp_path / "unit", image.manifest.files, dict(image.contents))


names = st.lists(st.from_regex(r"[a-z][a-z0-9._-]{0,30}", fullmatch=True), unique=True, max_size=6)


@given(names, st.lists(st.binary(max_size=1500), min_size=6, max_size=6), st.sampled_from([0o600, 0o755, 0o4711]))
def test_our_cpio_is_what_our_reader_reads(paths: list[str], data: list[bytes], mode: int) -> None:
    contents = dict(zip(paths, data, strict=False))
    entries = [FileEntry(name, mode, len(contents[name]), "x") for name in paths]
    archive = cpio(entries, contents)
    assert len(archive) % 512 == 0 and archive == cpio(entries[::-1], contents)
    found = {member.path: (member.content, member.mode) for member in read_cpio(archive, "x")}
    assert found == {name: (content, mode) for name, content in contents.items()}


@given(st.binary(max_size=600), st.integers(0, 600))
def test_no_bytes_make_the_cpio_reader_fail_otherwise(data: bytes, at: int) -> None:
    whole = cpio([FileEntry("a", 0o644, 3, "x"), FileEntry("b", 0o755)], {"a": b"abc"})
    for broken in (data, whole[:at] + data, whole[:at] + b"\xff" + whole[at + 1 :]):
        try:
            list(read_cpio(broken, "x"))
        except ImageError as error:
            assert error.code == "image.damaged"


def others(folder: Path) -> Path:
    """A tree as anybody would make it."""
    (folder / "etc" / "connectd" / "pfiles").mkdir(parents=True)
    (folder / "etc" / "connectd" / "hardware_id.txt").write_text("default.\n")
    (folder / "etc" / "link").symlink_to("connectd/hardware_id.txt")
    os.link(folder / "etc" / "connectd" / "hardware_id.txt", folder / "etc" / "second")
    os.mkfifo(folder / "etc" / "pipe")
    (folder / "etc" / "second").chmod(0o640)
    return folder


MAKERS = {
    "tar": ["tar", "-cf", "-", "-C", "TREE", "."],
    "tar.gz": ["tar", "-czf", "-", "-C", "TREE", "."],
    "tar.zst": ["tar", "--zstd", "-cf", "-", "-C", "TREE", "."],
    "cpio": ["sh", "-c", "cd TREE && find . | cpio --quiet -o -H newc"],
    "cpio.gz": ["sh", "-c", "cd TREE && find . | cpio --quiet -o -H newc | gzip"],
    "squashfs": ["mksquashfs", "TREE", "OUT", "-quiet", "-no-progress"],
}


@pytest.mark.parametrize("form", MAKERS)
def test_images_that_others_made(tmp_path: Path, form: str) -> None:
    tree, path = others(tmp_path / "tree"), tmp_path / "image"
    for needed in {"cpio": ("cpio",), "cpio.gz": ("cpio",), "squashfs": ("mksquashfs", "unsquashfs")}.get(form, ()):
        require(needed)
    argv = [part.replace("TREE", str(tree)).replace("OUT", str(path)) for part in MAKERS[form]]
    made = subprocess.run(argv, capture_output=True, check=True)
    if form != "squashfs":
        path.write_bytes(made.stdout)
    found = read_tree(path)
    members = {member.path: member for member in found.members}
    assert found.format == form and found.manifest is None
    assert members.keys() == {each.relative_to(tree).as_posix() for each in tree.rglob("*")}
    for name in ("etc/connectd/hardware_id.txt", "etc/second"):
        assert members[name].content == b"default.\n" and members[name].mode == 0o640
        assert members[name].sha256 == hashlib.sha256(b"default.\n").hexdigest()
    assert members["etc/link"].target == "connectd/hardware_id.txt" and members["etc/link"].kind is Kind.LINK
    assert members["etc/pipe"].kind is Kind.OTHER and members["etc/connectd/pfiles"].kind is Kind.FOLDER
    assert all(member.uid == os.getuid() for member in members.values())
    assert "default" not in repr(found)


def test_a_folder_that_others_made(tmp_path: Path) -> None:
    found = read_tree(others(tmp_path / "tree"))
    assert found.format == "dir" and found.files["etc/second"].content == b"default.\n"


def test_ours_is_verified_before_it_is_shown(tmp_path: Path) -> None:
    path = write_image(builder(tmp_path).build(identity()), tmp_path / "out")
    found = read_tree(path)
    assert found.manifest is not None and found.files["hardware_id.txt"].content == b"b827eb000001\n"
    path.write_bytes(gzip.compress(b"other"))
    with pytest.raises(ImageError):
        read_tree(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello\n", "no image that is known"),
        (b"UBI#" + bytes(600), "UBI"),
        (bytes(510) + b"\x55\xaa" + bytes(600), "partition table"),
        (b"PK\x03\x04", "zip"),
        (b"070707000001", "old kind"),
    ],
)
def test_what_is_no_image(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_tree(tmp_path / "x")
    assert caught.value.code == "image.format"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x"])
def test_a_member_that_leaves_the_top_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="leaves the image's top"):
        plain_path(name)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    (tmp_path / "x.tar").write_bytes(stream.getvalue())
    with pytest.raises(ImageError):
        read_tree(tmp_path / "x.tar")


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(UsageError, match="squashfs-tools") as caught:
        program("mksquashfs")
    assert caught.value.code == "image.program"


LOOPS = {
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}x\n": "oem_settings.j2:1",
    "a\n{% for i in range(1000000000) %}x{% endfor %}\n": "oem_settings.j2:2",
    "a\n\n{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}\n": "oem_settings.j2",
    "{{ 'x' * 1000000000 }}\n": "oem_settings.j2:1",
    "{{ 9 ** 9 ** 9 }}\n": "oem_settings.j2:1",
    "{{ 'x'.ljust(1000000000) }}\n": "oem_settings.j2:1",
    "{{ 'x' | center(1000000000) }}\n": "oem_settings.j2:1",
    "{% for i in range(90000) %}0123456789abcdef{% endfor %}\n": "limit 1048576",
}


@pytest.mark.parametrize("text", LOOPS)
def test_a_template_without_an_end_is_stopped(tmp_path: Path, text: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        builder(tmp_path, {"oem_settings.j2": text}, files=("oem_settings",)).build(identity())
    assert "templates/connectd/oem_settings.j2" in caught.value.message and LOOPS[text] in caught.value.message


STATEFUL = (
    "{% set a = 1 %}{{ a }}\n",
    "{% macro m() %}m{% endmacro %}{{ m() }}\n",
    "{% include 'part.j2' %}",
    "{% if serial %}{{ serial | upper }}{% else %}none{% endif %}\n",
    "{% for letter in categories %}{{ loop.index }} {{ letter }}{% endfor %}\n",
    "{%- if true -%}  x  {%- endif %}\n",
    "a {# comment #}{% raw %}{{ raw }}{% endraw %}\n",
)


@pytest.mark.parametrize("text", STATEFUL)
def test_rendered_together_or_one_by_one_is_the_same(tmp_path: Path, text: str) -> None:
    subject = builder(tmp_path, {"oem_settings.j2": text, "part.j2": "part\n"}, files=("oem_settings",))
    together = subject.build(identity())
    subject._renderer._joined = None
    assert subject.build(identity()) == together


def test_the_three_values_are_held_to_their_files_in_any_folder(tmp_path: Path) -> None:
    declared = '[[folder]]\npath = "etc"\nmode = "0755"\n[[file]]\npath = "etc/hardware_id.txt"\nmode = "0644"\n'
    template_folder(tmp_path, {"template.toml": declared, "etc/hardware_id.txt.j2": "other\n"})
    from factory.config import ImageSection
    from factory.images import open_builder

    with pytest.raises(TemplateFault, match="hardware_id and nothing else"):
        open_builder(ImageSection(), tmp_path, "router").build(identity())
