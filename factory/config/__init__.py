"""The files that people write: product.toml and bench.toml."""

from factory.config.bench import Bench, PowerSection, SerialSection, Slot, SshSection, StationSection
from factory.config.load import ConfigError, load_bench, load_product
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

__all__ = [
    "Bench",
    "BulkRegistration",
    "ConfigError",
    "IdentitySection",
    "ImageSection",
    "KeySection",
    "LoginSection",
    "PackageRegistration",
    "PowerSection",
    "Product",
    "RegistrationSection",
    "RulesSection",
    "SerialSection",
    "Slot",
    "SshSection",
    "StationSection",
    "TimeoutsSection",
    "UnitSection",
    "XyteRegistration",
    "load_bench",
    "load_product",
]
