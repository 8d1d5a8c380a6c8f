"""Answers of AWS and other servers that the server of these tests never gives."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from archiver.errors import (
    ArchiverError,
    ClockError,
    ObjectMissingError,
    StoreAccessError,
    StoreError,
)
from archiver.stores.s3_bucket import instant
from archiver.stores.s3_errors import is_transient, sentence, server_date, translate


def answer(status: int, code: str, **facts: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": f"{code} happened", **facts},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("status", "code", "kind", "transient"),
    [
        (503, "SlowDown", StoreError, True),
        (503, "ServiceUnavailable", StoreError, True),
        (500, "InternalError", StoreError, True),
        (429, "TooManyRequests", StoreError, True),
        (408, "", StoreError, True),
        (502, "Bad Gateway", StoreError, True),
        (504, "504", StoreError, True),
        (400, "RequestTimeout", StoreError, True),
        (400, "BadDigest", StoreError, True),
        (409, "ConditionalRequestConflict", StoreError, True),
        (409, "OperationAborted", StoreError, True),
        (400, "EntityTooLarge", StoreError, False),
        (507, "XMinioStorageFull", StoreError, False),
        (403, "QuotaExceeded", StoreError, False),
        (404, "NoSuchKey", ObjectMissingError, False),
        (404, "NoSuchVersion", ObjectMissingError, False),
        (404, "404", ObjectMissingError, False),
        (405, "MethodNotAllowed", ObjectMissingError, False),
        (404, "NoSuchBucket", StoreAccessError, False),
        (403, "AccessDenied", StoreAccessError, False),
        (403, "403", StoreAccessError, False),
        (401, "Unauthorized", StoreAccessError, False),
        (400, "ExpiredToken", StoreAccessError, False),
        (400, "AuthorizationHeaderMalformed", StoreAccessError, False),
        (301, "PermanentRedirect", StoreAccessError, False),
        (403, "RequestTimeTooSkewed", ClockError, False),
    ],
)
def test_an_answer_is_sorted_by_what_to_do_next(
    status: int, code: str, kind: type[ArchiverError], transient: bool
) -> None:
    error = answer(status, code)

    assert type(translate(error, "orders/x")) is kind
    assert is_transient(error) == transient


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (EndpointConnectionError(endpoint_url="http://s3.test"), StoreError, True),
        (ConnectionClosedError(endpoint_url="http://s3.test"), StoreError, True),
        (ResponseParserError("no XML"), StoreError, True),
        (
            SSLError(endpoint_url="https://s3.test", error=OSError("expired")),
            StoreAccessError,
            True,
        ),
        (NoCredentialsError(), StoreAccessError, False),
        (BotoCoreError(), StoreError, False),
    ],
)
def test_no_answer_is_sorted_too(
    error: Exception, kind: type[ArchiverError], transient: bool
) -> None:
    assert type(translate(error, "orders/x")) is kind
    assert is_transient(error) == transient


def test_the_difference_of_clocks_is_told_where_the_server_tells_it() -> None:
    error = answer(
        403,
        "RequestTimeTooSkewed",
        RequestTime="20260305T040000Z",
        ServerTime="2026-03-05T04:20:30Z",
    )

    assert translate(error, "orders/x").params == {"seconds": 1230}
    assert "> 900" in str(translate(answer(403, "RequestTimeTooSkewed"), "orders/x"))


def test_a_long_message_is_cut() -> None:
    assert len(sentence(answer(400, "x" * 5000))) < 400


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"ResponseMetadata": {"HTTPHeaders": {"date": "yesterday"}}},
        {"ResponseMetadata": {"HTTPHeaders": {}}},
    ],
)
def test_a_date_that_says_nothing_is_none(response: dict[str, Any]) -> None:
    assert server_date(response) is None


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 25 Nov 2026 19:50:32 GMT",
        "Wednesday, 25-Nov-26 19:50:32 GMT",
        "2026-11-26T19:50:32.123Z",
        "2026-11-26T19:50:32Z",
        "2026-11-26T19:50:32+08:00",
        "2026-11-26T19:50:32",
        "1700000000",
        "20261126",
    ],
)
def test_a_servers_time_is_what_botocore_would_have_read(text: str) -> None:
    assert instant(text) == parse_timestamp(text)


def test_what_is_no_time_is_refused_as_botocore_does() -> None:
    with pytest.raises(ValueError, match="timestamp"):
        instant("yesterday")
