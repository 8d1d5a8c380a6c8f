"""The S3 store on a server that drops locks, checksums, ranges and conditions."""

from base64 import b64decode, b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from archiver.errors import (
    AlreadyStoredError,
    LockNotHonouredError,
    StoreError,
)
from tests.servers.proxy import (
    DROP_IF_NONE_MATCH,
    DROP_LOCKS,
    DropHeaders,
    DropReplyHeaders,
    LoseReply,
    Refuse,
    S3Proxy,
    request,
)
from tests.servers.seaweedfs import S3Bucket
from tests.store_contract import CONTENT, KEY, Subject
from tests.stores.test_s3 import BIG

ATTEMPTS = 3  # of the stores under test
NO_CHECKSUMS = DropReplyHeaders("x-amz-checksum-")
NO_METADATA = DropReplyHeaders("x-amz-meta-")


def lock_of(bucket: S3Bucket, path: str, version_id: str) -> tuple[object, object]:
    shown = bucket.client().head_object(Bucket=bucket.name, Key=path, VersionId=version_id)
    return shown.get("ObjectLockMode"), shown.get("ObjectLockRetainUntilDate")


def test_a_put_asks_for_lock_checksum_and_condition_in_one_request(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    lying.put()

    (sent,) = [seen for seen in s3_proxy.requests if seen.method == "PUT"]
    assert sent.headers["if-none-match"] == "*"
    assert sent.headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = f"{lying.until:%Y-%m-%dT%H:%M:%SZ}"
    assert sent.headers["x-amz-object-lock-retain-until-date"] == until
    assert b64decode(sent.headers["x-amz-checksum-sha256"]) == sha256(CONTENT).digest()
    assert [seen.method for seen in s3_proxy.requests] == ["PUT", "HEAD"]


# --- locks --------------------------------------------------------------------------------------


def test_a_dropped_lock_is_an_alarm(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("PUT"))

    with pytest.raises(LockNotHonouredError, match="missing") as caught:
        lying.put()

    assert caught.value.exit == 20


def test_a_multipart_upload_whose_lock_is_dropped_is_locked_afterwards(
    s3_proxy: S3Proxy, s3_bucket: S3Bucket, lying: Subject, path: str
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))
    stored = lying.put(content=BIG)

    assert s3_proxy.count("PUT", query="retention") == 1
    assert lock_of(s3_bucket, path, stored.version_id) == ("COMPLIANCE", lying.until)
    assert stored.retain_until == lying.until


def test_a_multipart_upload_that_was_unheard_and_unlocked_is_locked_afterwards(
    s3_proxy: S3Proxy, s3_bucket: S3Bucket, lying: Subject, path: str
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))
    s3_proxy.lie(LoseReply(), when=request("POST", query="uploadId"), times=1)
    stored = lying.put(content=BIG)

    assert lock_of(s3_bucket, path, stored.version_id) == ("COMPLIANCE", lying.until)


def test_a_multipart_upload_that_cannot_be_locked_afterwards_is_an_alarm(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))
    s3_proxy.lie(Refuse(501, "NotImplemented"), when=request("PUT", query="retention"))

    with pytest.raises(LockNotHonouredError, match="NotImplemented"):
        lying.put(content=BIG)


def test_a_later_lock_that_finds_no_answer_may_be_tried_again(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))
    s3_proxy.lie(Refuse(), when=request("PUT", query="retention"), times=ATTEMPTS)

    with pytest.raises(StoreError):
        lying.put(content=BIG)

    assert lying.put(content=BIG).size_bytes == len(BIG)


@pytest.mark.parametrize("content", [CONTENT, BIG])
def test_a_lock_that_head_does_not_show_does_not_count(
    s3_proxy: S3Proxy, lying: Subject, content: bytes
) -> None:
    s3_proxy.lie(DropReplyHeaders("x-amz-object-lock-"), when=request("HEAD"))

    with pytest.raises(LockNotHonouredError):
        lying.put(content=content)


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        ({"ObjectLockMode": "GOVERNANCE"}, "GOVERNANCE"),
        ({"ObjectLockRetainUntilDate": None}, "no date"),
        ({"ObjectLockRetainUntilDate": timedelta(seconds=-1)}, "instead of"),
        ({"ObjectLockRetainUntilDate": timedelta(seconds=1)}, "instead of"),
        ({"ContentLength": len(CONTENT) - 1}, "bytes were sent"),
        ({"ChecksumSHA256": b64encode(sha256(b"other").digest()).decode()}, "SHA-256"),
    ],
)
def test_a_version_that_is_shown_otherwise_than_asked_for_is_an_alarm(
    direct: Subject, monkeypatch: pytest.MonkeyPatch, shown: dict[str, Any], fault: str
) -> None:
    client = direct.store._bucket.client  # type: ignore[attr-defined]
    ask = client.head_object
    shown = {
        name: direct.until + value if isinstance(value, timedelta) else value
        for name, value in shown.items()
    }
    monkeypatch.setattr(client, "head_object", lambda **asked: ask(**asked) | shown)

    with pytest.raises(LockNotHonouredError, match=fault):
        direct.put()


def test_a_server_without_version_ids_is_an_alarm(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(DropReplyHeaders("x-amz-version-id"))

    with pytest.raises(LockNotHonouredError, match="version id"):
        lying.put()
    with pytest.raises(LockNotHonouredError, match="version id"):
        lying.put()  # settled against what the first one left


# --- what the server says about the bytes -------------------------------------------------------


@pytest.mark.parametrize("content", [CONTENT, BIG])
def test_where_no_checksum_is_kept_the_bytes_are_read_back(
    s3_proxy: S3Proxy, lying: Subject, content: bytes
) -> None:
    s3_proxy.lie(NO_CHECKSUMS)
    first = lying.put(content=content)
    assert s3_proxy.count("GET") == 0

    assert lying.put(content=content) == first

    assert s3_proxy.count("GET") > 0
    with pytest.raises(AlreadyStoredError):
        lying.put(content=content[:-1] + b"!")


def test_a_forged_note_of_the_checksum_does_not_pass_for_the_bytes(
    s3_proxy: S3Proxy, s3_bucket: S3Bucket, lying: Subject, path: str
) -> None:
    s3_bucket.client().put_object(
        Bucket=s3_bucket.name,
        Key=path,
        Body=bytes(len(CONTENT)),
        Metadata={"sha256": sha256(CONTENT).hexdigest()},
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=lying.until,
    )
    s3_proxy.lie(NO_CHECKSUMS)

    with pytest.raises(AlreadyStoredError):
        lying.put()


def test_head_reads_the_bytes_where_nobody_noted_their_checksum(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    stored = lying.put()
    s3_proxy.lie(NO_CHECKSUMS)
    s3_proxy.lie(NO_METADATA)

    assert lying.store.head(KEY, stored.version_id) == stored


def test_a_server_that_ignores_ranges_is_read_all_the_same(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    lying.put()
    s3_proxy.lie(DropHeaders("range"))

    assert lying.store.get(KEY, start=5, length=10) == CONTENT[5:15]
    assert lying.store.get(KEY, start=5) == CONTENT[5:]


# --- the condition ------------------------------------------------------------------------------


def test_a_server_that_ignores_the_condition_piles_versions_up_and_destroys_none(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(DROP_IF_NONE_MATCH)
    first = lying.put()

    second = lying.put(content=b"another run's")

    assert first.version_id != second.version_id
    assert lying.store.get(KEY, first.version_id) == CONTENT
    assert [entry.version_id for entry in lying.store.list_versions("")] == [
        second.version_id,
        first.version_id,
    ]
