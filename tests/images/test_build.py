"""Building an image: the shipped set byte for byte, purity, and every way a template can be wrong."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import pickle
import subprocess
import tarfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import ConfigError, ImageSection
from factory.images import TemplateFault, open_builder
from factory.images.canonical_tar import canonical_tar
from factory.values import FileEntry
from tests.images.product import CODE, KEY, builder, identity, template_folder
from tests.programs import require

FOLDERS = {"active", "available", "dfiles", "pfiles", "services"}


def fault(folder: Path, extra: dict[str, str | bytes], **image: object) -> TemplateFault:
    """What is wrong with a set, found when it is opened or when it is used."""
    with pytest.raises(TemplateFault) as caught:
        builder(folder, extra, **image).build(identity())
    assert caught.value.code == "image.template" and KEY not in str(caught.value)
    return caught.value


def test_the_shipped_set(tmp_path: Path) -> None:
    image = builder(tmp_path).build(identity())
    assert image.contents == {
        "bulk_identification_code.txt": f"{CODE}\n".encode(),
        "hardware_id.txt": b"b827eb000001\n",
        "registration_key.txt": f"{KEY}\n".encode(),
    }
    modes = {entry.path: entry.mode for entry in image.manifest.files}
    assert modes == {
        "bulk_identification_code.txt": 0o644,
        "hardware_id.txt": 0o644,
        "registration_key.txt": 0o600,
        **dict.fromkeys(FOLDERS, 0o700),
    }
    assert {entry.path for entry in image.manifest.files if entry.is_folder} == FOLDERS
    assert [entry.path for entry in image.manifest.files] == sorted(modes)


def test_the_manifest_says_where_it_came_from_and_not_the_key(tmp_path: Path) -> None:
    subject = builder(tmp_path)
    image = subject.build(identity())
    assert image.manifest.image == hashlib.sha256(image.tar).hexdigest()
    assert image.manifest.template == subject.template_hash and image.manifest.product == "router"
    assert image.manifest.identity == identity().public()
    for entry in image.manifest.files:
        if entry.sha256 is not None:
            assert entry.sha256 == hashlib.sha256(image.contents[entry.path]).hexdigest()
            assert entry.size == len(image.contents[entry.path])
    assert KEY not in str(image.manifest.as_json()) and KEY not in repr(image)


def test_the_tar_is_canonical_and_every_tar_reads_it(tmp_path: Path) -> None:
    image = builder(tmp_path).build(identity())
    with tarfile.open(fileobj=io.BytesIO(image.tar)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [entry.path for entry in image.manifest.files]
    for member, entry in zip(members, image.manifest.files, strict=True):
        assert (member.mode, member.mtime, member.uid, member.gid) == (entry.mode, 0, 0, 0)
        assert (member.uname, member.gname) == ("root", "root")
        assert member.isdir() == entry.is_folder and member.pax_headers == {}
    listed = subprocess.run([require("tar"), "tf", "-"], input=image.tar, capture_output=True, check=True)
    assert listed.stderr == b""
    assert listed.stdout.decode().split() == [entry.path + "/" * entry.is_folder for entry in image.manifest.files]


def test_an_image_for_ever(tmp_path: Path) -> None:
    """The ledger knows images by this hash: the same input must give it with every later version."""
    image = builder(tmp_path).build(identity())
    assert image.manifest.image == "d03c1148efd79e657f560a945abe2320cbc2a2ff498e2b6d191223a983ac114c"


paths = st.lists(st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True), unique=True, max_size=5)


@given(paths, st.lists(st.binary(max_size=1500), min_size=5, max_size=5), st.sampled_from([0o600, 0o644, 0o755, 0o7]))
def test_our_tar_is_what_the_library_reads_and_order_does_not_matter(
    names: list[str], data: list[bytes], mode: int
) -> None:
    contents = dict(zip(names, data, strict=False))
    entries = [FileEntry(name, mode, len(contents[name]), "x") for name in names]
    packed = canonical_tar(entries, contents)
    assert packed == canonical_tar(entries[::-1], contents) and len(packed) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        assert all(member.mode == mode for member in archive.getmembers())
    assert found == contents


def test_a_path_that_does_not_fit_a_header_is_our_bug() -> None:
    with pytest.raises(ValueError, match="too long"):
        canonical_tar([FileEntry("x" * 101, 0o644, 0, "x")], {"x" * 101: b""})


def test_it_is_pure(tmp_path: Path) -> None:
    subject = builder(tmp_path)
    first, other = subject.build(identity()), subject.build(identity("b827eb000002"))
    assert subject.build(identity()) == first != other
    assert pickle.loads(pickle.dumps(subject)).build(identity()) == first
    with ThreadPoolExecutor(4) as pool:
        assert all(image == first for image in pool.map(subject.build, [identity()] * 50))


def test_it_works_in_another_process(tmp_path: Path) -> None:
    subject = builder(tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(subject.build, identity()).result() == subject.build(identity())


def test_a_template_may_use_what_is_known(tmp_path: Path) -> None:
    text = "{{ product }} {{ serial }} {{ mac.eth0 }} {{ categories.A }} {{ device_name }}\n{% if true %}x{% endif %}\n"
    image = builder(tmp_path, {"oem_settings.j2": text}, files=("oem_settings",)).build(identity())
    assert image.contents["oem_settings"] == b"router S-1 b827eb000001 red unit 1\nx\n"
    assert {entry.path: entry.mode for entry in image.manifest.files}["oem_settings"] == 0o755


def test_package_files_are_left_alone_unless_listed(tmp_path: Path) -> None:
    image = builder(tmp_path, {"oem_settings.j2": "x\n"}).build(identity())
    assert "oem_settings" not in image.contents


def test_a_listed_package_file_needs_a_template_of_the_products_own(tmp_path: Path) -> None:
    error = fault(tmp_path, {}, files=("oem_settings",))
    assert "no template for oem_settings" in error.message
    assert "belongs to the installed package" in error.hint and "oem_settings.j2" in error.hint


def test_a_listed_file_that_the_set_does_not_declare(tmp_path: Path) -> None:
    declaration = '[[file]]\npath = "hardware_id.txt"\nmode = "0644"\n'
    error = fault(tmp_path, {"template.toml": declaration}, files=("schannel.conf",))
    assert "lists schannel.conf" in error.message and "template.toml" in error.message


def test_the_hash_covers_every_file_of_the_set(tmp_path: Path) -> None:
    hashes = {
        builder(tmp_path / name, files).template_hash
        for name, files in {
            "a": {},
            "b": {"README": "x"},
            "c": {"README": "y"},
            "d": {"below/README": "x"},
            "e": {"hardware_id.txt.j2": "{{ hardware_id  }}\n"},
        }.items()
    }
    assert len(hashes) == 5
    assert builder(tmp_path / "again").template_hash in hashes


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a\n{{ hardwareid }}\n", "oem_settings.j2:2", "'hardwareid' is undefined"),
        ("{{ mac.wlan7 }}\n", "oem_settings.j2:1", "wlan7"),
        ("{{ categories.B }}\n", "oem_settings.j2:1", "'B'"),
        ("a\nb\n{{ serial | uper }}\n", "oem_settings.j2:3", "No filter named 'uper'"),
        ("a\n{% if %}\n", "oem_settings.j2:2", ""),
        ("a\n\n{{ serial", "oem_settings.j2:3", ""),
        ("a\n{{ 1 / 0 }}\n", "oem_settings.j2:2", "ZeroDivisionError"),
        ("a\n{% include 'other.j2' %}\n", "oem_settings.j2:2", "no template other.j2"),
        ("a\n{% include '/etc/passwd' %}\n", "oem_settings.j2:2", "no template /etc/passwd"),
        ("a\nb\u00e4\n", "oem_settings.j2:2", "byte that is not ASCII 0xC3 at 2"),
        ("a\r\nb\r\n", "oem_settings.j2:1", "carriage return at 2"),
        ("a\n{{ '\\u00e4' }}\n", "oem_settings.j2", "U+00E4 LATIN SMALL LETTER A WITH DIAERESIS at line 2, 1"),
        ("a{{ '\\r' }}\n", "oem_settings.j2", "carriage return at line 1, 2"),
        ("a{{ '\\x00' }}\n", "oem_settings.j2", "NUL at line 1, 2"),
        ("a", "oem_settings.j2", "no newline at its end (line 1)"),
        ("a\n\n", "oem_settings.j2", "more than one newline at its end (line 2)"),
        ("{{ '' }}\n", "oem_settings.j2", "renders nothing"),
        ("{{ registration_key / 2 }}\n", "oem_settings.j2:1", "TypeError"),
        ("{{ {}[registration_key] }}\n", "oem_settings.j2:1", "'***'"),
        ("{{ serial.__class__.__mro__ }}\n", "oem_settings.j2:1", "unsafe"),
    ],
)
def test_a_wrong_template_is_named_with_file_and_line(tmp_path: Path, text: str, place: str, said: str) -> None:
    error = fault(tmp_path, {"oem_settings.j2": text}, files=("oem_settings",))
    assert f"templates/connectd/{place}" in error.message
    assert said in error.message


@pytest.mark.parametrize("name", ["hardware_id", "registration_key", "bulk_identification_code"])
@pytest.mark.parametrize("text", ["X{{ VALUE }}\n", "{{ VALUE }}\n{{ VALUE }}\n", "fixed\n", "{{ VALUE | upper }}x\n"])
def test_the_three_files_hold_the_value_and_nothing_else(tmp_path: Path, name: str, text: str) -> None:
    error = fault(tmp_path, {f"{name}.txt.j2": text.replace("VALUE", name)})
    assert f"{name}.txt.j2:1" in error.message and "nothing else" in error.message


@pytest.mark.parametrize(
    "path", ["../etc/passwd", "/etc/passwd", "a/../../b", "a//b", ".", "..", "a\\b", "\u00e4", "a b", "x" * 100]
)
@pytest.mark.parametrize("section", ["file", "folder"])
def test_a_path_that_leaves_the_image_is_refused(tmp_path: Path, path: str, section: str) -> None:
    template_folder(tmp_path)
    with (tmp_path / "templates/connectd/template.toml").open("a") as stream:
        stream.write(f"\n[[{section}]]\npath = '{path}'\nmode = \"0644\"\n")
    with pytest.raises(ConfigError, match=r"template\.toml"):
        open_builder(ImageSection(), tmp_path, "router")


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ("", "file: missing"),
        ('[[file]]\npath = "a"\nmode = "644"', "four octal digits"),
        ('[[file]]\npath = "a"\nmode = "0888"', "four octal digits"),
        ('[[file]]\npath = "a"\nmode = 420', "file.0.mode"),
        ('[[file]]\npath = "a"\nmode = "0644"\nowner = "me"', "file.0.owner: unknown key"),
        ('[[file]]\npath = "a"\nmode = "0644"\n[[folder]]\npath = "a"\nmode = "0700"', "a stands twice"),
        ('[[file]]\npath = "b/a"\nmode = "0644"', "b/a lies in b, which is no [[folder]] here"),
        ('[[file]]\npath = "a"\nmode = "0644"\ntemplate = "../x.j2"', "file.0.template"),
    ],
)
def test_a_wrong_declaration(tmp_path: Path, declaration: str, said: str) -> None:
    template_folder(tmp_path, {"template.toml": declaration})
    with pytest.raises(ConfigError) as caught:
        open_builder(ImageSection(), tmp_path, "router")
    assert said in caught.value.message


def test_a_link_out_of_the_folder_would_slip_past_the_hash(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x\n")
    (template_folder(tmp_path) / "oem_settings.j2").symlink_to(tmp_path / "outside")
    with pytest.raises(TemplateFault, match="leads out of the template folder"):
        open_builder(ImageSection(), tmp_path, "router")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TemplateFault, match="no template folder"):
        open_builder(ImageSection(), tmp_path, "router")


def test_a_missing_template_of_a_declared_file(tmp_path: Path) -> None:
    (template_folder(tmp_path) / "hardware_id.txt.j2").unlink()
    with pytest.raises(TemplateFault, match=r"no template for hardware_id\.txt"):
        open_builder(ImageSection(), tmp_path, "router")
