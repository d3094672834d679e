"""The lints: every fault that a unit's own readiness check would flag, and those that it overlooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.images.lint import Judgement, judge
from factory.images.tree import Kind, Member, Tree, sorted_members
from tests.images.product import CODE, KEY

FOLDERS = ("active", "available", "dfiles", "pfiles", "services")
CONNECTD = {
    "bulk_identification_code.txt": f"{CODE}\n",
    "hardware_id.txt": "b827eb000001\n",
    "registration_key.txt": f"{KEY}\n",
}
IDENTITY = (
    '{"server": "https://entry.xyte.io", "cloud_id": "abcdN5DiKi34LdV5qsYkEpKp", '
    '"sn": "A26-000123", "mac": "00:1b:77:a4:c0:11"}\n'
)
HARDWARE_KEY = "5b6a2f3c-0d1e-4f2a-9b8c-7d6e5f4a3b2c"
PRIVATE = {"registration_key.txt", "registration", "hardware_key", "access_key"}


def tree(files: Mapping[str, str | bytes], folders: tuple[str, ...] = (), top: str = "", form: str = "tar") -> Tree:
    members = [Member(f"{top}{name}", Kind.FOLDER, 0o700) for name in folders]
    for name, content in files.items():
        mode = 0o600 if name in PRIVATE else 0o644
        data = content.encode() if isinstance(content, str) else content
        members.append(Member(f"{top}{name}", Kind.FILE, mode, content=data))
    return Tree(form, sorted_members(members))


def connectd(**changes: str | bytes | None) -> Judgement:
    """A good image of connectd with files changed, or taken out by None."""
    names = {"id": "hardware_id.txt", "key": "registration_key.txt", "code": "bulk_identification_code.txt"}
    files: dict[str, str | bytes | None] = {**CONNECTD, **{names.get(name, name): new for name, new in changes.items()}}
    return judge(tree({name: content for name, content in files.items() if content is not None}, FOLDERS))


def said(judgement: Judgement) -> list[tuple[str, str]]:
    return [(finding.place, finding.code) for finding in judgement.every_finding]


def test_a_good_image_of_each_kind() -> None:
    assert said(connectd()) == [] and connectd().would_do
    assert said(judge(tree({"registration": "0BADC0DE-1234\n"}))) == []
    assert said(judge(tree({"identity.json": IDENTITY, "hardware_key": f"{HARDWARE_KEY}\n"}))) == []


def test_the_key_is_masked() -> None:
    judgement = connectd(key=f"{KEY} \n")
    assert not judgement.would_do
    assert KEY not in repr(judgement) and KEY not in "".join(map(str, judgement.every_finding))
    assert connectd().parts[0].identity == {
        "hardware_id": "b827eb000001",
        "registration_key": f"***{KEY[-2:]}",
        "bulk_identification_code": CODE,
    }


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("id", "default.\n", "ID-SENTINEL"),
        ("key", "default.\n", "ID-SENTINEL"),
        ("code", "missing. Add your code to bulk_identification_code.txt.\n", "ID-SENTINEL"),
        ("code", "Bulk ID code file is missing.\n", "ID-SENTINEL"),
        ("id", "Issue hardware ID is not set properly.\n", "ID-SENTINEL"),
        ("key", "Issue registration key is not set properly.\n", "ID-SENTINEL"),
        ("code", "Issue\n", "ID-SENTINEL"),
        ("code", f"{CODE[:-1]}\n", "BIC-LEN"),
        ("code", f"{CODE}0\n", "BIC-LEN"),
        ("code", f"{'g' * 36}\n", "BIC-FMT"),
        ("code", "00000000-0000-0000-0000-000000000000\n", "ID-SENTINEL"),
        ("id", "000000000000\n", "ID-SENTINEL"),
        ("id", "b827eb000001\r\n", "CHR-CR"),
        ("code", f"{CODE}\r\n", "CHR-CR"),
        ("key", f"{KEY}\r\n", "CHR-CR"),
        ("id", "b827eb000001", "IMG-NEWLINE"),
        ("id", "b827eb000001\n\n", "IMG-NEWLINE"),
        ("id", "b827eb000001\nb827eb000002\n", "IMG-LINES"),
        ("id", "", "IMG-EMPTY"),
        ("id", " \n", "IMG-EMPTY"),
        ("id", "b827 eb000001\n", "CHR-SPACE"),
        ("id", "b8:27:eb:00:00:01\n", "ID-CHR"),
        ("id", "b827eb00000\u0661\n", "VAL-ASCII"),
        ("id", b"b827eb\x00000001\n", "VAL-ASCII"),
        ("id", b"\xef\xbb\xbfb827eb000001\n", "VAL-ASCII"),
        ("code", None, "IMG-MISSING"),
        ("id", None, "IMG-MISSING"),
        ("key", None, "IMG-MISSING"),
        ("active/AA", "x\n", "IMG-FOLDER"),
        ("available/.hidden", "x\n", "IMG-FOLDER"),
        ("dfiles/AA.conf", "x\n", "IMG-FOLDER"),
        ("services/ConnectdSSH.conf", "x\n", "IMG-FOLDER"),
        ("claimcode.txt", "12345\n", "IMG-TRACE"),
        ("firmware.ver", "1\n", "IMG-TRACE"),
    ],
)
def test_faults_of_connectd(file: str, content: str | bytes | None, code: str) -> None:
    judgement = connectd(**{file: content})
    assert code in {finding.code for finding in judgement.every_finding}
    assert not judgement.would_do


def test_a_link_in_active_counts() -> None:
    link = Member("active/AA", Kind.LINK, 0o777, target="/etc/connectd/available/AA")
    found = judge(Tree("tar", (*tree(CONNECTD, FOLDERS).members, link)))
    assert said(found) == [("active/AA", "IMG-FOLDER")]


def test_a_master_for_clones_is_a_warning() -> None:
    judgement = connectd(id=None, key=None)
    assert said(judgement) == [("hardware_id.txt", "IMG-NO-ID")] and judgement.would_do
    assert said(connectd(**{"ci_mac.txt": "x\n"})) == [("ci_mac.txt", "IMG-OVERRIDE")]


@pytest.mark.parametrize(
    ("path", "mode", "ok"),
    [
        ("registration_key.txt", 0o644, False),
        ("registration_key.txt", 0o640, False),
        ("registration_key.txt", 0o400, True),
        ("hardware_id.txt", 0o600, True),
        ("hardware_id.txt", 0o664, False),
        ("hardware_id.txt", 0o666, False),
        ("hardware_id.txt", 0o000, False),
        ("available", 0o755, False),
        ("dfiles", 0o700, True),
    ],
)
def test_modes(path: str, mode: int, ok: bool) -> None:
    members = tree(CONNECTD, FOLDERS).members
    changed = tuple(replace(one, mode=mode) if one.path == path else one for one in members)
    judgement = judge(Tree("tar", changed))
    assert judgement.would_do is ok
    assert ok or said(judgement)[0] == (path, "IMG-MODE")


def test_what_a_builder_leaves_as_owner() -> None:
    members = tuple(replace(one, uid=1000, gid=1000) for one in tree(CONNECTD, FOLDERS).members)
    assert {code for _, code in said(judge(Tree("ext4", members)))} == {"IMG-OWNER"}
    assert said(judge(Tree("dir", members))) == [], "unpacked here, the files are ours"


def test_devices_and_links_in_place_of_files() -> None:
    others = tuple(one for one in tree(CONNECTD, FOLDERS).members if one.path != "hardware_id.txt")
    for kind in (Kind.LINK, Kind.OTHER, Kind.FOLDER):
        judgement = judge(Tree("tar", sorted_members((*others, Member("hardware_id.txt", kind, 0o644)))))
        assert ("hardware_id.txt", "IMG-KIND") in said(judgement) and not judgement.would_do


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ({"registration": ""}, ["IMG-UNREGISTERED"]),
        ({"registration": "\n"}, ["IMG-EMPTY"]),
        ({"registration": "0BADC0DE-1234\r\n"}, ["CHR-CR"]),
        ({"registration": "0BADC0DE-1234"}, ["IMG-NEWLINE"]),
        ({"registration": "R3_REGISTRATION_CODE=0BADC0DE\n"}, ["ID-CHR"]),
        ({"registration": "default.\n"}, ["ID-SENTINEL"]),
        ({"registration": "0BAD\n"}, ["ID-LEN"]),
        ({"registration": "0BADC0DE-1234\n", "config.json": "{}\n"}, ["IMG-TRACE"]),
    ],
)
def test_faults_of_the_package(files: Mapping[str, str], codes: list[str]) -> None:
    judgement = judge(tree(files))
    assert [code for _, code in said(judgement)] == codes
    assert judgement.would_do is (codes == ["IMG-UNREGISTERED"])


def test_the_packages_folder_without_its_file() -> None:
    root = Tree("tar", (Member("etc/remoteit", Kind.FOLDER, 0o755),))
    assert said(judge(root)) == [("etc/remoteit/registration", "IMG-MISSING")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"hardware_key": None}, "IMG-MISSING"),
        ({"access_key": "0123456789abcdef0123456789abcdef\n"}, "IMG-SECRET"),
        ({"hardware_key": None, "access_key": "0123456789abcdef0123456789abcdef\n"}, "IMG-MISSING"),
        ({"hardware_key": "00000000-0000-0000-0000-000000000000\n"}, "ID-SENTINEL"),
        ({"hardware_key": "key = 5b6a\n"}, "ID-CHR"),
        ({"identity.json": None}, "IMG-NOTHING"),
        ({"identity.json": "{\n"}, "IMG-JSON"),
        ({"identity.json": "[1]\n"}, "IMG-JSON"),
        ({"identity.json": "[" * 100_000}, "IMG-JSON"),
        ({"identity.json": IDENTITY.replace("https", "http")}, "IMG-MISSING"),
        ({"identity.json": IDENTITY.replace("abcdN5DiKi34LdV5qsYkEpKp", "abcd")}, "ID-CHR"),
        ({"identity.json": IDENTITY.replace("00:1b:77:a4:c0:11", "00:1b:77")}, "ID-LEN"),
        ({"identity.json": IDENTITY.replace("\n", "\r\n")}, "CHR-CR"),
        ({"identity.json": IDENTITY.replace('"sn"', f'"hardware_key": "{HARDWARE_KEY}", "sn"')}, "IMG-SECRET"),
    ],
)
def test_faults_of_xyte(changes: Mapping[str, str | None], code: str) -> None:
    files = {"identity.json": IDENTITY, "hardware_key": f"{HARDWARE_KEY}\n", **changes}
    judgement = judge(tree({name: content for name, content in files.items() if content is not None}))
    assert code in {found for _, found in said(judgement)} and not judgement.would_do
    assert HARDWARE_KEY not in repr(judgement)


def test_a_whole_root_is_searched() -> None:
    both = (
        *tree(CONNECTD, FOLDERS, "etc/connectd/").members,
        *tree({"registration": "0BADC0DE-1234\n"}, (), "etc/remoteit/").members,
        *tree({"registration": "something else\n"}, (), "srv/www/").members,
    )
    judgement = judge(Tree("squashfs", sorted_members(both)))
    assert [(part.kind, part.top) for part in judgement.parts] == [
        ("connectd", "etc/connectd"),
        ("remoteit", "etc/remoteit"),
    ]
    assert judgement.would_do


def test_nothing_that_a_unit_registers_with() -> None:
    judgement = judge(tree({"readme": "x\n"}))
    assert said(judgement) == [("image", "IMG-NOTHING")] and not judgement.would_do


def test_the_folder_of_a_file_system_is_no_finding() -> None:
    members = (*tree({"registration": "0BADC0DE-1234\n"}).members, Member("lost+found", Kind.FOLDER, 0o700))
    assert said(judge(Tree("ext4", members))) == []


@given(st.binary(max_size=60))
def test_any_content_is_judged_and_only_good_ones_pass(content: bytes) -> None:
    for name in ("id", "key", "code"):
        judgement = connectd(**{name: content})
        good = content.isascii() and content.endswith(b"\n") and content[:-1].decode("latin-1").isprintable()
        assert good or not judgement.would_do
    judge(tree({"identity.json": content, "hardware_key": content}))
    judge(tree({"registration": content}))
