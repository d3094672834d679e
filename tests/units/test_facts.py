from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import UnitSection
from factory.rehearsal.faults import Fault
from factory.secrets import Secret
from factory.units.deadline import Deadline
from factory.units.facts import agree, read_facts
from factory.units.facts_script import Part, parse
from factory.units.login import Login
from factory.units.protocol import UnitError
from factory.values import Facts, Mac
from tests.units.conftest import MACS, Simulate, link_tools
from tests.units.local import LocalUnit
from tests.units.test_serial_faults import SIMULATED, open_simulated
from tests.units.test_ssh import connect
from tests.units.transcripts import Kept

FILES = {
    "proc/device-tree/serial-number": "10000000abcd0001\0",
    "proc/device-tree/model": "Test Board Rev 2\0",
    "proc/sys/kernel/random/boot_id": "c69b2088-dcba-4edf-8c9b-08577250e2fe\n",
    "proc/sys/kernel/osrelease": "6.6.51\n",
    "net/lo/address": "00:00:00:00:00:00\n",
    "net/lo/type": "772\n",
    "net/eth0/address": "b8:27:eb:00:00:01\n",
    "net/eth0/type": "1\n",
    "net/wlan0/address": "B8:27:EB:00:00:02\n",
    "net/sit0/address": "00:00:00:00\n",
    "net/sit0/type": "776\n",
    "net/bonding_masters": "\n",
}
SECTION = UnitSection(simulated=True, interfaces_dir="net", facts={"firmware": "echo 1.2"})


def build(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> LocalUnit:
    root = folder / "root"
    for name, content in {**FILES, **(changes or {})}.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    tools = folder / "bin"
    if not tools.exists():
        link_tools(tools)
    return LocalUnit(root, env={"PATH": str(tools)})


def facts_of(unit: LocalUnit, section: UnitSection = SECTION) -> Facts:
    return read_facts(unit, section, deadline=Deadline(10))


def refused(unit: LocalUnit, section: UnitSection = SECTION) -> str:
    with pytest.raises(UnitError) as raised:
        facts_of(unit, section)
    assert raised.value.code == "unit.facts"
    return raised.value.message


def test_everything_in_one_round_trip(tmp_path: Path) -> None:
    unit = build(tmp_path)
    facts = facts_of(unit)
    assert {name: mac.colons for name, mac in facts.interfaces.items()} == MACS
    assert (facts.serial, facts.model) == ("10000000abcd0001", "Test Board Rev 2")
    assert facts.boot_id == "c69b2088-dcba-4edf-8c9b-08577250e2fe"
    assert (facts.kernel, facts.values) == ("6.6.51", {"firmware": "1.2"})
    assert facts.connectd is None
    assert facts.routes == (unit.route,)
    assert len(unit.commands) == 1


def test_what_a_unit_does_not_have_is_none(tmp_path: Path) -> None:
    gone = dict.fromkeys(name for name in FILES if name.startswith("proc/"))
    facts = facts_of(build(tmp_path, gone))
    assert (facts.serial, facts.model, facts.boot_id) == (None, None, None)
    assert facts.kernel, "uname says it then"


def test_serials_from_other_places(tmp_path: Path) -> None:
    none: dict[str, str | bytes | None] = {"proc/device-tree/serial-number": None, "proc/device-tree/model": None}
    cpuinfo = "processor\t: 0\nmodel name\t: x\n\nSerial\t\t: 00000000deadbeef\nModel\t\t: Some Pi\n"
    facts = facts_of(build(tmp_path / "a", {**none, "proc/cpuinfo": cpuinfo}))
    assert (facts.serial, facts.model) == ("00000000deadbeef", "Some Pi")
    dmi: dict[str, str | bytes | None] = {
        "sys/class/dmi/id/board_serial": "PF1234 \n",
        "sys/class/dmi/id/product_name": "Box\n",
    }
    facts = facts_of(build(tmp_path / "b", {**none, **dmi}))
    assert (facts.serial, facts.model) == ("PF1234", "Box")
    placeholders: dict[str, str | bytes | None] = {
        "sys/class/dmi/id/board_serial": "To be filled by O.E.M.\n",
        "proc/cpuinfo": "Serial\t\t: 0000000000000000\n",
    }
    assert facts_of(build(tmp_path / "c", {**none, **placeholders})).serial is None


HOSTILE: dict[bytes, str] = {
    b"b8:27:eb:00:00:01\nb8:27:eb:00:00:99\n": "line feed at 18",
    b"b8:27:eb:00:00:0l\n": '"l" at 17',
    b"": "is empty",
    b"\n": "is empty",
    b" b8:27:eb:00:00:01\n": "blank at 1",
    b"\xff\xfe\n": "not UTF-8 at byte 1",
    b"\x1b[31mb8:27:eb:00:00:01\n": "escape character at 1",
    "b8:27:eb:00:00:0\N{FULLWIDTH DIGIT ONE}\n".encode(): "full-width digit ONE at 17",
    b"b8:27:eb:00:00\n": "10 hex digits",
    b"x" * 10_000_000: "end is missing",
}


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:24]))
def test_a_hostile_mac_is_refused_with_its_interface(tmp_path: Path, content: bytes) -> None:
    message = refused(build(tmp_path, {"net/eth0/address": content}))
    assert "eth0" in message
    assert HOSTILE[content] in message
    assert len(message) < 400
    assert message.isprintable()


