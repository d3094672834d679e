"""product.toml: what kind of unit, and how its line treats it. One class per section."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from factory.config.fields import Ascii, Name, Secret, Section
from factory.config.flash import FlashSection
from factory.config.hardware import HardwareSection
from factory.config.labels import LabelSection
from factory.config.pool import PoolSection, pool_faults
from factory.config.registration import BulkRegistration, RegistrationSection
from factory.config.stages import Stages

_OFFSET = re.compile(r"[A-Za-z0-9_.-]+[+-][0-9]+")
_OUI = re.compile(r"[0-9a-f]{6}|[0-9a-f]{7}|[0-9a-f]{9}")
CATEGORY_LETTERS = "ABCDEFGHIJ"


def _oui(text: str) -> str:
    digits = text.lower().replace(":", "").replace("-", "")
    if not _OUI.fullmatch(digits):
        raise ValueError("an OUI has 6, 7 or 9 hex digits: /24, /28 or /36, as in b8:27:eb")
    return digits


def _offset(text: str) -> str:
    if not _OFFSET.fullmatch(text):
        raise ValueError('an offset names an interface and a distance, as in "eth0+1"')
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return text


class ProductSection(Section):
    """[product]: the name that lots are bound to."""

    name: Name
    description: Ascii = ""


class RulesSection(Section):
    """[identity.rules]: what a unit's addresses and ids must look like."""

    oui: tuple[Annotated[str, AfterValidator(_oui)], ...] = ()
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    allow_locally_administered: bool = False
    interfaces: tuple[Name, ...] = ()
    offsets: dict[Name, Annotated[str, AfterValidator(_offset)]] = Field(default_factory=dict)


class KeySection(Section):
    """[identity.key]: the secret that registration keys are derived from."""

    secret: Secret
    version: Annotated[int, Field(ge=1, le=9999)] = 1
    length: Annotated[int, Field(ge=16, le=52)] = 32


class IdentitySection(Section):
    """[identity]: Jinja expressions over mac.IFACE, facts.NAME, order.COLUMN, assigned.NAME, lot."""

    hardware_id: Name = "{{ mac.eth0 }}"
    registration_key: Name = "{{ derive(hardware_id) }}"
    device_name: Name = "{{ hardware_id }}"
    categories: dict[Literal["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"], Ascii] = Field(default_factory=dict)
    rules: RulesSection = RulesSection()
    key: KeySection | None = None


class LoginSection(Section):
    """[unit.login]: how to get a root shell."""

    user: Name = "root"
    password: Secret | None = None
    key: Ascii | None = None  # path of a private key, relative to the product file
    become: Literal["none", "sudo"] = "none"


class TimeoutsSection(Section):
    """[unit.timeouts]: seconds."""

    boot: Annotated[float, Field(gt=0)] = 180.0
    login: Annotated[float, Field(gt=0)] = 30.0
    command: Annotated[float, Field(gt=0)] = 30.0
    flash: Annotated[float, Field(gt=0)] = 300.0
    reboot: Annotated[float, Field(gt=0)] = 180.0


class UnitSection(Section):
    """[unit]: where things are on the unit and how one gets in."""

    connectd_dir: Name = "/etc/connectd"
    interfaces_dir: Name = "/sys/class/net"
    mounts_file: Name = "/proc/mounts"
    login: LoginSection = LoginSection()
    facts: dict[Name, Name] = Field(default_factory=dict)
    persistence: Literal["direct", "save-config", "declared"] = "direct"
    timeouts: TimeoutsSection = TimeoutsSection()
    clear: bool = False
    simulated: bool = False

    @classmethod
    def of_rehearsal(cls) -> Self:
        """Where things are on a simulated unit: relative to its folder, in which its shell starts."""
        return cls(
            simulated=True, connectd_dir="etc/connectd", interfaces_dir="sys/class/net", mounts_file="proc/mounts"
        )

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        for key in ("connectd_dir", "interfaces_dir", "mounts_file"):
            if not self.simulated and not getattr(self, key).startswith("/"):
                raise ValueError(f"{key} must be an absolute path (relative ones need simulated = true)")
        return self


