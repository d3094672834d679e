"""A lot against what the account shows: what moves, who is named, and who is never called online."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from factory.clouds.remoteit.devices import Device, Listing, Service
from factory.config import Product
from factory.config.registration import PackageRegistration, ServiceEntry
from factory.errors import FactoryError, UsageError
from factory.ledger import Ledger, Verdict
from factory.lots import export
from factory.lots.confirm import Confirmed, Wrong, confirm
from factory.values import RowState
from tests.lots.made import LOT, ledger, make_pass, product

IDS = [f"b827eb{2 * number:06x}" for number in (1, 2, 3)]


@pytest.fixture
def made(tmp_path: Path) -> Product:
    plain = product(tmp_path / "p")
    services = (ServiceEntry(name="ssh", type="ssh", port=22), ServiceEntry(name="web", type="http", port=80))
    return plain.model_copy(update={"registration": plain.registration.model_copy(update={"services": services})})


@pytest.fixture
def book(tmp_path: Path, made: Product) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        for number in (1, 2, 3):
            make_pass(opened, made, number)
        export(opened, made, LOT, tmp_path / "out")
        yield opened
        assert opened.verify() == ()


def device(hardware_id: str, **changes: object) -> Device:
    """A device that is online and as it should be."""
    services = (Service("s1", "ssh", 22, True), Service("s2", "web", 80, True))
    name = changes.pop("name", hardware_id)
    plain = Device(f"80:{hardware_id}", str(name), hardware_id, True, False, datetime.now(UTC), "", services)
    return replace(plain, **changes)  # type: ignore[arg-type]


class Cloud:
    server = "https://cloud"

    def __init__(self, *devices: Device, total: int | None = None) -> None:
        self._listing = Listing(devices, len(devices) if total is None else total)

    def devices(self) -> Listing:
        return self._listing


def rows(book: Ledger) -> list[str]:
    return [str(unit.row) for unit in book.passed_units(LOT)]


def named(found: Confirmed) -> list[tuple[str, Wrong]]:
    return [(one.hardware_id, one.wrong) for one in found.named]


def test_all_is_well(book: Ledger, made: Product) -> None:
    found = confirm(book, Cloud(*map(device, IDS), device("ffff00000000")), made, LOT, online=True)
    assert (found.done, found.moved, found.units, found.whole) == (True, 3, 3, True)
    assert rows(book) == ["online"] * 3
    assert found.as_json() == {
        "lot": LOT, "units": 3, "rows": {"online": 3}, "moved": 3, "whole": True, "named": [],
    }  # fmt: skip
    again = confirm(book, Cloud(*(device(one, online=False, services=()) for one in IDS)), made, LOT)
    assert (again.done, again.moved, rows(book)) == (True, 0, ["online"] * 3)


def test_before_the_first_boot(book: Ledger, made: Product) -> None:
    published = [device(one, online=False, services=()) for one in IDS]
    found = confirm(book, Cloud(*published), made, LOT)
    assert (found.done, rows(book)) == (True, ["preregistered"] * 3)
    found = confirm(
        book, Cloud(*published[:2], replace(published[2], last_reported="2026-11-20")), made, LOT, online=True
    )
    assert named(found) == [(one, Wrong.OFFLINE) for one in IDS]
    assert [one.text for one in found.named] == ["never heard of", "never heard of", "last heard of 2026-11-20"]
    assert found.may_pass


def test_who_is_missing(book: Ledger, made: Product) -> None:
    found = confirm(book, Cloud(device(IDS[0]), device(IDS[1].upper(), name=IDS[1]), total=5), made, LOT)
    assert named(found) == [(IDS[1], Wrong.MISSING), (IDS[2], Wrong.MISSING)]
    assert found.named[0].text == f"is not in the cloud; {IDS[1].upper()} is, which differs only by case"
    assert (rows(book), found.whole, found.may_pass) == (["online", "exported", "exported"], False, True)


def test_a_prefix_is_not_the_unit(book: Ledger, made: Product) -> None:
    found = confirm(book, Cloud(*(device(f"{one}0") for one in IDS)), made, LOT)
    assert named(found) == [(one, Wrong.MISSING) for one in IDS]
    assert rows(book) == ["exported"] * 3


def test_a_clone_is_never_called_online(book: Ledger, made: Product) -> None:
    found = confirm(book, Cloud(device(IDS[0], cloned=True), device(IDS[1]), device(IDS[2])), made, LOT)
    assert named(found) == [(IDS[0], Wrong.CLONED)]
    assert (rows(book), found.may_pass) == (["preregistered", "online", "online"], False)


def test_twice_in_the_cloud(book: Ledger, made: Product) -> None:
    twin = device(IDS[0], id="80:twin", name=f"{IDS[0]}-1")
    found = confirm(book, Cloud(*map(device, IDS), twin), made, LOT)
    assert named(found) == [(IDS[0], Wrong.TWICE), (IDS[0], Wrong.MISNAMED)]
    assert rows(book) == ["preregistered", "online", "online"]


def test_another_name(book: Ledger, made: Product) -> None:
    found = confirm(book, Cloud(device(IDS[0], name="renamed"), device(IDS[1]), device(IDS[2])), made, LOT)
    assert named(found) == [(IDS[0], Wrong.MISNAMED)]
    assert found.named[0].text == f'is "renamed" in the cloud and passed as "{IDS[0]}"'
    assert rows(book) == ["online"] * 3


def test_services_as_declared(book: Ledger, made: Product) -> None:
    ssh = Service("s1", "ssh", 22, True)
    devices = (
        device(IDS[0], services=(ssh,)),
        device(IDS[1], services=(ssh, Service("s2", "web", 8080, True))),
        device(IDS[2], services=(ssh, Service("s2", "web", 80, False))),
    )
    found = confirm(book, Cloud(*devices), made, LOT)
    assert named(found) == [(one, Wrong.SERVICE) for one in IDS]
    assert [one.text for one in found.named] == [
        "has no service web; it has: ssh",
        "its service web is on port 8080 and declared on 80",
        "its service web is disabled",
    ]
    assert rows(book) == ["online"] * 3


def test_units_that_are_in_no_live_upload(book: Ledger, made: Product) -> None:
    make_pass(book, made, 4)
    book.take_verdicts(LOT, [Verdict(IDS[0], RowState.REJECTED, "dup")], file="a", sha256="a" * 64)
    found = confirm(book, Cloud(*map(device, IDS)), made, LOT)
    assert named(found) == [(IDS[0], Wrong.REFUSED), ("b827eb000008", Wrong.UNLISTED)]
    assert "the cloud has it all the same" in found.named[0].text
    assert rows(book) == ["rejected", "online", "online", "unlisted"]
    assert not found.may_pass


def test_a_device_of_an_earlier_registration_is_not_the_new_upload(tmp_path: Path, book: Ledger, made: Product) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    found = confirm(book, Cloud(*(device(one, created=before) for one in IDS)), made, LOT)
    assert found.done, "the clocks of cloud and station are compared only where there was an earlier upload"
    make_pass(book, made, 4)
    export(book, made, LOT, tmp_path / "out")
    again = "b827eb000008"
    book.take_verdicts(LOT, [Verdict(again, RowState.REJECTED, "dup")], file="a", sha256="a" * 64)
    export(book, made, LOT, tmp_path / "out", only_rejected=True)
    good = [device(one) for one in IDS]
    for created in (before, None):
        found = confirm(book, Cloud(*good, device(again, created=created)), made, LOT)
        assert named(found) == [(again, Wrong.STALE)]
        assert rows(book)[3] == "exported"
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert confirm(book, Cloud(*good, device(again, created=later)), made, LOT).done
    assert rows(book) == ["online"] * 4


def test_what_cannot_be_confirmed(tmp_path: Path, book: Ledger, made: Product) -> None:
    with pytest.raises(UsageError, match=r"no lot other"):
        confirm(book, Cloud(), made, "other")
    package = made.model_copy(update={"registration": PackageRegistration()})
    with pytest.raises(FactoryError, match=r"are in no upload") as caught:
        confirm(book, Cloud(), package, LOT)
    assert caught.value.code == "confirm.profile"
    other = made.model_copy(update={"product": made.product.model_copy(update={"name": "switch"})})
    with pytest.raises(UsageError, match=r"was made as product router"):
        confirm(book, Cloud(), other, LOT)
    with ledger(tmp_path, "empty") as empty, pytest.raises(FactoryError, match=r"has passed yet") as caught:
        confirm(empty, Cloud(), made, "empty")
    assert caught.value.code == "confirm.nothing"


def test_every_finding_says_what_to_do() -> None:
    assert all(one.advice for one in Wrong)
