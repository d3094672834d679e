"""Who a unit is: expressions, rules, key derivation. Pure: no clock, no unit, no ledger."""

from factory.identity.identify import Identified, Identifier, IdentityRefused, identify
from factory.identity.keys import KeySource

__all__ = ["Identified", "Identifier", "IdentityRefused", "KeySource", "identify"]
