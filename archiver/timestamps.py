"""Time stamps of outside authorities: when a checkpoint existed at the latest (RFC 3161).

Responsible for asking one authority for one token, and for the argument "these bytes existed at
this time, says an authority that we were told to trust": `verify_token` returns the time only
after signature, certificates, digest and (on receipt) nonce hold. What is kept is the whole
TimeStampResp in DER, so `openssl ts -verify` checks it as well.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from archiver.bounded_post import LIMITS, Limits, post
from archiver.errors import AnswerRefusedError, ConfigurationError, Said
from archiver.ports import Clock

QUERY: Final = "application/timestamp-query"
TOLERANCE: Final = timedelta(minutes=5)
"""Between an authority's clock and ours: as between the store's and ours."""

_OK: Final = 200
_GRANTED: Final = 0
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_DENIED: Final = frozenset({401, 403, 407})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The certificates by which an authority's tokens are checked."""

    roots: Sequence[x509.Certificate]
    """Issued by themselves."""
    intermediates: Sequence[x509.Certificate] = ()
    """Between a root and who signs, where tokens do not carry them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Whom to ask."""

    name: str
    url: str = field(repr=False)
    trust: Trust
    authorization: str | None = field(default=None, repr=False)
    """The value of the HTTP header, where the authority knows its customers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A verified time stamp."""

    content: bytes
    """The whole answer, DER."""
    at: datetime


def read_trust(path: Path) -> Trust:
    """Return the certificates in a PEM file: roots, and others that may stand between.

    Raises:
        ConfigurationError: It cannot be read, or holds no certificate that issued itself.
    """
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        detail = f"{path}: {error.strerror or type(error).__name__}"
        raise ConfigurationError(detail=detail) from None
    except ValueError:
        found = []
    roots = [one for one in found if one.subject == one.issuer]
    if not roots:
        raise ConfigurationError(
            detail=Said(
                f"[[timestamp]] ca = {path} holds no root certificate in PEM",
                f"[[timestamp]] ca = {path} 中没有 PEM 格式的根证书",
            )
        )
    others = [one for one in found if one.subject != one.issuer]
    return Trust(roots=_once(roots), intermediates=_once(others))


def stamp(authority: Authority, content: bytes, clock: Clock, limits: Limits = LIMITS) -> Token:
    """Return an authority's token over these bytes, verified, and fresh: it answers our nonce.

    Raises:
        NoAnswerError: The authority gave none.
        AnswerRefusedError: What it gave does not hold, or its clock differs from ours.
    """
    request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
    headers = {"Content-Type": QUERY}
    if authority.authorization is not None:
        headers["Authorization"] = authority.authorization
    place = authority.name
    answered = post(place, authority.url, request.as_bytes(), headers, limits)
    if answered.status in _DENIED:
        said = Said(
            f"HTTP {answered.status}: it does not know us, see authorization_env",
            f"HTTP {answered.status}：对方不认可我们，见 authorization_env",
        )
        raise AnswerRefusedError(place=place, detail=said)
    if answered.status != _OK:
        raise _refused(place, *[f"HTTP {answered.status}"] * 2)
    at = verify_token(answered.content, content, authority.trust, place, nonce=request.nonce)
    off = abs(at - clock.now())
    if off > TOLERANCE:
        seconds = int(off.total_seconds())
        said = Said(
            f"its clock and ours differ by {seconds} s", f"其时钟与本机时钟相差 {seconds} 秒"
        )
        raise AnswerRefusedError(place=place, detail=said)
    return Token(content=answered.content, at=at)


def verify_token(
    token: bytes, content: bytes, trust: Trust, place: str, *, nonce: int | None = None
) -> datetime:
    """Return when an authority says that these bytes existed.

    The certificates have to be valid at that time, not now: a token outlives them.

    Args:
        token: TimeStampResp, DER.
        content: What was stamped.
        trust: The authority's certificates.
        place: What the authority is called, for the error.
        nonce: What was sent along; None of a token that was checked on receipt.

    Raises:
        AnswerRefusedError: It is not such a token, or does not hold.
    """
    try:
        response = decode_timestamp_response(token)
        _verify(response, content, trust, place, nonce)
        return response.tst_info.gen_time
    except AnswerRefusedError:
        raise
    except VerificationError as error:
        reason = _reason(error)
        raise _refused(
            place, f"the token does not hold: {reason}", f"时间戳未通过校验：{reason}"
        ) from None
    except Exception:  # noqa: BLE001  others' parsers, over bytes from outside
        raise _refused(
            place, "this is no whole time-stamp response in DER", "不是完整的 DER 时间戳应答"
        ) from None


def _verify(
    response: TimeStampResponse, content: bytes, trust: Trust, place: str, nonce: int | None
) -> None:
    if response.status != _GRANTED:
        raise _refused(place, *_status(response.status))
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm != _SHA256 or imprint.message != hashlib.sha256(content).digest():
        raise _refused(place, "the token is over other bytes", "时间戳对应的是其他内容")
    VerifierBuilder(
        roots=list(trust.roots), intermediates=list(trust.intermediates), nonce=nonce
    ).build().verify(response, imprint.message)


def _status(status: int) -> tuple[str, str]:
    return f"it granted no time stamp (PKIStatus {status})", f"未签发时间戳（PKIStatus {status}）"


def _reason(error: VerificationError) -> str:
    """Return the sentence at the end of OpenSSL's list, without what may be the server's."""
    said = str(error)
    _, found, reason = said.rpartition("Verify error: ")
    return reason.partition('"')[0] if found else said.partition(":")[0]


def _refused(place: str, en: str, zh: str) -> AnswerRefusedError:
    return AnswerRefusedError(place=place, detail=Said(en, zh))


def _once(certificates: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    return tuple(dict.fromkeys(certificates))
