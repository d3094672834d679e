"""Whose image it is: the identity that its manifest names, held against what its files would make of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.errors import UsageError
from factory.images.errors import ImageError
from factory.images.image import Image
from factory.images.rooted import parts
from factory.images.verify import REBUILD
from factory.values import (
    BulkIdentificationCode,
    Category,
    DeviceName,
    HardwareId,
    Identity,
    InvalidValue,
    Mac,
    RegistrationKey,
)

_ID, _KEY, _CODE = "hardware_id.txt", "registration_key.txt", "bulk_identification_code.txt"


def identity_of(image: Image, root: str | None, folder: str) -> Identity:
    """The identity that an image gives to a unit. `root` is what the image's top stands for, None for `folder`, from
    which connectd reads. The key comes from the file that the unit would read it from (remote.it reference, section
    2.1) and is None where there is no such file.

    Raises ImageError (`image.identity`) when the manifest names none, or the files would make another unit of it, and
    UsageError (`image.root`) when the folder of a unit of the bulk registration does not lie below `root`.
    """
    stated: Mapping[str, Any] = image.manifest.identity
    files = _files(image, root, folder)
    try:
        code = stated.get("bulk_identification_code")
        identity = Identity(
            HardwareId.parse(str(stated["hardware_id"])),
            RegistrationKey.parse(files[_KEY]) if files and _KEY in files else None,
            DeviceName.parse(str(stated["device_name"])),
            None if code is None else BulkIdentificationCode.parse(str(code)),
            {str(name): Mac.parse(str(mac)) for name, mac in stated.get("macs", {}).items()},
            stated.get("serial"),
            {str(letter): Category.parse(str(text)) for letter, text in stated.get("categories", {}).items()},
            key_version=int(stated.get("key_version", 0)),
            key_parts=dict(stated.get("key_parts", {})),
            registration=dict(stated.get("registration", {})),
        )
    except (KeyError, TypeError, AttributeError, ValueError, InvalidValue) as error:
        # An InvalidValue of the key would show it: its text is not told.
        what = error.code if isinstance(error, InvalidValue) else str(error)
        raise ImageError(
            f"the manifest of {image.manifest.image[:12]} names no whole identity: {what}",
            hint=REBUILD,
            code="image.identity",
        ) from None
    if files is None:
        if identity.bulk_identification_code is not None:
            raise UsageError(
                f"the image's top stands for {root}, and connectd reads {folder}, which does not lie below it",
                hint="[image] root is [unit] connectd_dir or a directory above it.",
                code="image.root",
            )
        files = {}
    held = {_ID: identity.hardware_id.text}
    if identity.bulk_identification_code is not None:
        held[_CODE] = identity.bulk_identification_code.text
    for name, expected in held.items():
        if files.get(name, expected) != expected:
            raise ImageError(
                f"{name} in the image says another unit than its manifest, which names {expected}",
                hint=REBUILD,
                code="image.identity",
            )
    return identity


def _files(image: Image, root: str | None, folder: str) -> dict[str, str] | None:
    """The one-line files of connectd's folder by name, as far as the image holds them; None where the folder does not
    lie below the image's top.
    """
    top, below = parts(root if root is not None else folder), parts(folder)
    if below[: len(top)] != top:
        return None
    lead = "".join(f"{part}/" for part in below[len(top) :])
    texts = {name: image.contents.get(f"{lead}{name}") for name in (_ID, _KEY, _CODE)}
    return {name: text.decode("utf-8", "replace").rstrip("\n") for name, text in texts.items() if text is not None}
