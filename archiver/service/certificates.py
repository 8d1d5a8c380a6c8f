"""The files by which the service speaks TLS: looked at before anything is opened.

A server that starts with a certificate that no browser takes, or asks a terminal that is not
there for a passphrase, fails where nobody looks. Refused are files that are missing or no PEM, a
key under a passphrase or of another certificate, a certificate that is over or not valid yet, and
an owner's key that everybody may read.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from archiver.errors import ConfigurationError, Said

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, 4.2); those of TLS 1.3
are all of that kind. uvicorn's own default are the CBC suites of 1999."""
_OTHERS: Final = 0o007


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a server shows, and what it proves it with."""

    certificate: Path
    key: Path
    ends_at: datetime


def usable(certificate: Path, key: Path, now: datetime) -> Certificate:
    """Return files that TLS can be spoken with now.

    Args:
        certificate: PEM: the server's own first, then those that vouch for it.
        key: PEM, its private key.
        now: The clock's.

    Raises:
        ConfigurationError: It cannot; the message names the setting and the file, no content.
    """
    leaf = _chain(certificate)[0]  # browsers find their own way past others that are over
    if _spki(_private(key)) != _spki(leaf):
        raise _refused(
            "tls_key",
            key,
            f"it is not the key of {certificate}",
            f"它不是 {certificate} 的私钥",
        )
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not begins <= now <= ends:
        raise _refused(
            "tls_certificate",
            certificate,
            f"it is valid from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC, not now",
            f"有效期为 {begins:%Y-%m-%d %H:%M} 至 {ends:%Y-%m-%d %H:%M}（UTC），现在无效",
        )
    return Certificate(certificate=certificate, key=key, ends_at=ends)


def _chain(path: Path) -> list[x509.Certificate]:
    content = _read("tls_certificate", path)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _refused(
            "tls_certificate", path, "it holds no certificate in PEM", "其中没有 PEM 格式的证书"
        ) from None


def _private(path: Path) -> PrivateKeyTypes:
    content = _read("tls_key", path)
    if path.stat().st_mode & _OTHERS:
        raise _refused(
            "tls_key",
            path,
            "everybody on this host may read it: chmod o= it",
            "本机任何人都可读取：请执行 chmod o=",
        )
    try:
        return load_pem_private_key(content, None)
    except TypeError:
        raise _refused(
            "tls_key",
            path,
            "it is under a passphrase, for which nobody is there to be asked",
            "它受口令保护，而服务启动时无人可输入口令",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(
            "tls_key", path, "it holds no private key in PEM", "其中没有 PEM 格式的私钥"
        ) from None


def _spki(holder: PrivateKeyTypes | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise _refused(setting, path, said, said) from None


def _refused(setting: str, path: Path, en: str, zh: str) -> ConfigurationError:
    return ConfigurationError(
        detail=Said(f"[service] {setting} = {path}: {en}", f"[service] {setting} = {path}：{zh}")
    )
