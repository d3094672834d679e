"""The access key: `~/.remoteit/credentials` or the environment (remote.it reference, section 6.2)."""

from __future__ import annotations

import base64
import binascii
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from factory.errors import UsageError
from factory.files import FileError, read_bytes
from factory.secrets import Secret

KEY_ID = "R3_ACCESS_KEY_ID"
SECRET = "R3_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
DEVELOPER_KEY = "R3_DEVELOPER_API_KEY"
DEFAULT = "DEFAULT"
_NAMES = (KEY_ID, SECRET, DEVELOPER_KEY)
_VISIBLE = re.compile(r"[!#-\[\]-~]+")  # what may stand within the quotes of a header: no blank, quote or backslash
_LIMIT = 64 * 1024
Sections = dict[str, dict[str, str]]


class CredentialsError(UsageError):
    """There is no access key, or it is none; never repeats what stands there. `code` is `remoteit.credentials`."""

    code = "remoteit.credentials"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. `source` says where it is from, `warnings` what is careless about that; the rest never shows."""

    key_id: str = field(repr=False)
    secret: Secret = field(repr=False)
    developer_key: Secret | None = field(repr=False)
    source: str
    warnings: tuple[str, ...] = ()

    @property
    def hmac_key(self) -> bytes:
        """The bytes that sign: the secret without its base64."""
        return _decoded(self.secret.reveal(), self.source)

    def values(self) -> tuple[str, ...]:
        """What must be masked wherever a cloud may repeat it."""
        developer = () if self.developer_key is None else (self.developer_key.reveal(),)
        return (self.key_id, self.secret.reveal(), *developer)


def load_credentials(
    file: Path | None = None, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> Credentials:
    """The access key of a profile in a credentials file, or of the environment's R3_ variables.

    A named `file` or `profile` means the file; otherwise the environment comes first, whole: a key of here is never
    paired with a secret of there. Raises CredentialsError and FileError.
    """
    if file is None and profile is None:
        found = _of_environment(environ or {})
        if found is not None:
            return found
    path = file if file is not None else _standard_path()
    content = _content(path, named=file is not None)
    return _of_profile(parse_credentials(content, path), profile or DEFAULT, path)


def parse_credentials(text: str, path: Path) -> Sections:
    """The sections of a credentials file; keys above the first header are DEFAULT's. Raises CredentialsError that
    names lines and never shows one.
    """
    sections: Sections = {DEFAULT: {}}
    name = DEFAULT
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if line[-1] != "]" or not line[1:-1].strip():
                raise _line(path, number, "a profile's name stands in brackets: [NAME]")
            name = line[1:-1].strip()
            if "." in name:
                raise _line(path, number, "a profile's name must not have a '.'")
            sections.setdefault(name, {})
            continue
        key, mark, value = line.removeprefix("export ").partition("=")
        if not mark:
            raise _line(path, number, "this is neither [PROFILE] nor NAME=VALUE")
        key = key.strip().upper()
        if key in sections[name]:
            raise _line(path, number, f"a second {key if key in _NAMES else 'value'} of the same profile")
        sections[name][key] = _unquoted(value.strip())
    return sections


def _of_environment(environ: Mapping[str, str]) -> Credentials | None:
    given = {name: environ[name] for name in _NAMES if environ.get(name)}
    if not given.keys() & {KEY_ID, SECRET}:
        return None
    return _checked(given, "the environment", "")


def _of_profile(sections: Sections, profile: str, path: Path) -> Credentials:
    if profile not in sections:
        alike = [name for name in sections if name.lower() == profile.lower()]
        there = ", ".join(sorted(name for name in sections if sections[name])) or "none"
        hint = f"Case matters: there is {alike[0]}." if alike else f"There are: {there}."
        raise CredentialsError(f"{path} has no profile {profile}", hint=hint)
    values = {**sections[DEFAULT], **sections[profile]}
    return _checked(values, f"profile {profile} of {path}", _mode_warning(path))


def _checked(values: Mapping[str, str], source: str, warning: str) -> Credentials:
    for name in (KEY_ID, SECRET):
        if not values.get(name):
            hint = "Make a key in the portal: account, access keys. See docs/remoteit.md."
            raise CredentialsError(f"{source} has no {name}", hint=hint)
    for name in _NAMES:
        if values.get(name) and not _VISIBLE.fullmatch(values[name]):
            raise CredentialsError(f"{name} of {source} has a blank or another character that no key has")
    _decoded(values[SECRET], source)
    developer = values.get(DEVELOPER_KEY)
    return Credentials(
        values[KEY_ID], Secret(values[SECRET]), Secret(developer) if developer else None, source,
        (warning,) if warning else (),
    )  # fmt: skip


def _decoded(secret: str, source: str) -> bytes:
    try:
        # A secret whose padding was lost is still the same bytes.
        key = base64.b64decode(secret + "=" * (-len(secret) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        hint = "Was it copied whole? It is shown once only; otherwise make a new key."
        raise CredentialsError(f"{SECRET} of {source} is not base64", hint=hint)
    return key


def _standard_path() -> Path:
    try:
        return Path.home() / ".remoteit" / "credentials"
    except RuntimeError as error:
        raise CredentialsError(
            "there is no home folder to look for credentials in", hint="Use --credentials."
        ) from error


def _content(path: Path, *, named: bool) -> str:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        regular = True  # reading it says what is wrong
    if not regular:  # a pipe would be waited for without an end
        raise CredentialsError(f"{path} is no regular file", hint="Name a file, with mode 0600.")
    try:
        return read_bytes(path, limit=_LIMIT).decode("utf-8-sig")
    except FileError as error:
        if not named and not path.exists():
            raise CredentialsError(
                f"there is no access key: neither {KEY_ID} and {SECRET} in the environment nor {path}",
                hint="Make one in the portal: account, access keys. See docs/remoteit.md.",
            ) from error
        raise
    except UnicodeDecodeError as error:
        raise CredentialsError(f"{path} is not UTF-8 text") from error


def _mode_warning(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}" if mode & 0o077 else ""


def _unquoted(value: str) -> str:
    """A value without the quotes of a shell: the vendor's example reads the file with one."""
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value


def _line(path: Path, number: int, what: str) -> CredentialsError:
    return CredentialsError(f"{path} line {number}: {what}", hint="See docs/remoteit.md for the form of the file.")
