"""How a unit reads replies: by words and lines (remote.it reference, section 4.3)."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.rehearsal.firstboot.reply import projects, value
from tests import programs


@pytest.mark.parametrize(
    ("reply", "key", "read"),
    [
        (b'{"status":"true","reason":""}', "status", "true"),
        (b'{"status":true}', "status", "true"),
        (b'{"status": "true"}', "status", " true"),
        (b'{"reason":"[0102] no, not this","status":"false"}', "reason", "0102] no"),
        (b'{"status":"false","reason":"bad status here"}', "status", "false\nbad status here"),
        (b'{"uid":"80:00:AA","hardware_uid":"x","uid-x":"y"}', "uid", "80:00:AA\ny"),
        (b'{"reason":"a|b"}', "reason", "b"),
        (b"<html>no</html>", "status", ""),
        (b"", "status", ""),
    ],
)
def test_values(reply: bytes, key: str, read: str) -> None:
    assert value(reply, key) == read


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (b'{"projects":"A,B"}', ("A", "B")),
        (b'{"projects":"A, B"}', ("A",)),
        (b'{"projects":["A","B"]}', ("A", "B")),
        (b'{"projects":7}', ()),
        (b'{"projects":""}', ()),
        (b"[]", ()),
        (b"no json", ()),
    ],
)
def test_projects(reply: bytes, found: tuple[str, ...]) -> None:
    assert projects(reply) == found


@given(st.binary(max_size=200), st.sampled_from(["status", "uid", "projects"]))
def test_any_bytes_are_read(reply: bytes, key: str) -> None:
    value(reply, key)
    projects(reply)


_SHELL = r"""tr -d '{}\\"' | tr ',' '\n' | grep -aw "$1" | sed -e 's/^[^[]*\[//' -e 's/^[^:]*://' -e 's/.*|//'"""
_WORDS = st.sampled_from(["status", "reason", "true", "uid", "a b", "x:y", "[1] z", "p|q", "u-uid", "my_uid", ""])


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(_WORDS, _WORDS, max_size=4), st.sampled_from(["status", "reason", "uid"]))
def test_the_same_as_a_shells_pipe(document: dict[str, str], key: str) -> None:
    """Against the tools that a unit has, in a pipe written from the same description."""
    programs.require("sh")
    reply = json.dumps(document, separators=(",", ":")).encode("ascii")
    done = subprocess.run(
        ["sh", "-c", _SHELL, "sh", key],
        input=reply,
        capture_output=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert value(reply, key) == done.stdout.decode().removesuffix("\n")
