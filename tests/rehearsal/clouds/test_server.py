"""The server itself: what outlives a restart, faults by name and count, certificates, nothing secret in any output."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from factory.cli.rehearse_clouds import _make_product
from factory.config import load_product
from factory.errors import NotStartedError
from factory.rehearsal.clouds.faults import CloudFault, parse_order
from factory.rehearsal.clouds.server import SimulatedClouds
from tests.rehearsal.clouds.conftest import BULK, Talker, a_file, a_row


def _registering(talker: Talker) -> tuple[str, str]:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    return bic, hwid


def test_a_lost_reply_was_committed(talker: Talker) -> None:
    bic, hwid = _registering(talker)
    talker.clouds.faults.set(CloudFault.LOST_REPLY, 1)
    assert talker.friendly(bic, hwid)["status"] == "true"  # nothing is committed by it, so nothing is lost
    with pytest.raises(httpx2.TransportError):
        talker.register(bic, hwid)
    assert talker.clouds.remoteit.unit(hwid)["registered"]
    assert talker.register(bic, hwid)["status"] == "false"
    assert talker.clouds.counters()["fault:lost-reply"] >= 1


def test_500_after_a_commit(talker: Talker) -> None:
    bic, hwid = _registering(talker)
    talker.clouds.faults.set(CloudFault.ERROR_AFTER_COMMIT)
    body = json.dumps({"project_id": bic, "hardware_id": hwid, "registration_key": f"KEY-{hwid}"})
    assert talker.http.post(f"{BULK}/register", content=body).status_code == 500
    assert talker.clouds.remoteit.unit(hwid)["registered"]


def test_a_lost_reply_of_connect_has_opened_the_connection(talker: Talker) -> None:
    bic, hwid = _registering(talker)
    talker.boot(bic, hwid)
    uid = talker.clouds.remoteit.unit(hwid)["services"][0]["uid"]
    talker.clouds.faults.set(CloudFault.LOST_REPLY, path="/device/connect")
    with pytest.raises(httpx2.TransportError):
        talker.rest("/device/connect", {"deviceaddress": uid, "hostip": "0.0.0.0"})
    assert talker.clouds.faults.left() == []


@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [(CloudFault.THROTTLED, 429, "throttled"), (CloudFault.HTML_ERROR, 502, "<h1>"), (CloudFault.GARBAGE, 200, "tru")],
)
def test_replies_instead_of_the_work(talker: Talker, fault: CloudFault, status: int, content: str) -> None:
    bic, hwid = _registering(talker)
    talker.clouds.faults.set(fault, 2, "/bulk/registration/register")
    body = json.dumps({"project_id": bic, "hardware_id": hwid, "registration_key": f"KEY-{hwid}"})
    for _ in range(2):
        reply = talker.http.post(f"{BULK}/register", content=body)
        assert reply.status_code == status
        assert content in reply.text
        if fault is CloudFault.THROTTLED:
            assert reply.headers["retry-after"] == "1"
    assert not talker.clouds.remoteit.unit(hwid)["registered"]
    assert talker.register(bic, hwid)["status"] == "true"


def test_slow(talker: Talker) -> None:
    bic, hwid = _registering(talker)
    talker.clouds.faults.set(CloudFault.SLOW)
    begun = time.monotonic()
    talker.friendly(bic, hwid)
    assert time.monotonic() - begun >= 0.3


def test_a_wrong_clock_refuses_and_shows_itself(talker: Talker) -> None:
    talker.clouds.faults.set(CloudFault.WRONG_CLOCK)
    from email.utils import parsedate_to_datetime

    reply = talker.signed("POST", "/graphql/v1", b'{"query":"{login{email}}"}')
    assert reply.status_code == 401
    assert 3500 < parsedate_to_datetime(reply.headers["date"]).timestamp() - time.time() < 3700
    assert talker.signed("POST", "/graphql/v1", b'{"query":"{login{email}}"}').status_code == 200


def test_faults_by_http(talker: Talker) -> None:
    made = talker.http.post("/rehearsal/faults", json={"name": "throttled", "count": 2, "path": "/graphql"}).json()
    assert made["faults"] == [{"name": "throttled", "count": 2, "path": "/graphql"}]
    assert talker.http.post("/graphql/v1").status_code == 429
    assert talker.http.get("/rehearsal/faults").json()["faults"][0]["count"] == 1
    assert talker.http.post("/rehearsal/faults", json={"name": "nonsense"}).status_code == 422
    assert talker.http.post("/rehearsal/faults", json={"name": "slow", "count": "many"}).status_code == 422
    assert talker.http.delete("/rehearsal/faults").json()["faults"] == []


def test_counters_count_by_route(talker: Talker) -> None:
    bic, hwid = _registering(talker)
    route = "GET /apv/v27/bulk/registration/device/friendly/configuration/{bic}/{hwid}/"
    before = talker.clouds.counters().get(route, 0)
    talker.friendly(bic, hwid)
    assert talker.clouds.counters()[route] == before + 1
    assert hwid not in talker.http.get("/rehearsal/counters").text


@pytest.mark.parametrize("text", ["", "nonsense", "slow=", "slow=x", "slow=1@", "slow 1"])
def test_orders_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|NAME"):
        parse_order(text)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with SimulatedClouds(tmp_path / "state") as clouds:
        talker = Talker(clouds)
        bic, registration = talker.lot("aa01", "aa02")
        reply = talker.boot(bic, "aa01")
        account, ca = clouds.account, clouds.ca.read_bytes()
        talker.http.close()
    with SimulatedClouds(tmp_path / "state") as clouds:
        talker = Talker(clouds)
        assert (clouds.account, clouds.account.secret, clouds.ca.read_bytes()) == (account, account.secret, ca)
        assert clouds.remoteit.registration(registration.id).online == 1
        assert talker.register(bic, "aa01")["reason"] == "registered already"
        ready = {"BulkIdentificationCode": bic, "HardwareId": "aa01", "DeviceSecret": reply["secret"]}
        assert talker.post(f"{BULK}/device/ready/", ready)["status"] == "true"
        with pytest.raises(Exception, match="registered"):
            clouds.remoteit.upload(bic, "again", a_file(a_row("aa02")))
        talker.http.close()
    for file in (tmp_path / "state").iterdir():
        assert file.suffix == ".pem" or stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_file_that_is_no_state_and_a_port_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(NotStartedError, match="cannot be used"), SimulatedClouds(tmp_path):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotStartedError, match="cannot listen"), SimulatedClouds(tmp_path / "new", port=port):
            pass


def test_only_clients_with_the_ca_are_content(talker: Talker) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(talker.clouds.url)
    context = ssl.create_default_context(cafile=str(talker.clouds.ca))
    plain = socket.create_connection(("127.0.0.1", int(talker.clouds.url.rpartition(":")[2])), 10)
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_nothing_secret_is_logged(
    talker: Talker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    bic, hwid = _registering(talker)
    secret = talker.boot(bic, hwid)["secret"]
    talker.signed("POST", "/graphql/v1", b'{"query":"{login{email}}"}')
    out, err = capfd.readouterr()
    for hidden in (secret, f"KEY-{hwid}", talker.clouds.account.secret, talker.clouds.account.developer_key):
        assert hidden not in caplog.text + out + err


CODE = "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"


def _product(folder: Path) -> Path:
    """A product of the shipped sample with a code and a service of its own."""
    shutil.copytree(Path(__file__).parents[3] / "samples" / "remoteit-bulk", folder)
    file = folder / "product.toml"
    text = file.read_text().replace("00000000-0000-0000-0000-000000000000", CODE)
    file.write_text(text.replace('# services = [{ name = "ssh"', 'services = [{ name = "ssh"'))
    return file


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "factory", "rehearse", "clouds", "--json", "--fault", "throttled=1@/graphql"]
    command += ["--product", str(_product(tmp_path / "acme"))]
    process = subprocess.Popen(
        [*command, "--state", "clouds/state.sqlite"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert document["schema"] == "factory.rehearse.clouds/1"
        context = ssl.create_default_context(cafile=document["ca"])
        reply = httpx2.get(f"{document['url']}/rehearsal/portal/products", verify=context, timeout=20)
        assert reply.json()["products"] == document["products"]
        (product,) = document["products"]
        assert product["bic"] == product["services"][0]["pid"] == CODE
        assert [(one["name"], one["type"], one["port"]) for one in product["services"][1:]] == [("ssh", "ssh", 22)]
        assert httpx2.post(f"{document['url']}/graphql/v1", verify=context, timeout=20).status_code == 429
        credentials = Path(document["credentials"]).read_text()
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    for line in credentials.splitlines()[1:]:
        assert line.partition("=")[2] not in json.dumps(document) + out + err


@pytest.mark.parametrize("fault", ["nonsense", "slow=x"])
def test_the_command_names_a_wrong_fault(tmp_path: Path, fault: str) -> None:
    command = [sys.executable, "-m", "factory", "rehearse", "clouds", "--fault", fault]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.returncode == 2
    assert "fault" in done.stderr or "NAME" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_product_that_changed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _product(tmp_path / "acme")
    with SimulatedClouds(tmp_path / "clouds") as simulated:
        for _ in range(2):
            _make_product(simulated, load_product(file))
        assert capsys.readouterr().err == ""
        file.write_text(file.read_text().replace("port = 22", "port = 2222"))
        _make_product(simulated, load_product(file))
        assert f"product {CODE} with other services" in capsys.readouterr().err
