"""Manifests: signed, told to the ledger, and held against files and ledger years later."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.config import Product
from factory.errors import UsageError
from factory.ledger import Ledger
from factory.ledger.sshsig import SigningKey
from factory.lots import export
from factory.lots.manifest import ManifestError, write_manifest
from factory.lots.manifest_check import check_manifest
from factory.lots.named_files import file_findings
from factory.secrets import Secret
from factory.values import Finding, UnitState, canonical
from tests.lots.made import LOT, ledger, make_pass, product
from tests.programs import require


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    path = tmp_path_factory.mktemp("key") / "signing"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return SigningKey(Secret(path.read_text().strip()))


@pytest.fixture
def made(tmp_path: Path, book: Ledger) -> Product:
    made = product(tmp_path / "p")
    for number in (1, 2, 3):
        make_pass(book, made, number)
    return made


@pytest.fixture
def manifest(tmp_path: Path, book: Ledger, made: Product, key: SigningKey) -> Path:
    return export(book, made, LOT, tmp_path / "out", key=key).manifest


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def rewritten(path: Path, book: Ledger, **changes: object) -> Path:
    """The manifest with other contents, told to the ledger, as a faulty program would have written it."""
    document = json.loads(path.read_bytes()) | changes
    path.write_bytes(canonical(document) + b"\n")
    names = [file["name"] for file in document["files"]]
    book.record_manifest(LOT, path, hashlib.sha256(path.read_bytes()).hexdigest(), names, signed_by=None)
    return path


def test_it_says_every_unit_and_its_image(manifest: Path, book: Ledger) -> None:
    document = json.loads(manifest.read_bytes())
    assert manifest.read_bytes() == canonical(document) + b"\n"
    (file,) = document["files"]
    ids = [unit.hardware_id for unit in book.passed_units(LOT)]
    assert file["units"] == [{"hardware_id": one, "image": "c" * 64} for one in ids]
    assert (file["first"], file["last"], file["rows"]) == (ids[0], ids[-1], 3)
    assert document["template_sha256"] == "b" * 64 and document["station"] == "S1"
    assert document["software"] and "K7" not in manifest.read_text()


def test_signed_and_whole_it_agrees(manifest: Path, book: Ledger, key: SigningKey) -> None:
    checked = check_manifest(book, manifest, [key.public])
    assert (checked.findings, checked.signer, checked.rows) == ((), key.public, 3)
    assert (manifest.stat().st_mode & 0o777) == 0o644


def test_openssh_checks_it_alone(manifest: Path, tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "allowed").write_text(f"S1 {key.public.text}\n")
    ask = [require("ssh-keygen"), "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "S1"]
    ask += ["-n", "factory-manifest", "-s", f"{manifest}.sig"]
    assert subprocess.run(ask, input=manifest.read_bytes(), capture_output=True, check=False).returncode == 0


def test_a_touched_manifest_is_none_of_ours(manifest: Path, book: Ledger, key: SigningKey) -> None:
    manifest.write_bytes(manifest.read_bytes().replace(b'"operator":""', b'"operator":"x"'))
    assert codes(check_manifest(book, manifest, [key.public]).findings) == ["MANIFEST-SIGNATURE", "MANIFEST-UNKNOWN"]
    manifest.with_name(f"{manifest.name}.sig").unlink()
    assert "no signature" in check_manifest(book, manifest, [key.public]).findings[0].message
    assert codes(check_manifest(book, manifest).findings) == ["MANIFEST-UNKNOWN"]


def test_a_checkpoint_signature_does_not_do(manifest: Path, book: Ledger, key: SigningKey) -> None:
    signature = key.sign(manifest.read_bytes(), "factory-checkpoint")
    manifest.with_name(f"{manifest.name}.sig").write_text(signature)
    (finding,) = check_manifest(book, manifest, [key.public]).findings
    assert finding.code == "MANIFEST-SIGNATURE" and "factory-checkpoint" in finding.message


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"schema":"factory.export/1"}', b"[" * 5000])
def test_what_is_no_manifest(tmp_path: Path, book: Ledger, content: bytes) -> None:
    path = tmp_path / "x.manifest.json"
    path.write_bytes(content)
    assert codes(check_manifest(book, path).findings) == ["MANIFEST-FORM"]


def test_a_file_saved_by_a_spreadsheet_program_is_named_with_what_to_do(manifest: Path, book: Ledger) -> None:
    csv = manifest.parent / json.loads(manifest.read_bytes())["files"][0]["name"]
    csv.write_bytes(csv.read_bytes().replace(b"\n", b"\r\n"))
    (finding,) = check_manifest(book, manifest).findings
    assert (finding.code, finding.place) == ("FILE-CHANGED", str(csv))
    assert f"factory sheet compare {csv.name} --lot {LOT}" in finding.hint and "--repair-from-ledger" in finding.hint


def test_a_missing_file_is_only_told(manifest: Path, book: Ledger) -> None:
    for path in manifest.parent.glob("*-upload-001.[cx]*"):
        path.unlink()
    findings = check_manifest(book, manifest).findings
    assert codes(findings) == ["FILE-MISSING", "FILE-MISSING"]
    assert {str(finding.severity) for finding in findings} == {"warning"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda units: [units[1], units[0], units[2]], "MANIFEST-ROWS"),
        (lambda units: units[:2], "MANIFEST-ROWS"),
        (lambda units: [units[0] | {"image": "d" * 64}, *units[1:]], "MANIFEST-IMAGE"),
    ],
)
def test_rows_that_the_ledger_does_not_have(manifest: Path, book: Ledger, change: object, code: str) -> None:
    files = json.loads(manifest.read_bytes())["files"]
    files[0]["units"] = change(files[0]["units"])  # type: ignore[operator]
    assert code in codes(check_manifest(book, rewritten(manifest, book, files=files)).findings)


def test_an_upload_hash_and_a_head_that_the_ledger_does_not_have(manifest: Path, book: Ledger) -> None:
    document = json.loads(manifest.read_bytes())
    files = [document["files"][0] | {"sha256": "0" * 64}]
    head = document["ledger_head"] | {"sha256": "1" * 64}
    found = codes(check_manifest(book, rewritten(manifest, book, files=files, ledger_head=head)).findings)
    assert found == ["LEDGER-REWRITTEN", "MANIFEST-UPLOAD", "FILE-CHANGED"]


def test_a_name_that_leads_elsewhere_is_not_followed(manifest: Path, book: Ledger) -> None:
    files = json.loads(manifest.read_bytes())["files"]
    files[0]["name"] = "../p/master.secret"
    assert codes(check_manifest(book, rewritten(manifest, book, files=files)).findings) == ["MANIFEST-FORM"]


def test_an_export_that_was_cut_before_its_manifest_gets_it_later(
    tmp_path: Path, book: Ledger, made: Product, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:

        def cut(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("factory.lots.manifest.write_signed", cut)
        with pytest.raises(KeyboardInterrupt):
            export(book, made, LOT, out)
    (upload,) = book.uploads(LOT)
    assert list(out.glob("*.manifest.json")) == []
    book.change_unit(book.passed_units(LOT)[0].hardware_id, UnitState.REWORK, "came back")
    path = write_manifest(book, LOT, upload.name, out, key)
    assert check_manifest(book, path, [key.public]).findings == ()
    (out / upload.name).write_text("other")
    with pytest.raises(ManifestError, match="is not what was exported"):
        write_manifest(book, LOT, upload.name, out)
    with pytest.raises(UsageError, match="has no upload"):
        write_manifest(book, LOT, "none.csv", out)


def test_files_are_looked_for_where_they_were_written(manifest: Path, book: Ledger, tmp_path: Path) -> None:
    book.backup(tmp_path / "copy.db")
    write_manifest(book, LOT, book.uploads(LOT)[0].name, manifest.parent)  # it takes the place of the first
    looked = file_findings(book, ())
    assert (looked.sound, looked.missing, looked.elsewhere, looked.findings) == (3, 0, 1, ())
    assert file_findings(book, (tmp_path,)).sound == 4
    csv = next(manifest.parent.glob("*.csv"))
    csv.write_text("HARDWARE_ID\n")
    manifest.rename(tmp_path / manifest.name)
    looked = file_findings(book, ())
    assert sorted(codes(looked.findings)) == ["FILE-CHANGED", "FILE-MISSING"] and (looked.sound, looked.missing) == (
        1,
        1,
    )
    assert file_findings(book, (tmp_path,)).missing == 0
    assert "1 as they were, 1 changed, 1 missing" in looked.said


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *(("name", name) for name in ("", ".", "..", "../x", "/etc/passwd", "a\0b", "x" * 256, "\x1b[2J")),
        ("seq", 2**63),
        ("seq", -1),
        ("station", "S\0"),
    ],
)
def test_hostile_values_make_it_no_manifest(where: str, value: object, manifest: Path, book: Ledger) -> None:
    document = json.loads(manifest.read_bytes())
    part = document["files"][0] if where == "name" else document["ledger_head"]
    part[where] = value
    manifest.write_bytes(json.dumps(document).encode())
    assert codes(check_manifest(book, manifest).findings) == ["MANIFEST-FORM"]


def test_only_a_file_is_read(manifest: Path, book: Ledger) -> None:
    """A pipe would never end."""
    (name,) = [one["name"] for one in json.loads(manifest.read_bytes())["files"]]
    (manifest.parent / name).unlink()
    os.mkfifo(manifest.parent / name)
    assert codes(check_manifest(book, manifest).findings) == ["FILE-MISSING"]
