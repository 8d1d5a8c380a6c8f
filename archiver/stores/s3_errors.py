"""What an answer of S3, or the lack of one, means for the caller.

Pure: botocore's errors in, ours out. Sentences carry the server's code and message, which
name users, buckets and keys at most, and never what was signed.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's, the base of what happens before a connection
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from archiver.errors import (
    ArchiverError,
    ClockError,
    ObjectMissingError,
    StoreAccessError,
    StoreError,
)

S3_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError)
"""All that a call of the client may raise because of the world."""

_TRANSIENT_CODES: Final = frozenset(
    {
        "BadDigest",  # damaged on the way: send it again
        "ConditionalRequestConflict",  # 409: somebody else is writing the key just now
        "InternalError",
        "OperationAborted",  # 409
        "RequestTimeout",  # 400: the server saw our bytes come too slowly
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    }
)
_TRANSIENT_STATUS: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_ACCESS_CODES: Final = frozenset(
    {
        "AuthorizationHeaderMalformed",  # 400: another region
        "ExpiredToken",  # 400
        "IllegalLocationConstraintException",
        "InvalidBucketName",
        "InvalidToken",
        "NoSuchBucket",
        "TokenRefreshRequired",
    }
)
_ACCESS_STATUS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,  # another region or endpoint
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
    }
)
_MISSING_STATUS: Final = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,  # AWS's answer to HEAD and GET of a delete marker
    }
)
_FULL_CODES: Final = frozenset({"QuotaExceeded", "XMinioStorageFull"})
"""Refusals that are no matter of rights: 403 on Ceph, 507 on MinIO."""

_SKEWED: Final = "RequestTimeTooSkewed"
_SKEW_LIMIT: Final = "> 900"  # S3 refuses from 15 minutes on

_MESSAGE_CHARACTERS: Final = 300


def is_transient(error: BaseException) -> bool:
    """Return whether sending the same request again may help."""
    if isinstance(error, ClientError):
        return code(error) in _TRANSIENT_CODES or (
            status(error) in _TRANSIENT_STATUS and code(error) not in _FULL_CODES
        )
    return isinstance(
        error, HTTPClientError | ConnectionError | IncompleteReadError | ResponseParserError
    )


def translate(error: BaseException, key: str) -> ArchiverError:
    """Return our error for one of `S3_ERRORS`, to be raised from it."""
    if not isinstance(error, ClientError):
        return _without_answer(error, key)
    detail = sentence(error)
    if code(error) == _SKEWED:
        return ClockError(seconds=_skew_seconds(error))
    if code(error) in _FULL_CODES:
        return StoreError(key=key, detail=detail)
    if code(error) in _ACCESS_CODES or status(error) in _ACCESS_STATUS:
        return StoreAccessError(detail=f"{error.operation_name} {key}: {detail}")
    if status(error) in _MISSING_STATUS:
        return ObjectMissingError(key=key, detail=detail)
    return StoreError(key=key, detail=detail)


def code(error: ClientError) -> str:
    """Return the server's error code; for a HEAD, which has no body, the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """Return the HTTP status of the answer, 0 if unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def sentence(error: ClientError) -> str:
    """Return the server's own words, cut short."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return f"{code(error)}: {message}"[:_MESSAGE_CHARACTERS]


def server_date(response: Any) -> datetime | None:  # noqa: ANN401  each operation has its own type
    """Return the server's clock from an answer, whole seconds, or None if it says nothing."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(date)
    except ValueError:
        return None


def _without_answer(error: BaseException, key: str) -> ArchiverError:
    detail = f"{type(error).__name__}: {error}"[:_MESSAGE_CHARACTERS]
    if isinstance(
        error,
        CredentialRetrievalError
        | NoCredentialsError
        | PartialCredentialsError
        | SSLError  # mostly a certificate; what heals by itself has been tried again
        | SSOError
        | TokenRetrievalError,
    ):
        return StoreAccessError(detail=detail)
    return StoreError(key=key, detail=detail)


def _skew_seconds(error: ClientError) -> object:
    """Return the difference if the server gives both times, as AWS does."""
    facts: dict[str, Any] = {**error.response.get("Error", {})}
    try:
        ours = datetime.strptime(f"{facts['RequestTime']}+0000", "%Y%m%dT%H%M%SZ%z")
        theirs = datetime.fromisoformat(facts["ServerTime"])
        return abs(round((ours - theirs).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return _SKEW_LIMIT
