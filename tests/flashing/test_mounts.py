from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.flashing.mounts import Mount, Persistence, judge, mount_of, parse_mounts
from factory.units.protocol import UnitError

YES, NO, UNKNOWN = Persistence.YES, Persistence.NO, Persistence.UNKNOWN


@pytest.mark.parametrize(
    ("table", "expected", "said"),
    [
        ("/dev/root / ext4 rw,relatime 0 0", YES, "ext4"),
        ("/dev/ubi0_0 / ubifs rw 0 0", YES, "ubifs"),
        ("/dev/root / ext4 ro,relatime 0 0", NO, "read-only"),
        ("/dev/root / squashfs ro 0 0", NO, "read-only"),
        ("tmpfs / tmpfs rw 0 0", NO, "in memory"),
        ("none / ramfs rw 0 0", NO, "in memory"),
        ("rootfs / rootfs rw 0 0", NO, "in memory"),
        ("/dev/ram0 / ext2 rw 0 0", NO, "in memory"),
        ("/dev/zram1 / ext4 rw 0 0", NO, "in memory"),
        ("rootfs / rootfs rw 0 0\n/dev/mmcblk0p2 / ext4 rw 0 0", YES, "ext4"),
        ("/dev/root / ext4 rw 0 0\ntmpfs /etc tmpfs rw 0 0", NO, "/etc"),
        ("/dev/root / squashfs ro 0 0\n/dev/sda3 /etc/connectd ext4 rw 0 0", YES, "/etc/connectd"),
        ("/dev/root / ext4 rw 0 0\ntmpfs /etc/conn tmpfs rw 0 0", YES, "ext4"),
        ("server:/nfs / nfs4 rw 0 0", UNKNOWN, "nfs4"),
        ("/dev/loop0 / ext4 rw 0 0", UNKNOWN, "loop device"),
        ("/dev/sda /mnt ext4 rw 0 0", UNKNOWN, "no mount"),
        ("", UNKNOWN, "no mount"),
        ("overlay / overlay rw,lowerdir=/l,upperdir=/rw/up,workdir=/rw/w 0 0\ntmpfs /rw tmpfs rw 0 0", NO, "upper"),
        ("overlay / overlay rw,lowerdir=/l,upperdir=/rw/up 0 0\n/dev/sda4 /rw f2fs rw 0 0", YES, "f2fs"),
        ("overlayfs:/overlay / overlay rw,lowerdir=/,upperdir=/overlay/upper 0 0\n/dev/mtdblock5 /overlay jffs2 rw 0 0",
         YES, "jffs2"),
        ("overlay / overlay rw,lowerdir=/l,upperdir=/rw/up 0 0", UNKNOWN, "cannot be seen"),
        ("overlay / overlay ro,lowerdir=/a:/b 0 0", NO, "read-only"),
        ("overlay / overlay rw,lowerdir=/a:/b 0 0", NO, "no upper layer"),
    ],
)  # fmt: skip
def test_verdict(table: str, expected: Persistence, said: str) -> None:
    verdict = judge(parse_mounts(table), "/etc/connectd/hardware_id.txt")
    assert verdict.persistence == expected
    assert said in verdict.why


def test_octal_blanks_are_decoded() -> None:
    (mount,) = parse_mounts("/dev/disk\\040one /mnt/a\\011b\\134c ext4 rw 0 0")
    assert mount == Mount("/dev/disk one", "/mnt/a\tb\\c", "ext4", ("rw",))


def test_a_line_that_is_no_mount_is_an_error() -> None:
    with pytest.raises(UnitError, match="line 2"):
        parse_mounts("/dev/sda / ext4 rw 0 0\nbroken line\n")


_NAME = st.text(st.sampled_from("ab. \t\n\\-_"), min_size=1, max_size=6)


def _escape(text: str) -> str:
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in text)


@given(st.lists(st.lists(_NAME, max_size=4), min_size=1, max_size=8), st.lists(_NAME, max_size=5))
def test_the_deepest_last_mount_is_found(points: list[list[str]], path: list[str]) -> None:
    table = "\n".join(f"dev{n} /{'/'.join(map(_escape, parts))} ext4 rw 0 0" for n, parts in enumerate(points))
    found = mount_of(parse_mounts(table), "/" + "/".join(path))
    above = [(len(parts), n) for n, parts in enumerate(points) if path[: len(parts)] == parts]
    assert (found.device if found else None) == (f"dev{max(above)[1]}" if above else None)
