"""The lying proxy tells the lies it is told to, and nothing but the truth otherwise."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.servers.proxy import (
    DROP_IF_NONE_MATCH,
    DROP_LOCKS,
    Delay,
    FlipByte,
    LoseReply,
    LoseRequest,
    Refuse,
    S3Proxy,
    SkewDate,
    request,
)
from tests.servers.seaweedfs import S3Bucket

SOON = timedelta(minutes=10)


def test_without_lies_a_locked_put_passes_with_its_own_signature(s3_proxy: S3Proxy) -> None:
    s3, name = s3_proxy.bucket.client(), s3_proxy.bucket.name
    until = datetime.now(UTC).replace(microsecond=0) + SOON
    s3.put_object(
        Bucket=name,
        Key="盘/a b",
        Body=b"x" * 100_000,
        ChecksumAlgorithm="SHA256",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )
    head = s3.head_object(Bucket=name, Key="盘/a b")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", until)
    assert s3.get_object(Bucket=name, Key="盘/a b")["Body"].read() == b"x" * 100_000
    assert s3_proxy.count("PUT", "盘/a b") == 1
    assert s3_proxy.count() == 3


def test_dropped_lock_headers_leave_an_unlocked_object(s3_proxy: S3Proxy) -> None:
    s3_proxy.lie(DROP_LOCKS)
    s3, name = s3_proxy.bucket.client(), s3_proxy.bucket.name
    s3.put_object(
        Bucket=name,
        Key="a",
        Body=b"x",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + SOON,
    )
    assert "ObjectLockMode" not in s3.head_object(Bucket=name, Key="a")


def test_a_dropped_condition_lets_the_second_put_through(s3_proxy: S3Proxy) -> None:
    s3, name = s3_proxy.bucket.client(), s3_proxy.bucket.name
    s3.put_object(Bucket=name, Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=name, Key="a", Body=b"2", IfNoneMatch="*")

    s3_proxy.lie(DROP_IF_NONE_MATCH)

    s3.put_object(Bucket=name, Key="a", Body=b"2", IfNoneMatch="*")


def test_a_lost_reply_is_done_and_a_lost_request_is_not(
    s3_bucket: S3Bucket, s3_proxy: S3Proxy
) -> None:
    s3, name, honest = s3_proxy.bucket.client(), s3_proxy.bucket.name, s3_bucket.client()
    s3_proxy.lie(LoseReply(), when=request("PUT", "heard"))
    s3_proxy.lie(LoseRequest(), when=request("PUT", "missed"))
    for key in ("heard", "missed"):
        with pytest.raises(ConnectionClosedError):
            s3.put_object(Bucket=name, Key=key, Body=b"x")
    stored = [entry["Key"] for entry in honest.list_objects_v2(Bucket=name)["Contents"]]
    assert stored == ["heard"]


def test_a_lie_can_wait_for_its_turn_and_end(s3_proxy: S3Proxy) -> None:
    s3, name = s3_proxy.bucket.client(), s3_proxy.bucket.name
    s3_proxy.lie(Refuse(), when=request("PUT"), skip=1, times=1)
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    with pytest.raises(ClientError, match="SlowDown"):
        s3.put_object(Bucket=name, Key="b", Body=b"x")
    s3.put_object(Bucket=name, Key="b", Body=b"x")
    assert s3_proxy.count("PUT", "b") == 2


def test_dates_bodies_and_patience_are_bent(s3_proxy: S3Proxy) -> None:
    s3, name = s3_proxy.bucket.client(), s3_proxy.bucket.name
    s3.put_object(Bucket=name, Key="a", Body=b"abc")
    s3_proxy.lie(SkewDate(timedelta(minutes=7)), when=request("HEAD"))
    s3_proxy.lie(FlipByte(-1), when=request("GET"))
    s3_proxy.lie(Delay(timedelta(seconds=0.3)), when=request("GET"))

    date = s3.head_object(Bucket=name, Key="a")["ResponseMetadata"]["HTTPHeaders"]["date"]
    before = time.monotonic()
    body = s3.get_object(Bucket=name, Key="a", Range="bytes=0-1")["Body"].read()

    assert parsedate_to_datetime(date) - datetime.now(UTC) > timedelta(minutes=6)
    assert body == bytes([ord("a"), ord("b") ^ 0xFF])
    assert time.monotonic() - before >= 0.3

    s3_proxy.tell_the_truth()
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"abc"
