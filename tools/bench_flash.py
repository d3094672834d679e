"""A partition over SSH, written and verified, against dd and sha256sum through OpenSSH's own client.

A file stands for the device: what a real one would cost comes to both sides alike.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from factory.config import PartitionFlash, SshSection, TimeoutsSection, UnitSection
from factory.flashing.partition import Source, flash_partition, preflight_source, source_of_file, source_of_image
from factory.images import Image
from factory.images.ext4 import Sparse
from factory.units import AcceptAnyKey, Deadline, Login, NullTranscript, Unit, open_ssh
from factory.units.protocol import Completed, Progress, Sent
from factory.values import Facts, Manifest, Receipt
from tools.measure import Ratio, compare
from tools.openssh import Sshd

MIB = 1024 * 1024
SIZE = 256 * MIB


def ratios() -> Iterator[Ratio]:
    """256 MiB of random bytes, whole; and an ext4 file system of that size of which a tenth is in use."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as name, Sshd(Path(name)) as server:
        folder = Path(name)
        image, target = folder / "whole.img", folder / "target"
        for path, fill in ((image, os.urandom), (target, lambda count: b"\xff" * count)):
            with path.open("wb") as stream:
                for _ in range(SIZE // MIB):
                    stream.write(fill(MIB))
        os.sync()
        bench = _Bench(server, target)
        whole, tenth = source_of_file(image), _tenth(folder)

        def ours() -> None:
            bench.ours(whole)

        def plain() -> None:
            bench.theirs(image, synced=False)

        def synced() -> None:
            bench.theirs(image, synced=True)

        yield compare("256 MiB verified, connected anew : ssh dd, ssh sha256sum", ours, plain, at_most=1.0)
        yield compare("the same : ssh dd conv=fsync, ssh sha256sum", ours, synced, at_most=1.0)
        name = f"ext4 build, {bench.ours(tenth).bytes_written * 100 // SIZE} % in use : the whole"
        yield compare(name, lambda: bench.ours(tenth), ours, at_most=0.2)


def _tenth(folder: Path) -> Source:
    """An ext4 file system of the same size, of which about a tenth is in use."""
    tree, path = folder / "tree", folder / "tenth.img"
    tree.mkdir()
    (tree / "content").write_bytes(os.urandom(SIZE // 10 - 4 * MIB))
    options = "none,^has_journal,extent,64bit,flex_bg,sparse_super,filetype,metadata_csum"
    mke2fs = shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin") or "mke2fs"
    argv = [mke2fs, "-q", "-F", "-t", "ext4", "-b", "4096", "-O", options, "-N", "1024", "-d", str(tree), str(path)]
    argv.append(f"{SIZE // MIB}m")
    subprocess.run(argv, check=True, capture_output=True)
    manifest = Manifest("0" * 64, "ext4", "bench", "0" * 64, {}, ())
    return source_of_image(Image(manifest, {}, b"", Sparse.read(path, SIZE)))


class _InFolder:
    """A unit whose commands start in a folder, as a simulated unit's do."""

    def __init__(self, unit: Unit, folder: Path) -> None:
        self.unit, self.route, self.tools = unit, unit.route, unit.tools
        self._head = f"cd {folder} || exit 1\n"

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        """As Unit has it."""
        return self.unit.run(self._head + command, deadline=deadline)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        """As Unit has it."""
        return self.unit.put(source, self._head + command, deadline=deadline, progress=progress)

    def close(self) -> None:
        """As Unit has it."""
        self.unit.close()


class _Bench:
    """Both sides, onto the same target."""

    def __init__(self, server: Sshd, target: Path) -> None:
        self.server, self.target = server, target
        self.section = UnitSection.of_rehearsal()
        self.flash = PartitionFlash(target=target.name)
        mounts = target.parent / self.section.mounts_file
        mounts.parent.mkdir()
        mounts.write_text("/dev/mmcblk0p2 / ext4 rw 0 0\n")

    def connected(self) -> Unit:
        """A new connection."""
        unit = open_ssh(
            SshSection(host="127.0.0.1", port=self.server.port),
            Login(user=self.server.user, key=self.server.client_key),
            slot="bench",
            host_keys=AcceptAnyKey(),
            timeouts=TimeoutsSection(),
            transcript=NullTranscript(),
            deadline=Deadline(30),
        )
        return _InFolder(unit, self.target.parent)

    def ours(self, source: Source) -> Receipt:
        """Connect, look, write, sync, read back past the cache."""
        facts = Facts(interfaces={}, routes=("bench",))
        with contextlib.closing(self.connected()) as unit:
            checked = preflight_source(unit, source, "0" * 64, self.section, self.flash, deadline=Deadline(300))
            receipt = flash_partition(
                unit, self.section, checked=checked, facts=facts, deadline=Deadline(300), reread=lambda *_: facts
            )
        assert receipt.found == receipt.written, receipt
        return receipt

    def theirs(self, image: Path, *, synced: bool) -> None:
        """Through ssh from dd into dd, then sha256sum on the far side and here."""
        options = f"conv=notrunc{',fsync' if synced else ''}"
        command = f"dd if={image} bs=1M status=none | {self.ssh} 'dd of={self.target} bs=1M iflag=fullblock {options}'"
        subprocess.run(command, shell=True, check=True, capture_output=True)
        said = subprocess.run(f"{self.ssh} sha256sum {self.target}", shell=True, check=True, capture_output=True)
        here = subprocess.run(["sha256sum", image], check=True, capture_output=True)
        assert said.stdout.split()[0] == here.stdout.split()[0]

    @property
    def ssh(self) -> str:
        """The client's command up to what is run."""
        scp = self.server.scp
        options = " ".join(scp[2 : scp.index("-P")])
        return f"ssh {options} -p {self.server.port} {self.server.user}@127.0.0.1"
