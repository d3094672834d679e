"""The credentials file as the vendor documents it, and the environment; nothing of a key ever shows."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.clouds.remoteit.credentials import CredentialsError, load_credentials, parse_credentials
from factory.files import FileError
from factory.secrets import Secret

KEY = "Z5QCS6ZO7PAAAAMVDNAA"
HUSH = base64.b64encode(bytes(range(30))).decode()
DEVELOPER = "devKEY-123="
LINES = f"R3_ACCESS_KEY_ID={KEY}\nR3_SECRET_ACCESS_KEY={HUSH}\nR3_DEVELOPER_API_KEY={DEVELOPER}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text(f"[DEFAULT]\n{LINES}")
    path.chmod(0o600)
    return path


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        f"[DEFAULT]\n{LINES}",
        LINES,  # keys without a header
        f"# comment\n; comment\n\n [DEFAULT] \n{LINES}",
        f"\ufeff[DEFAULT]\n{LINES}".replace("\n", "\r\n"),
        LINES.replace("=", " = ", 3).replace("R3_ACCESS_KEY_ID = ", "R3_ACCESS_KEY_ID="),
        "".join(f"export {line}\n" for line in LINES.splitlines()),
        LINES.replace(HUSH, f'"{HUSH}"').replace(KEY, f"'{KEY}'"),
        LINES.lower().replace(KEY.lower(), KEY).replace(HUSH.lower(), HUSH).replace(DEVELOPER.lower(), DEVELOPER),
    ],
)
def test_forms_of_the_file(file: Path, text: str) -> None:
    found = load_credentials(written(file, text))
    assert (found.key_id, found.secret, found.developer_key) == (KEY, Secret(HUSH), Secret(DEVELOPER))
    assert found.hmac_key == bytes(range(30))
    assert found.warnings == ()


def test_profiles_inherit_from_default(file: Path) -> None:
    other = base64.b64encode(b"another secret, 30 bytes long.").decode()
    written(file, f"[DEFAULT]\n{LINES}[acme]\nR3_ACCESS_KEY_ID=ACMEKEY\nR3_SECRET_ACCESS_KEY={other}\n")
    found = load_credentials(file, "acme")
    assert (found.key_id, found.secret, found.developer_key) == ("ACMEKEY", Secret(other), Secret(DEVELOPER))
    assert found.source == f"profile acme of {file}"
    assert load_credentials(file).key_id == KEY


def test_a_profile_that_is_not_there(file: Path) -> None:
    written(file, f"[DEFAULT]\n{LINES}[Acme]\nR3_ACCESS_KEY_ID=X\n")
    with pytest.raises(CredentialsError, match=r"has no profile acme") as caught:
        load_credentials(file, "acme")
    assert caught.value.hint == "Case matters: there is Acme."
    with pytest.raises(CredentialsError) as caught:
        load_credentials(file, "other")
    assert caught.value.hint == "There are: Acme, DEFAULT."


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[a.b]\n", r"line 1: a profile's name must not have a '\.'"),
        ("[a\n", r"line 1: a profile's name stands in brackets"),
        (f"{HUSH.rstrip('=')}\n", r"line 1: this is neither \[PROFILE\] nor NAME=VALUE"),
        (f"{LINES}R3_ACCESS_KEY_ID=X\n", r"line 4: a second R3_ACCESS_KEY_ID of the same profile"),
        (f"R3_ACCESS_KEY_ID={KEY}\n", r"has no R3_SECRET_ACCESS_KEY"),
        (f"R3_SECRET_ACCESS_KEY={HUSH}\n", r"has no R3_ACCESS_KEY_ID"),
        (LINES.replace(HUSH, HUSH[:-3] + "!!!"), r"R3_SECRET_ACCESS_KEY of .* is not base64"),
        (LINES.replace(HUSH, HUSH[:20] + " " + HUSH[20:]), r"R3_SECRET_ACCESS_KEY of .* has a blank"),
        (LINES.replace(KEY, 'KEY"x'), r"R3_ACCESS_KEY_ID of .* has a blank or another character"),
        (LINES.replace(DEVELOPER, "kéy"), r"R3_DEVELOPER_API_KEY of .* has a blank or another character"),
        ("", r"has no R3_ACCESS_KEY_ID"),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(file: Path, text: str, what: str) -> None:
    with pytest.raises(CredentialsError, match=what) as caught:
        load_credentials(written(file, text))
    for secret in (HUSH, HUSH[:20], HUSH[:-3], DEVELOPER, KEY):
        assert secret not in str(caught.value)
    assert caught.value.code == "remoteit.credentials"


def test_a_mode_that_others_can_read_is_warned_about(file: Path) -> None:
    file.chmod(0o640)
    (warning,) = load_credentials(file).warnings
    assert "mode 0640" in warning
    assert f"chmod 600 {file}" in warning


def test_the_environment_comes_first_and_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"R3_ACCESS_KEY_ID": "ENVKEY", "R3_SECRET_ACCESS_KEY": HUSH}
    found = load_credentials(environ=environ)
    assert (found.key_id, found.developer_key, found.source) == ("ENVKEY", None, "the environment")
    assert load_credentials(file, environ=environ).key_id == KEY
    monkeypatch.setenv("HOME", str(file.parent))
    (file.parent / ".remoteit").mkdir()
    file.rename(file.parent / ".remoteit" / "credentials")
    assert load_credentials(None, "DEFAULT", environ).key_id == KEY
    assert load_credentials(environ={"R3_DEVELOPER_API_KEY": "x"}).key_id == KEY
    with pytest.raises(CredentialsError, match=r"the environment has no R3_SECRET_ACCESS_KEY"):
        load_credentials(environ={"R3_ACCESS_KEY_ID": "ENVKEY"})


def test_no_key_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match=r"there is no access key: neither R3_ACCESS_KEY_ID") as caught:
        load_credentials(environ={})
    assert "docs/remoteit.md" in caught.value.hint
    with pytest.raises(FileError):
        load_credentials(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe[\x00")
    with pytest.raises(CredentialsError, match=r"not UTF-8"):
        load_credentials(tmp_path / "binary")


def test_nothing_shows(file: Path) -> None:
    found = load_credentials(file)
    for secret in (KEY, HUSH, DEVELOPER):
        assert secret not in repr(found)
    assert set(found.values()) == {KEY, HUSH, DEVELOPER}


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=".[]"), min_size=1)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'"))


@given(st.dictionaries(NAMES, st.dictionaries(st.sampled_from(["A", "B_2", "R3_X"]), VALUES)))
def test_what_is_written_is_read(profiles: dict[str, dict[str, str]]) -> None:
    lines = []
    for name, values in profiles.items():
        lines += [f"[{name}]", *(f"{key}={value}" for key, value in values.items())]
    assert parse_credentials("\n".join(lines), Path("file")) == {"DEFAULT": {}, **profiles}


@given(st.text())
def test_any_text_is_read_or_refused_without_showing_it(text: str) -> None:
    try:
        parse_credentials(text, Path("file"))
    except CredentialsError as error:
        assert error.message.startswith("file line ")


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(CredentialsError, match="no regular file"):
            load_credentials(path)
