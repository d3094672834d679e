"""The commands of remote.it against the simulated cloud, through to a real sshd, and Ctrl-C on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from factory.cli import main
from factory.clouds.errors import CloudReplyLost
from factory.clouds.remoteit.account import RemoteItAccount
from factory.config import Product, load_product
from factory.errors import Exit
from factory.lots import export
from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.remoteit.portal import ServiceSpec
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings
from tests.clouds.rawserver import http, raw_server
from tests.clouds.remoteit.conftest import SERVICES, World
from tests.lots.made import CODE, LOT, ledger, make_pass, product
from tests.units.servers import openssh

IDS = [f"b827eb{2 * number:06x}" for number in (1, 2, 3)]
Call = Callable[..., int]


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedClouds]:
    settings = Settings(slow_seconds=1.0)
    with SimulatedClouds(tmp_path_factory.mktemp("clouds") / "state", settings=settings) as started:
        yield started


@pytest.fixture
def world(clouds: SimulatedClouds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    for name in ("R3_ACCESS_KEY_ID", "R3_SECRET_ACCESS_KEY", "FACTORY_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("FACTORY_REMOTEIT_URL", clouds.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(clouds.ca))
    monkeypatch.chdir(tmp_path)
    yield World(clouds, [])
    clouds.faults.clear()


@pytest.fixture
def call(world: World) -> Call:
    def run(*arguments: object) -> int:
        return main(["remoteit", *map(str, arguments), "--credentials", str(world.clouds.credentials)])

    return run


def secrets_of(world: World) -> tuple[str, str]:
    return world.clouds.account.secret, world.clouds.account.developer_key


def test_whoami(world: World, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("whoami") == Exit.DONE
    assert world.clouds.account.email in capsys.readouterr().out
    assert call("whoami", "--json") == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["email"]) == ("factory.remoteit.whoami/1", world.clouds.account.email)
    assert call("whoami", "--profile", "default") == Exit.USAGE
    assert "Case matters: there is DEFAULT." in capsys.readouterr().err
    world.clouds.faults.set(CloudFault.WRONG_CLOCK, 1)
    assert call("whoami", "--json") == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "remoteit.clock"


def test_what_a_cloud_says_does_not_steer_the_terminal(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"data": {"login": {"id": "1", "email": "\x1b]0;you\x07[bold]me\u202e"}}}).encode()
    with raw_server(tmp_path, http("200 OK", body)) as server:
        assert call("whoami", "--server", server.url, "--ca", server.ca) == Exit.DONE
    assert capsys.readouterr().out.startswith("?]0;you?[bold]me? at https://")


def test_a_careless_mode_is_warned_about(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "credentials"
    copy.write_bytes(world.clouds.credentials.read_bytes())
    copy.chmod(0o644)
    assert main(["remoteit", "whoami", "--credentials", str(copy)]) == Exit.DONE
    said = capsys.readouterr()
    assert "mode 0644" in said.err
    assert not any(secret in said.out + said.err for secret in secrets_of(world))


def test_the_product_file_says_which_server(
    world: World, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FACTORY_REMOTEIT_URL")
    product(tmp_path / "p", registration__server=world.clouds.url, registration__sign_content_length=False)
    assert call("whoami", "--product", "p/product.toml") == Exit.DONE
    assert world.clouds.url in capsys.readouterr().out


def test_a_cloud_that_is_not_there(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("whoami", "--server", "http://127.0.0.1") == Exit.USAGE
    assert "must be https://HOST" in capsys.readouterr().err
    assert call("whoami", "--ca", tmp_path / "none.pem") == Exit.USAGE
    assert "none.pem" in capsys.readouterr().err


@pytest.fixture
def lot(world: World, tmp_path: Path) -> Iterator[Product]:
    """A lot of three, exported, and uploaded and published in the simulated portal."""
    product(tmp_path / "p")
    file = tmp_path / "p" / "product.toml"
    lines = [line for line in file.read_text().splitlines() if not line.lstrip("# ").startswith("services =")]
    at = lines.index("[registration]") + 1
    lines.insert(
        at, 'services = [{ name = "ssh", type = "ssh", port = 22 }, { name = "web", type = "http", port = 80 }]'
    )
    file.write_text("\n".join(lines) + "\n")
    made = load_product(file)
    with ledger(tmp_path) as book:
        for number in (1, 2, 3):
            make_pass(book, made, number)
        (upload,) = export(book, made, LOT, tmp_path / "out").files
    portal = world.clouds.remoteit
    if not any(one["bic"] == CODE for one in portal.products()):
        portal.create_product("gateway", list(SERVICES), CODE)
    registration = portal.upload(CODE, "lot", upload.read_bytes())
    portal.publish(registration.id)
    yield made
    portal.delete(registration.id)


CONFIRM = ("confirm", "--lot", LOT, "--product", "p/product.toml")


def test_confirm(world: World, call: Call, lot: Product, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*CONFIRM) == Exit.DONE
    said = capsys.readouterr()
    assert f"lot {LOT}: 3 preregistered" in said.err
    assert "all 3 units" in said.err
    assert call(*CONFIRM, "--online", "--json") == Exit.FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["rows"]) == ("factory.remoteit.confirm/1", {"preregistered": 3})
    assert [(one["hardware_id"], one["wrong"]) for one in told["named"]] == [(one, "offline") for one in IDS]
    world.clouds.remoteit.set_unit(IDS[0], cloned=True, name="stranger")
    assert call(*CONFIRM) == Exit.FAILED
    said = capsys.readouterr()
    assert f"cloned    {IDS[0]}" in said.out
    assert f'misnamed  {IDS[0]}  is "stranger"' in said.out
    assert "cloned: Stop it" in said.err
    written = b"".join(path.read_bytes() for path in Path().glob("ledger.db*"))
    for secret in secrets_of(world):
        assert secret not in said.out + said.err
        assert secret.encode() not in written


def test_confirm_waits_and_goes_on(world: World, call: Call, lot: Product, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from factory.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = [*CONFIRM, "--online", "--wait", "2", "--every", "1", "--json-lines"]
    command = [sys.executable, "-c", code, "remoteit", *arguments, "--credentials", str(world.clouds.credentials)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as waiting:
        assert waiting.stdout is not None
        first = json.loads(waiting.stdout.readline())
        assert first["rows"] == {"preregistered": 3}
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == Exit.INTERRUPTED
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as waiting:
        assert waiting.stdout is not None
        json.loads(waiting.stdout.readline())
        for one in IDS:
            boot(world, one)
        looks = [json.loads(line) for line in waiting.stdout]
        assert waiting.wait(60) == Exit.DONE
    assert (looks[-1]["rows"], looks[-1]["named"]) == ({"online": 3}, [])
    assert call("devices", "--lot", LOT, "--state", "active", "--json") == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert sorted(one["hardware_id"] for one in told["devices"]) == IDS
    assert {one["name"] for one in told["devices"][0]["services"]} == {"ssh", "web"}
    assert call("devices", "--lot", LOT) == Exit.DONE
    assert all(one in capsys.readouterr().out for one in IDS[:1])
    assert call("devices", "--state", "online") == Exit.USAGE


def boot(world: World, hwid: str) -> None:
    """A first boot with the key of the lot's own CSV."""
    (upload,) = Path("out").glob("*.csv")
    key = next(line.split(",")[0] for line in upload.read_text().splitlines() if f",{hwid}," in line)
    world.boot(CODE, hwid, key=key)


