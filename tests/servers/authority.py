"""A time-stamping authority: `openssl ts` behind HTTP, with certificates made for the run.

What it signs is real; tests may have it sign with a certificate that has expired, under another
root, or over something else.
"""

import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.servers.scripted import Reply, Scripted
from tests.servers.shared import ServerMissingError

DAY = timedelta(days=1)
SETTINGS = """[tsa]
default_tsa = ours
[ours]
serial = {folder}/serial
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate, in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def issue(
    name: str,
    by: Issued | None = None,
    *,
    authority: bool = False,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
) -> Issued:
    """Return a new certificate.

    Args:
        name: Its subject.
        by: Who issues it; itself if not given.
        authority: Whether it may issue others; else it signs time stamps.
        key: Its key; a new one on P-256 if not given.
        begins: When it becomes valid, from now.
        ends: When it ends, from now.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


@dataclass(slots=True)
class TimeAuthority(Scripted):
    """The authority.

    Attributes:
        folder: Its files.
        root: Whose certificate is trusted.
        signer: With what it signs.
    """

    folder: Path = Path()
    root: Issued = field(default_factory=lambda: issue("Root", authority=True))
    signer: Issued = field(init=False)
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Answer as an authority does, until a test says otherwise."""
        if shutil.which("openssl") is None:
            message = "openssl is missing: install Debian's package 'openssl'"
            raise ServerMissingError(message)
        self.signer = issue("Time", self.root)
        self.answer = lambda _, query: self.stamp(query)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "serial").write_text("01\n")
        (self.folder / "ts.cnf").write_text(SETTINGS.format(folder=self.folder))
        self.ca.write_bytes(self.root.pem)
        return Scripted.__enter__(self)

    @property
    def ca(self) -> Path:
        """The file of the root's certificate."""
        return self.folder / "ca.pem"

    def stamp(self, query: bytes, signer: Issued | None = None) -> Reply:
        """Return the answer to a query."""
        with self._alone:
            return self._stamped(query, signer or self.signer)

    def _stamped(self, query: bytes, by: Issued) -> Reply:
        files: Mapping[str, bytes] = {"query": query, "cert": by.pem, "key": by.key_pem}
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        command = ["openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query"]
        command += ["-signer", "cert", "-inkey", "key", "-out", "reply"]
        subprocess.run(command, cwd=self.folder, capture_output=True, check=True)
        content = (self.folder / "reply").read_bytes()
        return Reply(200, content, (("Content-Type", "application/timestamp-reply"),))

    def holds(self, token: bytes, content: bytes) -> bool:
        """Tell whether OpenSSL accepts a token."""
        (self.folder / "token").write_bytes(token)
        (self.folder / "content").write_bytes(content)
        command = ["openssl", "ts", "-verify", "-data", "content", "-in", "token"]
        command += ["-CAfile", "ca.pem"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=False)
        return done.returncode == 0
