"""`factory rehearse bench --uboot N`: units with a boot loader and no Linux, to practise on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from factory.cli.session import show, talk

if TYPE_CHECKING:
    from factory.rehearsal.plan import UnitPlan
    from factory.rehearsal.uboot.bench import UbootBench


def uboot_bench(count: int, out: Path, baud: int, ended: threading.Event) -> None:
    """Run `count` units in the folder `out` until `ended` is set; an image for each lies in `out/images`.

    Raises ImageError where mksquashfs is missing.
    """
    from factory.rehearsal.plan import bench_plans
    from factory.rehearsal.uboot.bench import UbootBench

    with UbootBench(out / "units", bench_plans(count), baud=baud) as bench:
        product = _product(out)
        images = [_image(product, slot.plan, out / "images") for slot in bench.slots]
        bench.write_bench_toml(out / "bench.toml")
        _explain(bench, product, out / "bench.toml", images)
        ended.wait()
    talk().print("the units are gone")


def _product(out: Path) -> Path:
    from factory.config.starter import write_product_folder
    from factory.demo import BULK_IDENTIFICATION_CODE

    product = write_product_folder(
        out / "product",
        bulk_identification_code=BULK_IDENTIFICATION_CODE,
        settings={
            "product.name": "rehearsal",
            "image.format": "squashfs",
            "flash.method": "uboot",
            "flash.uboot.start_block": 2048,
            "flash.uboot.blocks": 8192,
        },
    )
    (product.parent / "bench.toml").unlink()  # the sample; the one that fits these units lies beside the product
    return product


def _image(product: Path, plan: UnitPlan, folder: Path) -> Path:
    """The unit's image, as the office would have made it from the order."""
    from factory.config import load_product
    from factory.identity import Identifier, KeySource
    from factory.images import open_builder, write_image
    from factory.values import Facts, Mac, Work

    kind = load_product(product)
    keys = KeySource.open(kind.identity.key, kind.folder)
    identifier = Identifier.open(kind.identity, kind.registration, keys, kind.product.name)
    macs = {name: Mac.parse(text) for name, text in plan.macs.items() if name == "eth0"}
    identity = identifier.identify(Facts(macs, serial=plan.serial), Work(lot="PRACTICE")).identity
    builder = open_builder(kind.image, kind.folder, kind.product.name, kind.registration)
    return write_image(builder.build(identity), folder)


def _explain(bench: UbootBench, product: Path, bench_file: Path, images: list[Path]) -> None:
    lines = [
        *(f"{slot.plan.name}: --serial {slot.serial_port}" for slot in bench.slots),
        "they have no power yet; their slots' power control gives it",
        "in another terminal:",
        f"  factory uboot env --bench {bench_file} --product {product} --slot slot-01",
        *(
            f"  factory flash {image} --bench {bench_file} --product {product} --slot slot-{number:02d}"
            " --off-ledger practice"
            for number, image in enumerate(images, 1)
        ),
        "Ctrl-C here ends it.",
    ]
    for line in lines:
        show().print(line, soft_wrap=True, markup=False)
