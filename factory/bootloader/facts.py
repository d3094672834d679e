"""Who a unit is while no Linux runs on it yet: what its boot loader's variables say."""

from __future__ import annotations

from collections.abc import Mapping

from factory.bootloader.environment import read_environment
from factory.bootloader.line import BootloaderError, Limit
from factory.bootloader.prompt import Bootloader
from factory.config.flash_uboot import SERIAL
from factory.values import Facts, InvalidValue, Mac, ascii_faults, shown


def read_bootloader_facts(loader: Bootloader, names: Mapping[str, str], *, limit: Limit) -> Facts:
    """Read what `names` ([flash.uboot] environment) says the variables hold; one that is not set is left out.

    Raises BootloaderError `uboot.facts` for a value that is no MAC or no plain text.
    """
    values = read_environment(loader, limit=limit).values
    there = {what: (name, values[name]) for name, what in names.items() if values.get(name)}
    serial = there.pop(SERIAL, None)
    interfaces = {what: _mac(loader, name, text) for what, (name, text) in sorted(there.items())}
    return Facts(
        interfaces=interfaces,
        serial=_text(loader, *serial) if serial else None,
        model=_text(loader, "board_name", values["board_name"]) if values.get("board_name") else None,
        routes=(loader.route,),
    )


def _mac(loader: Bootloader, name: str, text: str) -> Mac:
    try:
        return Mac.parse(text)
    except InvalidValue as error:
        raise BootloaderError(
            f"{loader.route}: {name}: {error.message}", hint=error.hint, code="uboot.facts"
        ) from error


def _text(loader: Bootloader, name: str, text: str) -> str:
    faults = ascii_faults(text)
    if faults or len(text) > 256:
        raise BootloaderError(
            f"{loader.route}: {name} has {faults[0] if faults else 'more than 256 characters'}: {shown(text[:256])}",
            hint="Put the unit aside: its environment is damaged.",
            code="uboot.facts",
        )
    return text
