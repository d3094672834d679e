"""An identity and a template folder for the tests of this room."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from factory import resources
from factory.config import ImageSection
from factory.images import Builder, open_builder
from factory.values import BulkIdentificationCode, Category, DeviceName, HardwareId, Identity, Mac, RegistrationKey

KEY = "q3zcb5v7a2mnk4hdq3zcb5v7a2mnk4hd"
CODE = "12345678-9ABC-DEF0-1234-56789ABCDEF0"


def identity(hardware_id: str = "b827eb000001", key: str = KEY) -> Identity:
    return Identity(
        HardwareId.parse(hardware_id),
        RegistrationKey.parse(key),
        DeviceName.parse("unit 1"),
        BulkIdentificationCode.parse(CODE),
        {"eth0": Mac.parse("b827eb000001")},
        "S-1",
        {"A": Category.parse("red")},
    )


def template_folder(folder: Path, files: Mapping[str, str | bytes] | None = None) -> Path:
    """The shipped set in `folder`/templates/connectd, with files added or replaced."""
    target = folder / "templates" / "connectd"
    shutil.copytree(resources.template_set("connectd"), target)
    for name, content in (files or {}).items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return target


def builder(folder: Path, extra: Mapping[str, str | bytes] | None = None, **image: object) -> Builder:
    template_folder(folder, extra)
    return open_builder(ImageSection.model_validate(image), folder, "router")