@pytest.mark.parametrize(
    "content", [b"a\nb\n", b"\x1b[2J\n", b"\xff\n", b"y" * 10_000_000, "\N{FULLWIDTH LATIN SMALL LETTER A}\n".encode()]
)
@pytest.mark.parametrize("where", ["proc/device-tree/serial-number", "proc/sys/kernel/random/boot_id"])
def test_a_hostile_serial_or_boot_id_is_refused(tmp_path: Path, where: str, content: bytes) -> None:
    message = refused(build(tmp_path, {where: content}))
    assert where in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("cat no-such-file", "cannot be read (status 1)"),
        ("true", "is empty"),
        ("printf 'a\\nb'", "line feed at 2"),
        ("no-such-program", "cannot be read (status 127)"),
        ("dd if=/dev/zero bs=1024 count=9000", "end is missing"),
    ],
)
def test_a_fact_that_fails_is_an_error_and_never_empty(tmp_path: Path, command: str, why: str) -> None:
    section = SECTION.model_copy(update={"facts": {"firmware": "echo 1", "batch": command}})
    message = refused(build(tmp_path), section)
    assert "fact batch" in message
    assert why in message
    assert "a\\nb" not in message, "a fact may be a key"


def test_a_file_that_is_there_and_cannot_be_read(tmp_path: Path) -> None:
    unit = build(tmp_path, {"proc/device-tree/serial-number": None})
    (tmp_path / "root/proc/device-tree/serial-number").mkdir()
    assert "serial-number cannot be read" in refused(unit)


def test_an_interface_name_that_is_none(tmp_path: Path) -> None:
    assert "name of an interface" in refused(build(tmp_path, {"net/a b/address": "b8:27:eb:00:00:03\n"}))
    assert "eth9" in refused(build(tmp_path / "2", {"net/eth9\nx/address": "b8:27:eb:00:00:03\n"}))


