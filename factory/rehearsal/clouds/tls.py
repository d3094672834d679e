"""A certificate authority for one rehearsal: it signs one server certificate, and its key is never written."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from factory.files import PRIVATE, read_bytes, write_bytes

_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority's certificate for clients, the server's certificate and private key (0600)."""

    ca: Path
    certificate: Path
    key: Path


def certificates(folder: Path, ca: Path) -> Certificates:
    """Return the certificates in `folder`, made anew when missing or at their end. Raises FileError."""
    found = Certificates(ca, folder / "server.pem", folder / "server.key")
    if not _usable(found):
        _make(found)
    return found


def _usable(found: Certificates) -> bool:
    from cryptography import x509

    if not all(file.exists() for file in (found.ca, found.certificate, found.key)):
        return False
    try:
        issuer = x509.load_pem_x509_certificate(read_bytes(found.ca))
        server = x509.load_pem_x509_certificate(read_bytes(found.certificate))
        server.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with a throw-away certificate, a new one mends it
        return False
    return server.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


def _make(files: Certificates) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        # A minute back, for clients on another clock of the same machine (containers).
        start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(authority).public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=_DAYS))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )  # fmt: skip

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = named("Factory rehearsal, throw-away CA")
    ca = (
        begun(authority, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    hosts = (
        x509.DNSName("localhost"),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")),
    )
    server = (
        begun(named("localhost"), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_bytes(files.key, private, mode=PRIVATE)
    write_bytes(files.certificate, server.public_bytes(pem))
    write_bytes(files.ca, ca.public_bytes(pem))
