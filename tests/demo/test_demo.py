"""The demo as a new user runs it, and what it leaves behind."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from factory.config import load_product
from factory.demo import run_demo, unexpected
from factory.identity import KeySource
from factory.line import Line, Row
from factory.rehearsal.plan import demo_plans
from factory.values import HardwareId

COLUMNS = "REGISTRATION_KEY, HARDWARE_ID, DEVICE_NAME,CATEGORY_A"


def factory(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "factory", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110)


@dataclass(frozen=True)
class Finished:
    """A demo that has ended: its folder, its summary, and the login password, which ended with it."""

    out: Path
    document: dict[str, Any]
    password: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("demo") / "out"
    passwords = []

    def started(line: Line) -> None:
        passwords.append((out / "units" / "password").read_text().strip())

    result = run_demo(out, 6, started=started, on_event=lambda event: None)
    assert not result.surprises
    return Finished(out, json.loads((out / "summary.json").read_text()), passwords[0])


def test_exactly_the_clone_and_the_zero_unit_are_refused(finished: Finished) -> None:
    summary = finished.document
    assert summary["schema"] == "factory.demo/1"
    assert (summary["passed"], summary["refused"], summary["failed"]) == (4, 2, 0)
    codes = sorted(attempt["code"] for attempt in finished.document["attempts"] if attempt["outcome"] == "refused")
    assert codes == ["ID-SENTINEL", "ledger.clone"]
    assert summary["expected"] is True and summary["seconds"] < 60


def test_upload_has_the_portal_s_bytes(finished: Finished) -> None:
    out = finished.out
    (csv,) = (out / "upload").glob("*.csv")
    content = csv.read_bytes()
    assert content.startswith(COLUMNS.encode()) and b"\r" not in content and not content.endswith(b"\n")
    assert content.count(b"\n") == 4
    assert csv.stat().st_mode & 0o777 == 0o600
    (workbook,) = (out / "upload").glob("*.xlsx")
    assert workbook.stat().st_mode & 0o777 == 0o600


def test_an_image_and_a_transcript_for_each(finished: Finished) -> None:
    out = finished.out
    assert len(list((out / "images").glob("*.tar.gz"))) == 4
    assert len(list((out / "transcripts").iterdir())) == 6


def test_the_same_folder_twice_is_refused(finished: Finished) -> None:
    out = finished.out
    before = sorted(path.name for path in out.rglob("*"))
    again = factory("demo", "--out", out, cwd=out.parent)
    assert again.returncode == 2
    assert "is not empty" in again.stderr and "--out" in again.stderr
    assert sorted(path.name for path in out.rglob("*")) == before


def test_the_ledger_answers_for_a_unit(finished: Finished) -> None:
    out = finished.out
    passed = next(attempt for attempt in finished.document["attempts"] if attempt["outcome"] == "passed")
    traced = factory("ledger", "trace", passed["hardware_id"], "--bench", out / "bench.toml", "--json", cwd=out)
    assert traced.returncode == 0, traced.stderr
    assert passed["hardware_id"] in traced.stdout and "attempt.passed" in traced.stdout
    assert factory("ledger", "verify", "--bench", out / "bench.toml", cwd=out).returncode == 0
    assert factory("ledger", "trace", "nothing-of-it", "--bench", out / "bench.toml", cwd=out).returncode == 1


# --- no secret in anything that a demo leaves behind -----------------------------------------------------------------


def forms(secret: bytes) -> list[bytes]:
    """A secret as it is, in base64 at each of the three alignments, in hex, and escaped as JSON does."""
    found = [secret, secret.hex().encode(), json.dumps(secret.decode())[1:-1].encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        # The first and last group also depend on what stands around the secret.
        found.append(encoded[4 if shift else 0 : -4])
    return found


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and of every gzip or deflate run and base64 run in it."""
    content = path.read_bytes()
    yield content
    for run in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", content):
        try:
            yield base64.b64decode(run[: len(run) // 4 * 4])
        except ValueError:
            continue
    for start in re.finditer(rb"\x1f\x8b\x08|PK\x03\x04", content):
        yield inflated(content, start.start())


def inflated(content: bytes, start: int) -> bytes:
    skip = 10 if content[start : start + 2] == b"\x1f\x8b" else 30
    if content[start : start + 2] == b"PK":
        names = int.from_bytes(content[start + 26 : start + 28], "little")
        skip += names + int.from_bytes(content[start + 28 : start + 30], "little")
    try:
        return zlib.decompressobj(-15).decompress(content[start + skip :])
    except zlib.error:
        return b""


def test_no_secret_is_left_behind(finished: Finished) -> None:
    out = finished.out
    product = load_product(out / "product" / "product.toml")
    keys = KeySource.open(product.identity.key, product.folder)
    ids = [row["hardware_id"] for row in finished.document["attempts"] if row["outcome"] == "passed"]
    registration = [keys.derive(product.product.name, HardwareId.parse(text)).text.encode() for text in ids]
    master = (out / "product" / "master.secret").read_bytes().strip()
    everywhere = [path for path in out.rglob("*") if path.is_file()]
    assert len(everywhere) > 15

    def holding(secret: bytes, piece: bytes) -> bool:
        return any(form in piece for form in forms(secret))

    assert not {path for path in everywhere for piece in contents(path) if holding(finished.password.encode(), piece)}
    with_master = {path for path in everywhere for piece in contents(path) if holding(master, piece)}
    assert with_master == {out / "product" / "master.secret"}
    for key in registration:
        places = {path.parent.name for path in everywhere for piece in contents(path) if holding(key, piece)}
        assert places == {"images", "upload"}  # it is found where it belongs, so the search can find it


def test_nothing_but_the_folder_is_written(finished: Finished) -> None:
    out = finished.out
    assert [path.name for path in out.parent.iterdir()] == [out.name]


# --- the judgement itself ---------------------------------------------------------------------------------------------


def row(slot: str, outcome: str) -> Row:
    row = object.__new__(Row)
    for name, value in {"slot": slot, "outcome": outcome}.items():
        object.__setattr__(row, name, value)
    return row


@pytest.mark.parametrize(
    ("outcomes", "exported", "surprises"),
    [
        ("refused passed passed passed refused passed", 4, 0),
        ("passed passed passed refused refused passed", 4, 0),
        ("passed passed passed passed refused passed", 5, 1),  # both clones passed
        ("refused passed passed refused refused passed", 3, 1),  # neither did
        ("refused passed passed passed passed passed", 5, 1),  # the zero unit passed
        ("refused failed passed passed refused passed", 3, 1),
        ("refused passed passed passed refused passed", 5, 1),  # a row too many in the upload
    ],
)
def test_what_is_called_unexpected(outcomes: str, exported: int, surprises: int) -> None:
    plans = {f"{number}": plan for number, plan in enumerate(demo_plans(6))}
    rows = [row(slot, outcome) for slot, outcome in zip(plans, outcomes.split(), strict=True)]
    assert len(unexpected(plans, rows, exported)) == surprises
