"""A first boot walked through from a unit's files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.firstboot.unit_files import Boot
from factory.rehearsal.firstboot.walk import FirstBoot, Pace
from tests.rehearsal.firstboot.conftest import MAC, Shop


def boot(shop: Shop, root: Path) -> Boot:
    return FirstBoot(shop.clouds.url, shop.clouds.ca, Pace(0.01, 3, 0.01, 3)).boot(root, MAC)


def test_a_sound_unit_comes_online_with_its_own_files(shop: Shop) -> None:
    hardware_id = shop.new_id()
    root = shop.unit(hardware_id)
    done = boot(shop, root)
    cloud = shop.clouds.remoteit.unit(hardware_id)
    assert (done.stopped, done.reset) == ("", False)
    assert cloud["online"] and cloud["mac"] == MAC
    held = done.held.services[shop.code]
    assert (held.uid, held.secret_sha256) == (cloud["uid"], cloud["secret_sha256"])
    assert done.held.key_sha256 == hashlib.sha256(f"KEY-{hardware_id}".encode()).hexdigest()
    top = root / "etc" / "connectd"
    assert sorted(path.name for path in (top / "active").iterdir()) == sorted(done.held.services)
    assert (top / "active" / shop.code).resolve() == (top / "available" / shop.code).resolve()
    assert (top / "hardware_id.txt").read_bytes() == f"{hardware_id}\n".encode()
    assert len(done.held.services) == 2  # the disabled service has no registration


def test_a_second_boot_registers_nothing_again(shop: Shop) -> None:
    hardware_id = shop.new_id()
    root = shop.unit(hardware_id)
    first = boot(shop, root)
    before = shop.clouds.counters()["POST /apv/v27/bulk/registration/register"]
    second = boot(shop, root)
    assert (second.stopped, second.held) == ("", first.held)
    assert shop.clouds.counters()["POST /apv/v27/bulk/registration/register"] == before


def test_an_image_that_was_registered_once(shop: Shop) -> None:
    """A master that was not reset: its clone brings another unit's address and secret."""
    hardware_id = shop.new_id()
    boot(shop, shop.unit(hardware_id))
    assert "registered already" in boot(shop, shop.unit(hardware_id)).stopped
    other = shop.unit(shop.new_id())
    available = other / "etc" / "connectd" / "available"
    available.mkdir()
    (available / shop.code).write_text("#####-#####\nUID 80:00:00:00:00:00:00:01\npassword ABC\n")
    assert boot(shop, other).held.services[shop.code].uid == "80:00:00:00:00:00:00:01"
    hardware_id = (other / "etc" / "connectd" / "hardware_id.txt").read_text().strip()
    assert not shop.clouds.remoteit.unit(hardware_id)["online"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"bulk_identification_code": None}, "bulk_identification_code.txt is missing"),
        ({"hardware_id": None}, "hardware_id.txt is missing"),
        ({"registration_key": None}, "registration_key.txt is missing"),
        ({"registration_key": b"other\n"}, "wrong registration key"),
        ({"registration_key": b'a"b\n'}, "FAIL: "),
        ({"hardware_id": b"default.\n"}, "placeholder"),
        ({"hardware_id": b"aa\r\n"}, "dprovision for"),
        ({"hardware_id": b"a b\n"}, "dprovision for"),
        ({"hardware_id": b"a/b\n"}, "dprovision for"),
        ({"hardware_id": b"aa?b#c\n"}, "dprovision for"),
        ({"hardware_id": b"\n"}, "dprovision for"),
        ({"bulk_identification_code": b"missing. Add your code to bulk_identification_code.txt.\n"}, "dprovision for"),
    ],
)
def test_what_stops_a_unit(shop: Shop, files: dict[str, bytes | None], said: str) -> None:
    hardware_id = shop.new_id()
    done = boot(shop, shop.unit(hardware_id, **files))
    assert said in done.stopped
    assert done.held.services == {}
    assert not shop.clouds.remoteit.unit(hardware_id)["online"]


def test_a_unit_that_is_told_to_reset(shop: Shop) -> None:
    hardware_id = shop.new_id()
    shop.clouds.faults.set(CloudFault.CLONE_RESET)
    done = boot(shop, shop.unit(hardware_id))
    assert done.reset
    assert "not found" in done.stopped  # the new id has no row
    assert done.held.hardware_id == f"{hardware_id}-1"


@pytest.mark.parametrize("fault", [CloudFault.PENDING, CloudFault.THROTTLED, CloudFault.HTML_ERROR, CloudFault.GARBAGE])
def test_a_unit_asks_again(shop: Shop, fault: CloudFault) -> None:
    hardware_id = shop.new_id()
    shop.clouds.faults.set(fault, 2, "/bulk/registration/register")
    assert boot(shop, shop.unit(hardware_id)).stopped == ""


def test_a_unit_gives_up(shop: Shop) -> None:
    shop.clouds.faults.set(CloudFault.PENDING, 1000)
    done = boot(shop, shop.unit(shop.new_id()))
    assert "still pending : registration queued" in done.stopped


def test_a_reply_that_is_lost_leaves_a_unit_without_its_secret(shop: Shop) -> None:
    """The cloud has registered it and the unit does not know: only deleting and publishing again helps."""
    shop.clouds.faults.set(CloudFault.LOST_REPLY, 1, "/bulk/registration/register")
    done = boot(shop, shop.unit(shop.new_id()))
    assert "registered already" in done.stopped


def test_no_server(shop: Shop, tmp_path: Path) -> None:
    root = shop.unit(shop.new_id())
    done = FirstBoot("https://127.0.0.1:1", shop.clouds.ca).boot(root, MAC)
    assert "no answer" in done.stopped
