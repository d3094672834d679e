"""The files that people write: product.toml and bench.toml."""

from factory.config.bench import (
    Bench,
    CardReader,
    DeviceKeysSection,
    PowerSection,
    SerialSection,
    Slot,
    SshSection,
    StationSection,
)
from factory.config.flash import FlashSection
from factory.config.flash_card import CardFlash
from factory.config.flash_partition import PartitionFlash
from factory.config.flash_uboot import UbootFlash
from factory.config.hardware import HardwareSection
from factory.config.keeping import KeepTranscripts
from factory.config.labels import LabelSection
from factory.config.load import ConfigError, load_bench, load_product
from factory.config.pool import PoolSection
from factory.config.product import (
    IdentitySection,
    ImageSection,
    KeySection,
    LoginSection,
    Product,
    RulesSection,
    TimeoutsSection,
    UnitSection,
)
from factory.config.registration import BulkRegistration, PackageRegistration, RegistrationSection, XyteRegistration
from factory.config.stages import CheckSection, StageSection

__all__ = [
    "Bench",
    "BulkRegistration",
    "CardFlash",
    "CardReader",
    "CheckSection",
    "ConfigError",
    "DeviceKeysSection",
    "FlashSection",
    "HardwareSection",
    "IdentitySection",
    "ImageSection",
    "KeepTranscripts",
    "KeySection",
    "LabelSection",
    "LoginSection",
    "PackageRegistration",
    "PartitionFlash",
    "PoolSection",
    "PowerSection",
    "Product",
    "RegistrationSection",
    "RulesSection",
    "SerialSection",
    "Slot",
    "SshSection",
    "StageSection",
    "StationSection",
    "TimeoutsSection",
    "UbootFlash",
    "UnitSection",
    "XyteRegistration",
    "load_bench",
    "load_product",
]
