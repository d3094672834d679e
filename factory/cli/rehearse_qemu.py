"""`factory rehearse bench --qemu N`: real kernels in QEMU to practise on."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.cli.session import show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.rehearsal.qemu.bench import QemuBench
    from factory.rehearsal.qemu.unit import QemuUnit


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """The kernel that the user named; without one it is Debian's."""

    image: Path | None = None
    modules: Path | None = None


def qemu_bench(count: int, choice: KernelChoice, out: Path, baud: int, ended: threading.Event) -> None:
    """Run `count` QEMU units in the folder `out` until `ended` is set.

    Raises UsageError for a kernel without modules, NotStartedError for what is missing on this computer.
    """
    from factory.rehearsal.plan import bench_plans
    from factory.rehearsal.qemu.bench import QemuBench
    from factory.rehearsal.qemu.kernel import debian_kernel, default_cache, named_kernel

    if (choice.image is None) != (choice.modules is None):
        raise UsageError("a kernel and its modules are named together", hint="Give both --kernel and --modules.")
    talk().print("making the units; the first time the kernel's package is fetched")
    if choice.image is None or choice.modules is None:
        kernel = debian_kernel(default_cache())
    else:
        kernel = named_kernel(choice.image, choice.modules, out / "kernel")
    with QemuBench(out / "units", bench_plans(count), kernel, baud=baud) as bench:
        _explain(bench, *_write(bench, out))
        ended.wait()
    talk().print("the units are gone")


def _write(bench: QemuBench, out: Path) -> tuple[Path, Path]:
    """A product for real units, since these are, and the bench file."""
    from factory.config.starter import write_product_folder
    from factory.demo import BULK_IDENTIFICATION_CODE

    product = write_product_folder(
        out / "product",
        bulk_identification_code=BULK_IDENTIFICATION_CODE,
        settings={
            "product.name": "rehearsal",
            "unit.login.user": "root",
            "unit.login.password": f"file:{bench.password_file.resolve()}",
        },
    )
    (product.parent / "bench.toml").unlink()  # the sample; the one that fits these units lies beside the product
    bench_file = out / "bench.toml"
    bench.write_bench_toml(bench_file)
    return product, bench_file


def _explain(bench: QemuBench, product: Path, bench_file: Path) -> None:
    lines = [
        *(f"{unit.name}: {_routes(unit)}" for unit in bench.units),
        f"login root, password in {bench.password_file}",
        "each has a flash target of 0xFF, /dev/vdb, with two partitions",
        "in another terminal:",
        f"  factory read --product {product} ROUTE      (what stands after a unit's name above: one of its routes)",
        f"  factory run --product {product} --bench {bench_file} --lot PRACTICE",
        *(f"  {_power(unit)}      (or off, reset)" for unit in bench.units[:1]),
        "Ctrl-C here ends it.",
    ]
    for line in lines:
        show().print(line, soft_wrap=True, markup=False)


def _power(unit: QemuUnit) -> str:
    import shlex
    import sys

    return shlex.join([sys.executable, "-m", "factory.rehearsal.power", str(unit.control), "on"])


def _routes(unit: QemuUnit) -> str:
    assert unit.ssh_address is not None
    host, port = unit.ssh_address
    return f"--serial {unit.serial_port}  --ssh root@{host}:{port}"
