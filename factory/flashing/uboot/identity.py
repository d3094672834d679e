"""An identity into the loader's environment: what its variables are for is the product's to say."""

from __future__ import annotations

from collections.abc import Mapping

from factory.bootloader import Bootloader, EnvironmentProof, set_environment
from factory.config import UbootFlash
from factory.config.flash_uboot import SERIAL
from factory.errors import UsageError
from factory.units.deadline import Deadline


def settings_of(identity: Mapping[str, object], section: UbootFlash) -> dict[str, str]:
    """The variables and values of an identity, as a manifest has it. Raises UsageError when it lacks one that
    [flash.uboot] environment names.
    """
    macs = identity.get("macs")
    held = {str(name): str(mac) for name, mac in macs.items()} if isinstance(macs, Mapping) else {}
    if identity.get("serial"):
        held[SERIAL] = str(identity["serial"])
    lacking = [what for name, what in section.environment.items() if what not in held]
    if lacking or not section.environment:
        raise UsageError(
            f"the identity has no {lacking[0]}" if lacking else "[flash.uboot] environment names no variable",
            hint="See [flash.uboot] environment: it says which variable holds which interface's address.",
            code="flash.uboot.environment",
        )
    return {name: held[what] for name, what in section.environment.items()}


def set_identity_env(
    loader: Bootloader, identity: Mapping[str, object], section: UbootFlash, *, deadline: Deadline
) -> tuple[EnvironmentProof, Bootloader]:
    """Set the variables of an identity, save them, restart, and let the loader of the new boot say them.

    Raises BootloaderError (`uboot.write-once` where another value stands there already) and UsageError.
    """
    values = settings_of(identity, section)
    return set_environment(loader, values, keys=section.stop_keys, limit=deadline)
