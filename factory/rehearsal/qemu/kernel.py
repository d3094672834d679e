"""The kernel of a QEMU unit: taken out of Debian's package once and kept, or named by the user."""

from __future__ import annotations

import fcntl
import io
import lzma
import os
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from factory import files
from factory.errors import NotStartedError, UsageError
from factory.rehearsal.qemu.host import output, program

META_PACKAGE = "linux-image-amd64"
# Loaded by the unit in this order, each after what it depends on.
WANTED = ("virtio_pci", "virtio_blk", "virtio_net", "ext4", "crc32c_generic", "mtdblock", "mtdram", "block2mtd")
_OPTIONAL = frozenset({"crc32c_generic", "mtdblock", "mtdram", "block2mtd"})
_DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)")
_LIMIT = 256 * 1024 * 1024
# Offsets of the x86 boot protocol's header (Linux, Documentation/arch/x86/boot.rst).
_SETUP_SECTORS, _PAYLOAD = 0x1F1, 0x248


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as QEMU loads it, and its modules in the order in which they are to be loaded."""

    image: Path
    modules: tuple[Path, ...]

    def has(self, module: str) -> bool:
        """Whether the unit can load a module of that name."""
        return any(_name(path.name.partition("-")[2]) == module for path in self.modules)


def default_cache() -> Path:
    """Where kernels are kept between runs: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "factory" / "qemu"


def debian_kernel(cache: Path) -> Kernel:
    """Debian's present kernel, out of the cache or fetched by `apt-get download`. Several processes may ask at once.

    Without package lists the newest kernel of the cache is taken. Raises NotStartedError rehearsal.qemu-kernel.
    """
    files.make_folder(cache)
    with _locked(cache / "lock"):
        kept = sorted(path for path in cache.glob("linux-image-*") if path.is_dir())
        try:
            package = _package()
        except NotStartedError:
            if not kept:
                raise
            return _kept(kept[-1])
        folder = cache / package
        if not folder.is_dir():
            _fetch(package.partition("_")[0], folder)
        return _kept(folder)


def named_kernel(image: Path, modules: Path, cache: Path) -> Kernel:
    """A kernel that the user names, with the folder of its modules (as /lib/modules/VERSION). Raises UsageError."""
    if not image.is_file() or not modules.is_dir():
        raise UsageError(f"no kernel: {image} must be a file and {modules} the folder of its modules")
    found = {_name(path.name): path for path in modules.rglob("*.ko*")}
    files.make_folder(cache)
    folder = Path(tempfile.mkdtemp(prefix="named-", dir=cache))
    _keep(folder, files.read_bytes(image, limit=_LIMIT), {}, lambda name: found[name].read_bytes(), set(found))
    return _kept(folder)


def _package() -> str:
    said = output(["apt-cache", "depends", "--important", META_PACKAGE]).decode()
    names = re.findall(r"Depends: (linux-image-\d\S+)", said)
    if not names:
        raise _no_kernel(f"apt knows no package {META_PACKAGE}")
    shown = output(["apt-cache", "show", "--no-all-versions", names[0]]).decode()
    version = re.search(r"^Version: (\S+)", shown, re.MULTILINE)
    return f"{names[0]}_{version[1] if version else '0'}".replace("/", "_")


def _fetch(package: str, folder: Path) -> None:
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        try:
            output(["apt-get", "-q", "download", package], seconds=600.0, cwd=work)
        except NotStartedError as error:
            raise _no_kernel(error.message) from error
        deb = next(work.glob("*.deb"))
        image, modules = _unpacked(deb)
        deb.unlink()
        _keep(work, image, {}, lambda name: modules[name], set(modules))
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpacked(deb: Path) -> tuple[bytes, Mapping[str, bytes]]:
    """The kernel and every module that could be needed, without unpacking the other some thousand files."""
    command = [str(program("dpkg-deb")), "--fsys-tarfile", str(deb)]
    image, modules = b"", {}
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                parts = member.name.removeprefix("./").removeprefix("usr/").split("/")
                kernel, module = name.startswith("vmlinuz-"), ".ko" in name and _useful(parts)
                stream = archive.extractfile(member) if member.isfile() and (kernel or module) else None
                if stream is not None and kernel:
                    image = stream.read()
                elif stream is not None:
                    modules[_name(name)] = _plain(stream.read(), name)
    if process.returncode != 0 or not image:
        raise _no_kernel(f"{deb.name} holds no kernel, or dpkg-deb failed ({process.returncode})")
    return image, modules


def _useful(parts: list[str]) -> bool:
    below = "/".join(parts[4:])  # lib/modules/VERSION/kernel/...
    return below.startswith(
        ("drivers/virtio/", "drivers/mtd/", "drivers/block/", "drivers/net/", "fs/", "lib/", "net/core/", "crypto/")
    )


def _keep(folder: Path, image: bytes, made: dict[str, None], read: Callable[[str], bytes], known: set[str]) -> None:
    contents: dict[str, bytes] = {}

    def need(name: str) -> None:
        if name in made:
            return
        content = contents[name] = _plain(read(name), "")
        depends = _DEPENDS.search(content)
        for other in filter(None, (depends[1] if depends else b"").decode().split(",")):
            if _name(other) in known:
                need(_name(other))
        made[name] = None

    for wanted in WANTED:
        if wanted in known:
            need(wanted)
    files.make_folder(folder / "modules")
    for number, name in enumerate(made):
        files.write_bytes(folder / "modules" / f"{number:02d}-{name}.ko", contents[name])
    files.write_bytes(folder / "vmlinux", _vmlinux(image))


def _kept(folder: Path) -> Kernel:
    return Kernel(folder / "vmlinux", tuple(sorted((folder / "modules").iterdir())))


def _vmlinux(image: bytes) -> bytes:
    """The ELF kernel inside a compressed one, which QEMU starts without the unit unpacking it: seconds without KVM.

    An image that is packed in another way than xz is returned as it is.
    """
    if len(image) < _PAYLOAD + 8 or image[0x202:0x206] == b"\0\0\0\0":
        return image
    sectors = image[_SETUP_SECTORS] or 4
    offset, length = struct.unpack_from("<II", image, _PAYLOAD)
    start = (sectors + 1) * 512 + offset
    payload = image[start : start + length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        return image
    return lzma.LZMADecompressor().decompress(payload)


def _plain(content: bytes, name: str) -> bytes:
    if content.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(io.BytesIO(content)).read()
    if not content.startswith(b"\x7fELF"):
        raise _no_kernel(f"the module {name} is packed in a way that this program does not know")
    return content


def _name(name: str) -> str:
    return name.partition(".ko")[0].replace("-", "_")


def _no_kernel(what: str) -> NotStartedError:
    return NotStartedError(
        f"there is no kernel for QEMU units: {what}",
        hint="Give one with --kernel FILE and --modules DIR, or run apt-get update with a network.",
        code="rehearsal.qemu-kernel",
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