# --- connections ---


@pytest.fixture
def unit(world: World) -> str:
    (hwid,) = world.new_ids(1)
    services = (ServiceSpec("ssh", "ssh", 22), ServiceSpec("web", "http", 80))
    world.boot(world.publish(hwid, services=services), hwid)
    return hwid


def open_connections(world: World) -> int:
    counters = world.clouds.counters()
    return counters.get("POST /apv/v27/device/connect", 0) - counters.get("POST /apv/v27/device/connect/stop", 0)


@pytest.mark.parametrize("mode", [(), ("--mode", "restricted", "--ip", "127.0.0.1"), ("--mode", "public", "--yes")])
def test_check_reaches_a_real_sshd(
    world: World, call: Call, unit: str, tmp_path: Path, mode: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_connections(world)
    with openssh(tmp_path) as (port, _):
        world.clouds.remoteit.set_target(unit, "ssh", f"127.0.0.1:{port}")
        assert call("connect", f"{unit}/ssh", "--check", "--json", *mode) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["reached"]["kind"] == "ssh"
    assert told["reached"]["said"].startswith("SSH-2.0-OpenSSH")
    assert open_connections(world) == before
    with pytest.raises(OSError):
        socket.create_connection((told["host"], told["port"]), timeout=5)


def test_check_reads_the_status_of_a_web_page(
    world: World, call: Call, unit: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = "import http.server as s; h = s.ThreadingHTTPServer(('127.0.0.1', 0), s.SimpleHTTPRequestHandler); "
    code += "print(h.server_port, flush=True); h.serve_forever()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as web:
        assert web.stdout is not None
        try:
            world.clouds.remoteit.set_target(unit, "web", f"127.0.0.1:{int(web.stdout.readline())}")
            assert call("connect", f"unit {unit}/web", "--check") == Exit.DONE
        finally:
            web.terminate()
    said = capsys.readouterr()
    assert f"reached web of unit {unit} ({unit}): HTTP 200" in said.out
    assert "is ended" in said.err


def test_check_of_a_dead_service_fails_and_ends_the_connection(
    world: World, call: Call, unit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_connections(world)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    world.clouds.remoteit.set_target(unit, "ssh", f"127.0.0.1:{dead}")
    assert call("connect", f"{unit}/ssh", "--check", "--json") == Exit.FAILED
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "remoteit.not-reached"
    assert open_connections(world) == before


def test_a_connection_that_cannot_be_ended_is_named_with_its_options(
    world: World, call: Call, unit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[str] = []

    def lost(account: RemoteItAccount, service: str, connection: str) -> None:
        ended.append(f"{service} {connection}")
        raise CloudReplyLost("no reply", hint="Try again.")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    world.clouds.remoteit.set_target(unit, "ssh", f"127.0.0.1:{dead}")
    with monkeypatch.context() as patched:
        patched.setattr(RemoteItAccount, "stop", lost)
        assert call("connect", f"{unit}/ssh", "--check", "--ca", world.clouds.ca) == Exit.NOT_STARTED
    given = f"--credentials {world.clouds.credentials} --ca {world.clouds.ca}"
    assert f"disconnect {ended[0]} {given}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["asked", "reaching"])
def test_an_interrupt_ends_the_connection(world: World, unit: str, number: int, moment: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # listens, and never says a word
        world.clouds.remoteit.set_target(unit, "ssh", f"127.0.0.1:{listener.getsockname()[1]}")
        before = open_connections(world)
        connects = world.clouds.counters().get("POST /apv/v27/device/connect", 0)
        if moment == "asked":
            world.clouds.faults.set(CloudFault.SLOW, 1, "/device/connect")
        code = "import sys; from factory.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "remoteit", "connect", f"{unit}/ssh", "--check", "--within", "60"]
        command += ["--credentials", str(world.clouds.credentials)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as checking:
            assert checking.stderr is not None
            assert "connecting to" in checking.stderr.readline()
            if moment == "asked":
                time.sleep(0.3)  # the slow reply takes a second
            else:
                listener.settimeout(30)
                stream, _ = listener.accept()
            os.kill(checking.pid, number)
            assert checking.wait(60) == Exit.INTERRUPTED
        if moment == "reaching":
            stream.close()
    assert world.clouds.counters()["POST /apv/v27/device/connect"] == connects + 1
    assert open_connections(world) == before


def test_open_and_end_by_hand(world: World, call: Call, unit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("connect", f"{unit}/ssh") == Exit.DONE
    said = capsys.readouterr()
    host, _, port = said.out.strip().rpartition(":")
    socket.create_connection((host, int(port)), timeout=10).close()
    service, connection = said.err.split("disconnect ")[1].split()[:2]
    assert call("disconnect", service, connection) == Exit.DONE
    assert call("disconnect", f"{unit}/ssh", connection, "--json") == Exit.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert "no such connection" in error["message"]
    assert call("connect", f"{unit}/web", "--server", world.clouds.url, "--profile", "DEFAULT") == Exit.DONE
    said = capsys.readouterr()
    assert said.out.startswith("https://")
    options = f" --profile DEFAULT --credentials {world.clouds.credentials} --server {world.clouds.url}"
    assert said.err.rstrip().endswith(options), "the same account ends it"
    assert "to everybody who knows the address" in said.err
    service, connection = said.err.split("disconnect ")[1].split()[:2]
    assert call("disconnect", service, connection) == Exit.DONE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--mode", "public"), "remoteit.public"),
        (("--mode", "open"), "remoteit.mode"),
        (("--mode", "restricted"), "remoteit.ip"),
        (("--ip", "203.0.113.7"), "remoteit.ip"),
    ],
)
def test_what_is_not_opened(
    world: World, call: Call, arguments: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = world.clouds.counters()
    assert call("connect", "80:00:00:00:00:00:00:91", "--json", *arguments) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert world.clouds.counters() == before, "nothing was asked"


def test_a_wait_outlives_a_cloud_that_is_down(
    world: World, call: Call, lot: Product, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory.cli.remoteit_options._wait", lambda _: None)
    world.clouds.faults.set(CloudFault.HTML_ERROR, 7, "/graphql")
    assert call(*CONFIRM, "--wait", "2", "--every", "1") == Exit.DONE
    assert "HTTP 502 and a page of HTML; asking again" in capsys.readouterr().err
    world.clouds.faults.set(CloudFault.HTML_ERROR, 5, "/graphql")
    assert call(*CONFIRM) == Exit.NOT_STARTED
