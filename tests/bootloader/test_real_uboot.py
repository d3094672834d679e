"""Debian's own U-Boot in QEMU: everything that the simulated board claims about a loader, said by a real one."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.bootloader import BootloaderError, read_environment, set_environment
from factory.bootloader.autoboot import restart
from factory.config import SerialSection, UbootFlash
from factory.flashing.uboot import bootloader_on, flash_from_bootloader, preflight_from_bootloader
from factory.units import Deadline
from tests.bootloader.boards import Kept
from tests.programs import require

_ROM = Path("/usr/lib/u-boot/qemu_arm/u-boot.bin")
_FLASH = 64 * 1024 * 1024
DATA = random.Random(7).randbytes(60_001)
SECTION = UbootFlash(
    interface="virtio", start_block=64, blocks=1024, load_address=0x4100_0000, environment={"ethaddr": "eth0"}
)


class Qemu:
    """An ARM board that has not been started yet; `on` starts it."""

    def __init__(self, folder: Path) -> None:
        self.disk, self._qmp = folder / "disk.img", folder / "qmp"
        self.disk.write_bytes(b"\xff" * (4 * 1024 * 1024))
        images = (folder / "rom.img", folder / "environment.img")
        for image in images:
            image.write_bytes(_ROM.read_bytes() if image is images[0] else b"")
            with image.open("r+b") as stream:
                stream.truncate(_FLASH)
        argv = [
            require("qemu-system-arm"), "-M", "virt", "-m", "128", "-display", "none", "-monitor", "none",
            "-net", "none", "-serial", "pty", "-S", "-qmp", f"unix:{self._qmp},server,nowait",
            *(part for index, image in enumerate(images) for part in
              ("-drive", f"if=pflash,format=raw,index={index},readonly={'off' if index else 'on'},file={image}")),
            "-drive", f"if=none,id=d,format=raw,file={self.disk}", "-device", "virtio-blk-device,drive=d",
        ]  # fmt: skip
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"/dev/pts/\d+", said)
        assert found is not None, said
        self.port = found[0]

    def off(self, *, deadline: Deadline) -> None:
        """It is off."""

    def on(self, *, deadline: Deadline) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._qmp))
            stream = connection.makefile("rw")
            stream.readline()
            for command in ("qmp_capabilities", "cont"):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                stream.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture()
def qemu(tmp_path: Path) -> Iterator[Qemu]:
    require("qemu-system-arm")
    if not _ROM.is_file():
        require("u-boot-qemu")
    made = Qemu(tmp_path)
    yield made
    made.close()


def test_a_real_uboot_is_stopped_read_flashed_and_read_back(qemu: Qemu) -> None:
    kept = Kept()
    limit = Deadline(100)
    port = SerialSection(port=qemu.port)
    with bootloader_on(port, SECTION, deadline=limit, power=qemu, transcript=kept) as loader:
        found = read_environment(loader, limit=limit)
        assert (found.values["arch"], found.used > 1000) == ("arm", True)
        assert loader.run("false", limit=limit).status == 1
        assert loader.run("nonsense", limit=limit).ok is False

        plan = preflight_from_bootloader(loader, DATA, SECTION, baud=115200, deadline=limit)
        receipt = flash_from_bootloader(loader, DATA, plan, image="0" * 64, deadline=limit)
        assert receipt.written == receipt.found
        assert DATA[:64] not in kept.content

        # Written once in this loader (CONFIG_ENV_OVERWRITE is not set), until it is restarted.
        loader.run("setenv ethaddr b8:27:eb:12:34:56", limit=limit).require("setting it once")
        with pytest.raises(BootloaderError) as once:
            set_environment(loader, {"ethaddr": "b8:27:eb:12:34:57"}, keys=" ", limit=limit)
        assert once.value.code == "uboot.write-once"
        loader = restart(loader, keys=" ", limit=limit)
        assert loader.run("printenv ethaddr", limit=limit).ok is False
    written = qemu.disk.read_bytes()[64 * 512 :]
    assert written[: len(DATA)] == DATA
