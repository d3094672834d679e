"""The signature against OpenSSL's own arithmetic over a text that the test writes out."""

from __future__ import annotations

import base64
import re
import subprocess

import pytest

from factory.clouds.remoteit.signing import http_date, signed_headers, signing_string
from tests.programs import require

KEYS = [bytes(range(30)), b"\x00\x00begins and ends with NUL\x00", bytes(range(226, 256))]
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"
FIELDS = re.compile(r'Signature keyId="([^"]*)",algorithm="hmac-sha256",headers="([^"]*)",signature="([^"]*)"')


def openssl(key: bytes, text: bytes) -> str:
    """`openssl dgst`; the key in hex, since no command line carries a NUL."""
    command = [require("openssl"), "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return base64.b64encode(subprocess.run(command, input=text, capture_output=True, check=True).stdout).decode()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("with_length", [True, False])
def test_a_signature_is_openssls(key: bytes, with_length: bool) -> None:
    body = '{"name": "Zürich"}'.encode()
    headers = signed_headers(
        "KEYID", key, "POST", "/graphql/v1?a=b%20c", host="api.remote.it", date=DATE, body=body, with_length=with_length
    )
    text = (
        "(request-target): post /graphql/v1?a=b%20c\n"
        "host: api.remote.it\n"
        "date: Fri, 20 Nov 2026 10:00:00 GMT\n"
        "content-type: application/json"
    )
    if with_length:
        text += "\ncontent-length: 19"  # bytes; it has 18 characters
    found = FIELDS.fullmatch(headers["Authorization"])
    assert found is not None
    listed = "(request-target) host date content-type"
    assert found[1] == "KEYID"
    assert found[2] == (f"{listed} content-length" if with_length else listed)
    assert found[3] == openssl(key, text.encode())
    assert (headers["Host"], headers["Date"], headers["Content-Length"]) == ("api.remote.it", DATE, "19")
    assert headers["Content-Type"] == "application/json"


def test_hmac_as_the_vendors_bash_example_does_it() -> None:
    key = b"a secret that a shell can hold"
    text = signing_string("POST", "/graphql/v1", host="api.remote.it", date=DATE, length=None)
    command = [require("openssl"), "dgst", "-binary", "-sha256", "-hmac", key.decode()]
    expected = subprocess.run(command, input=text, capture_output=True, check=True).stdout
    headers = signed_headers(
        "K", key, "POST", "/graphql/v1", host="api.remote.it", date=DATE, body=b"", with_length=False
    )
    assert base64.b64encode(expected).decode() in headers["Authorization"]


def test_the_date_is_gmt_and_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert http_date(1_795_168_800) == "Fri, 20 Nov 2026 10:00:00 GMT"


def test_an_empty_body_has_a_length() -> None:
    text = signing_string("GET", "/apv/v27/user/info", host="h", date=DATE, length=0)
    assert text.endswith(b"\ncontent-length: 0")
    assert text.startswith(b"(request-target): get /apv/v27/user/info\n")