class ImageSection(Section):
    """[image]: which templates make the image, which of its optional files it has, and in which format it is kept.

    `root` is the directory of the unit that the image's top stands for, [unit] connectd_dir where it is not given;
    `size` is that of an ext4 image in bytes.
    """

    templates: Name = "templates/connectd"
    files: tuple[Name, ...] = ()
    format: Literal["dir", "tar", "tar.gz", "tar.zst", "cpio", "squashfs", "ext4"] = "tar.gz"
    root: Name | None = None
    size: Annotated[int, Field(ge=1024 * 1024, le=1024 * 1024 * 1024, multiple_of=4096)] = 4 * 1024 * 1024


class ProveSection(Section):
    """[prove]: which reboot comes before the proof. With `first_article` the first unit of each product, templates and
    board runs alone through its proof before others are flashed.
    """

    reboot: Literal["soft", "power", "none"] = "soft"
    first_article: bool = True


class HooksSection(Section):
    """[hooks]: programs of the maker's own; each gets the record as JSON on stdin."""

    after_pass: tuple[Name, ...] = ()
    timeout: Annotated[float, Field(gt=0)] = 30.0


class OrderSection(Section):
    """[order]: whether a unit is made only when it stands on an order of its lot."""

    required: bool = False


class CategorySection(Section):
    """One [[category]]: the values that a category column may have. A letter A to J stands for the portal's CATEGORY_
    column, any other name for the column of that name.
    """

    name: Name
    values: Annotated[tuple[Name, ...], Field(min_length=1)]


class Product(Section):
    """A whole product.toml. `folder` is where the file lies; relative paths in it start there."""

    product: ProductSection
    identity: IdentitySection = IdentitySection()
    unit: UnitSection = UnitSection()
    image: ImageSection = ImageSection()
    flash: FlashSection = FlashSection()
    prove: ProveSection = ProveSection()
    hardware: HardwareSection = HardwareSection()
    hooks: HooksSection = HooksSection()
    registration: RegistrationSection
    order: OrderSection = OrderSection()
    category: tuple[CategorySection, ...] = ()
    pool: tuple[PoolSection, ...] = ()
    stage: Stages = ()
    label: LabelSection | None = None
    folder: Path = Field(default=Path(), exclude=True, repr=False)
    sha256: str = Field(default="", exclude=True, repr=False)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages in order, the flash first; empty where none is declared."""
        return tuple(stage.name for stage in self.stage)

    @model_validator(mode="after")
    def _absolute_root(self) -> Self:
        root = self.image.root
        if root is not None and not root.startswith("/") and not self.unit.simulated:
            raise ValueError("image.root must be an absolute path (a relative one needs unit.simulated = true)")
        if root is not None and isinstance(self.registration, BulkRegistration):
            above, folder = (PurePosixPath("/", path) for path in (root, self.unit.connectd_dir))
            if not folder.is_relative_to(above):
                raise ValueError(
                    f"image.root is {root}, and connectd reads {self.unit.connectd_dir}, which does not lie below it"
                )
        return self

    @model_validator(mode="after")
    def _saves_are_proved(self) -> Self:
        if self.unit.persistence == "save-config" and self.prove.reboot == "none":
            raise ValueError('unit.persistence = "save-config" is proved by a restart: prove.reboot = "none" cannot')
        return self

    @model_validator(mode="after")
    def _revision_is_read(self) -> Self:
        if self.hardware.revisions and self.hardware.revision_fact not in self.unit.facts:
            raise ValueError(f"hardware.revisions needs the command unit.facts.{self.hardware.revision_fact}")
        return self

    @model_validator(mode="after")
    def _scanned_is_printed(self) -> Self:
        scanning = [stage.name for stage in self.stage if stage.scan]
        if scanning and self.label is None:
            raise ValueError(f"stage {scanning[0]} scans the unit's label, and there is no [label] that prints one")
        return self

    @model_validator(mode="after")
    def _pools_fit(self) -> Self:
        fault = pool_faults(self.pool, frozenset(self.unit.facts))
        if fault is not None:
            raise ValueError(fault)
        for pool in self.pool:
            if pool.write and pool.write.reboot == "none" and self.prove.reboot == "none":
                raise ValueError(f"pool {pool.name}: without any restart nobody knows whether the unit keeps its value")
        return self
