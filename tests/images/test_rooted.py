"""[image] root: an image of a directory above looks, to the flash, like one of the folder itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import ImageSection
from factory.errors import UsageError
from factory.images import Image, open_builder
from factory.images.owner import identity_of
from factory.images.rooted import seen_from
from tests.images.product import builder, identity, template_folder

DEEP = """
[[folder]]
path = "etc"
mode = "0755"
[[folder]]
path = "etc/connectd"
mode = "0755"
[[folder]]
path = "etc/connectd/pfiles"
mode = "0700"
[[file]]
path = "etc/connectd/hardware_id.txt"
mode = "0644"
template = "hardware_id.txt.j2"
"""
OUTSIDE = '[[folder]]\npath = "usr"\nmode = "0755"\n'


def deep(folder: Path, more: str = "") -> Image:
    template_folder(folder, {"template.toml": DEEP + more})
    return open_builder(ImageSection(root="/"), folder, "router").build(identity())


def test_paths_start_at_the_folder_and_the_image_stays_itself(tmp_path: Path) -> None:
    image = deep(tmp_path)
    seen = seen_from(image, "/", "/etc/connectd/")
    assert [entry.path for entry in seen.manifest.files] == ["hardware_id.txt", "pfiles"]
    assert seen.contents == {"hardware_id.txt": b"b827eb000001\n"}
    assert seen.manifest.image == image.manifest.image and seen.tar == image.tar
    assert [entry.mode for entry in seen.manifest.files] == [0o644, 0o700]


@pytest.mark.parametrize("root", [None, "/etc/connectd", "/etc/connectd/"])
def test_the_folder_itself_changes_nothing(tmp_path: Path, root: str | None) -> None:
    image = builder(tmp_path).build(identity())
    assert seen_from(image, root, "/etc/connectd") is image


def test_a_simulated_unit_has_relative_places(tmp_path: Path) -> None:
    assert seen_from(deep(tmp_path), ".", "etc/connectd").contents == {"hardware_id.txt": b"b827eb000001\n"}


@pytest.mark.parametrize("root", ["/etc/remoteit", "/etc/connectd/services", "/etc/conn"])
def test_another_place_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(UsageError, match="stands for") as caught:
        seen_from(deep(tmp_path), root, "/etc/connectd")
    assert caught.value.code == "image.root"


def test_a_file_outside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="usr lies outside"):
        seen_from(deep(tmp_path, OUTSIDE), "/", "/etc/connectd")


def test_whose_image_it_is_cannot_be_told_from_another_place(tmp_path: Path) -> None:
    image = builder(tmp_path).build(identity())
    assert identity_of(image, "/etc/connectd", "/etc/connectd").registration_key is not None
    with pytest.raises(UsageError, match=r"/data.*/etc/connectd") as caught:
        identity_of(image, "/data", "/etc/connectd")
    assert caught.value.code == "image.root"
