"""The portal: what an upload must be like, how it goes on, and who may talk to it."""

from __future__ import annotations

import csv
import io

import httpx2
import pytest

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.remoteit.portal import PortalRefusedError, ServiceSpec
from factory.rehearsal.clouds.remoteit.upload import HEADER, read_upload
from tests.rehearsal.clouds.conftest import Talker, a_file, a_row

PORTAL = "/rehearsal/portal"


def upload(talker: Talker, bic: str, content: bytes, name: str = "lot") -> httpx2.Response:
    return talker.http.post(f"{PORTAL}/registrations", params={"product": bic, "name": name}, content=content)


def test_upload_publish_delete_over_http(talker: Talker) -> None:
    services = [{"name": "ssh", "type": "ssh", "port": 22}]
    product = talker.http.post(f"{PORTAL}/products", json={"name": "box", "services": services})
    assert product.status_code == 201
    bic = product.json()["bic"]
    assert [one["name"] for one in product.json()["services"]] == ["Bulk Service", "ssh"]
    hwid = talker.new_id()
    made = upload(talker, bic, a_file(a_row(hwid)))
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["uploaded"]) == ("configured", 1)
    path = f"{PORTAL}/registrations/{made.json()['id']}"
    assert talker.http.post(f"{path}/publish", json={}).status_code == 422
    assert talker.http.post(f"{path}/publish", json={"confirm": True}).json()["state"] == "preregistered"
    assert talker.http.post(f"{path}/publish", json={"confirm": True}).status_code == 409
    assert talker.http.get(path).json()["units"][0]["hardware_id"] == hwid
    assert talker.http.get(f"{PORTAL}/units/{hwid}").json()["state"] == "preregistered"
    assert talker.http.delete(path).status_code == 200
    assert talker.http.get(path).status_code == 404
    assert talker.http.get(f"{PORTAL}/units/{hwid}").status_code == 404


def test_no_key_is_ever_shown(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, registration = talker.lot(hwid)
    secret = talker.boot(bic, hwid)["secret"]
    shown = "".join(
        talker.http.get(path).text
        for path in (f"{PORTAL}/units/{hwid}", f"{PORTAL}/registrations/{registration.id}", "/", f"{PORTAL}/products")
    )
    assert secret not in shown
    assert f"KEY-{hwid}" not in shown
    assert talker.clouds.account.secret not in shown + repr(talker.clouds.account)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header"),
        (HEADER.replace(", HARDWARE_ID", ",HARDWARE_ID").encode() + b"\n" + a_row("aa").encode(), "header"),
        (b"\xef\xbb\xbf" + a_file(a_row("aa")), "ASCII"),
        (a_file(a_row("aa")).replace(b"\n", b"\r\n"), "LF"),
        (a_file(), "no devices"),
        (a_file(a_row("aa"), "", ""), "1 columns"),
        (a_file(*(a_row(f"a{number}") for number in range(1001))), "1000"),
        (a_file(a_row("aa")) + b"x" * 250_001, "250000"),
        (a_file("k,aa,n,,,"), "13"),
        (a_file(a_row("default.")), "placeholder"),
        (a_file(a_row("Issue hardware id")), "complaint"),
        (a_file(a_row("a b")), "character"),
        (a_file(a_row("a/b")), "character"),
        (a_file(a_row("", key="k", name="n")), "empty"),
        (a_file(",aa,n,,,,,,,,,,"), "empty"),
        (a_file("default.,aa,n,,,,,,,,,,"), "placeholder"),
        (a_file(" k,aa,n,,,,,,,,,,"), "blanks"),
        (a_file("k,aa,,,,,,,,,,,"), "name"),
        (a_file('k,aa,n,"x",,,,,,,,,'), "quote"),
        (a_file(a_row("aa"), a_row("aa", name="other")), "row 2"),
        (a_file(a_row("aa"), a_row("AA", name="other")), "row 2"),
        (a_file(a_row("aa", name="n"), a_row("bb", name="n")), "row 2"),
    ],
)
def test_files_that_are_refused_whole(talker: Talker, content: bytes, reason: str) -> None:
    bic = talker.clouds.remoteit.create_product("refuser")
    before = len(talker.clouds.remoteit.registrations())
    reply = upload(talker, bic, content)
    assert reply.status_code == 422
    reasons = " ".join(problem["reason"] for problem in reply.json()["problems"])
    assert reason in reasons
    assert len(talker.clouds.remoteit.registrations()) == before


def test_a_final_line_end_is_no_row() -> None:
    assert read_upload(a_file(a_row("aa")) + b"\n") == read_upload(a_file(a_row("aa")))


def test_duplicates_against_everything_that_is_registered(talker: Talker) -> None:
    hwid = talker.new_id()
    talker.lot(hwid, publish=False)
    bic = talker.clouds.remoteit.create_product("second")
    new = talker.new_id()
    for row in (a_row(hwid), a_row(hwid.upper()), a_row(new, name=f"unit {hwid}")):
        reply = upload(talker, bic, a_file(a_row(talker.new_id()), row))
        assert reply.status_code == 422
        assert [problem["row"] for problem in reply.json()["problems"]] == [3]


def test_the_samples_of_the_reader_are_what_a_csv_reader_sees() -> None:
    content = a_file(a_row("aa"), a_row("bb"))
    lines, problems = read_upload(content)
    assert problems == []
    rows = list(csv.reader(io.StringIO(content.decode())))[1:]
    assert [[line.key, line.hardware_id, line.name, *line.categories] for line in lines] == rows


def test_half_rejected(talker: Talker) -> None:
    bic = talker.clouds.remoteit.create_product("half")
    ids = [talker.new_id() for _ in range(4)]
    talker.clouds.faults.set(CloudFault.HALF_REJECTED)
    reply = upload(talker, bic, a_file(*(a_row(one) for one in ids))).json()
    assert reply["uploaded"] == 2
    assert [problem["row"] for problem in reply["rejected"]] == [3, 5]
    assert talker.clouds.remoteit.unit(ids[0])["state"] == "configured"
    with pytest.raises(PortalRefusedError):
        talker.clouds.remoteit.unit(ids[1])


def test_products_that_are_refused(talker: Talker) -> None:
    portal = talker.clouds.remoteit
    bic = portal.create_product("one")
    refused: list[tuple[str, list[ServiceSpec], str | None]] = [
        ("two", [], bic),
        ("two", [], "lower-case"),
        ("two", [ServiceSpec("a", "telepathy", 1)], None),
        ("two", [ServiceSpec("a", "ssh", 0)], None),
        ("two", [ServiceSpec("a", "ssh", 1), ServiceSpec("a", "tcp", 2)], None),
        (" ", [], None),
    ]
    for name, services, code in refused:
        with pytest.raises(PortalRefusedError):
            portal.create_product(name, services, code)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_site_cannot_reach_the_controls(talker: Talker, headers: dict[str, str]) -> None:
    for path in ("/", "/rehearsal/faults", f"{PORTAL}/products"):
        assert talker.http.get(path, headers=headers).status_code == 403
    assert talker.http.post("/rehearsal/faults", json={"name": "slow"}, headers=headers).status_code == 403
    assert talker.clouds.faults.left() == []
