"""The files that people write: product.toml and bench.toml."""

from factory.config.bench import Bench, PowerSection, SerialSection, Slot, SshSection, StationSection
from factory.config.load import ConfigError, load_bench, load_product
from factory.config.product import (
    IdentitySection,
    ImageSection,
    KeySection,
    LoginSection,
    Product,
    RegistrationSection,
    RulesSection,
    TimeoutsSection,
    UnitSection,
)

__all__ = [
    "Bench",
    "ConfigError",
    "IdentitySection",
    "ImageSection",
    "KeySection",
    "LoginSection",
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
    "load_bench",
    "load_product",
]