@pytest.mark.parametrize("tool", ["br", "ip", "ifconfig"])
def test_a_unit_without_the_folder_of_interfaces(tmp_path: Path, tool: str) -> None:
    link_tools(tmp_path / "bin")
    answers = {
        "br": ("ip", '[ "$1" = -br ] || exit 1\necho "eth0 UP b8:27:eb:00:00:01 <BROADCAST,UP>"'),
        "ip": (
            "ip",
            '[ "$1" = -br ] && exit 1\nprintf "2: eth0: <UP> mtu 1500\\n  link/ether b8:27:eb:00:00:01 brd\\n"',
        ),
        "ifconfig": ("ifconfig", 'echo "eth0      Link encap:Ethernet  HWaddr B8:27:EB:00:00:01"'),
    }
    name, script = answers[tool]
    (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin" / name).chmod(0o755)
    facts = facts_of(build(tmp_path), SECTION.model_copy(update={"interfaces_dir": "nowhere"}))
    assert facts.interfaces == {"eth0": Mac.parse("b8:27:eb:00:00:01")}


def test_a_unit_that_names_no_interface_at_all(tmp_path: Path) -> None:
    assert "neither ip nor ifconfig" in refused(
        build(tmp_path), SECTION.model_copy(update={"interfaces_dir": "nowhere"})
    )


SHOW = "Hardware ID is {}\nRegistration key is {}\nBulk ID Code is {}\n"


def with_connectd(folder: Path, output: str) -> LocalUnit:
    link_tools(folder / "bin")
    control = folder / "bin" / "connectd_control"
    control.write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\n")
    control.chmod(0o755)
    return build(folder)


def test_what_connectd_says_and_its_key_is_a_secret(tmp_path: Path) -> None:
    unit = with_connectd(
        tmp_path, SHOW.format("b827eb000001", "THE-SECRET-KEY", "0D6EB4B7-0000-0000-0000-000000000001")
    )
    kept = Kept()
    facts = read_facts(unit, SECTION, deadline=Deadline(10), transcript=kept)
    assert facts.connectd is not None
    assert facts.connectd.hardware_id == "b827eb000001"
    assert facts.connectd.registration_key == Secret("THE-SECRET-KEY")
    assert "THE-SECRET-KEY" in kept.secrets
    assert "THE-SECRET-KEY" not in repr(facts)


def test_connectd_that_says_something_else(tmp_path: Path) -> None:
    assert "connectd" in refused(with_connectd(tmp_path, "Hardware ID is x\n"))
    message = refused(with_connectd(tmp_path / "2", SHOW.format("x", "key\x1b[0m", "y")))
    assert "connectd registration_key" in message
    assert "key\\x1b" not in message, "a damaged key is a key still"


def test_the_key_is_secret_before_the_transcript_hears_it(simulate: Simulate) -> None:
    kept = Kept()
    unit = open_simulated(simulate(Fault.RUNNING_CONNECTD), transcript=kept)
    kept.order.clear()
    facts = read_facts(unit, SIMULATED, deadline=Deadline(20), transcript=kept)
    unit.close()
    assert facts.connectd is not None
    assert kept.order.index("secret") < kept.order.index("received")


def test_both_routes_of_a_simulated_unit_agree(simulate: Simulate) -> None:
    made = simulate()
    assert made.ssh_address
    serial = open_simulated(made)
    ssh = connect(made.ssh_address[1], Login("root", Secret(made.password)))
    first = read_facts(serial, SIMULATED, deadline=Deadline(20))
    second = read_facts(ssh, SIMULATED, deadline=Deadline(20))
    serial.close()
    ssh.close()
    assert agree(first, second).routes == (serial.route, ssh.route)


@pytest.mark.parametrize("fault", [Fault.HOSTILE_NEWLINE, Fault.HOSTILE_ANSI, Fault.HOSTILE_HUGE, Fault.HOSTILE_BYTES])
def test_hostile_units_on_the_bench(simulate: Simulate, fault: Fault) -> None:
    made = simulate(fault)
    serial = open_simulated(made)
    with pytest.raises(UnitError) as raised:
        read_facts(serial, SIMULATED, deadline=Deadline(20))
    serial.close()
    assert "serial-number" in raised.value.message


BASE = Facts(
    interfaces={"eth0": Mac.parse("b8:27:eb:00:00:01")},
    values={"firmware": "1.2"},
    serial="S1",
    boot_id="B1",
    routes=("serial:a",),
)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"interfaces": {"eth0": Mac.parse("b8:27:eb:00:00:02")}}, ("eth0", "b8:27:eb:00:00:01", "b8:27:eb:00:00:02")),
        ({"interfaces": {**BASE.interfaces, "wlan0": Mac.parse("b8:27:eb:00:00:02")}}, ("wlan0", "nothing")),
        ({"serial": "S2"}, ("board serial", "S1", "S2")),
        ({"boot_id": None}, ("boot id", "B1", "nothing")),
        ({"values": {"firmware": "1.3"}}, ("firmware", "1.2", "1.3")),
    ],
)
def test_routes_that_disagree_are_told_apart(change: dict[str, object], names: tuple[str, ...]) -> None:
    other = dataclasses.replace(BASE, routes=("ssh:b",), **change)  # type: ignore[arg-type]
    with pytest.raises(UnitError) as raised:
        agree(BASE, other)
    assert raised.value.code == "unit.routes-disagree"
    assert all(name in raised.value.message for name in (*names, "serial:a", "ssh:b"))
    assert agree(BASE, dataclasses.replace(BASE, routes=("ssh:b",))).routes == ("serial:a", "ssh:b")


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,12}", fullmatch=True), st.binary(max_size=300), max_size=6))
def test_parts_are_cut_at_the_boundary_only(contents: dict[str, bytes]) -> None:
    mark = "0123456789abcdef0123"
    contents.pop("end", None)
    answer = b"".join(
        b"%s %s\n%s%s=0\n" % (mark.encode(), name.encode(), body, mark.encode()) for name, body in contents.items()
    )
    answer += f"{mark} end\nwhole\n{mark}=0\n".encode()
    parts = dict(parse(answer, mark, "local"))
    assert parts.pop("end") == Part(0, b"whole\n")
    assert {name: part.content for name, part in parts.items()} == contents
    with pytest.raises(UnitError):
        parse(answer[:-8], mark, "local")


def test_a_serial_that_the_user_may_not_read_is_none_and_no_error(tmp_path: Path) -> None:
    unit = build(tmp_path, {"proc/device-tree/serial-number": None, "proc/device-tree/model": None})
    kept = tmp_path / "root" / "sys/class/dmi/id/board_serial"
    kept.parent.mkdir(parents=True)
    kept.symlink_to("nowhere")  # what nobody can read, not even root
    assert facts_of(unit).serial is None
