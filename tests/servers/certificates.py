"""Certificates for servers of tests: of an authority of their own, for as long as a test says."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    key: Path


def self_signed(
    folder: Path,
    name: str = "tls",
    *,
    begins: timedelta = timedelta(days=-1),
    lasts: timedelta = timedelta(days=30),
    host: str = "127.0.0.1",
    passphrase: bytes | None = None,
) -> Shown:
    """Write a certificate for 127.0.0.1 (or another address) that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    at = datetime.now(UTC) + begins
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at)
        .not_valid_after(at + lasts)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address(host)), x509.DNSName("localhost")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown = Shown(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")
    shown.certificate.write_bytes(made.public_bytes(Encoding.PEM))
    sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    shown.key.touch(0o600)
    shown.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    return shown
