"""The S3 store behind a network that loses and delays, and a server that refuses."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from archiver.errors import (
    ClockError,
    StoreAccessError,
    StoreError,
)
from tests.servers.proxy import (
    DropReplyHeaders,
    LoseReply,
    LoseRequest,
    Refuse,
    S3Proxy,
    SkewDate,
    request,
)
from tests.servers.seaweedfs import S3Bucket
from tests.store_contract import KEY, Subject
from tests.stores.test_s3 import BIG

ATTEMPTS = 3  # of the stores under test


# --- requests and replies that are lost ---------------------------------------------------------


def test_a_lost_reply_leaves_one_object(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(LoseReply(), when=request("PUT"), times=1)

    stored = lying.put()

    assert s3_proxy.count("PUT") == 2
    (entry,) = lying.store.list_versions("")
    assert entry.version_id == stored.version_id


@pytest.mark.parametrize("skip", range(5))
def test_a_lost_reply_anywhere_in_a_multipart_upload_leaves_one_object(
    s3_proxy: S3Proxy, lying: Subject, skip: int
) -> None:
    s3_proxy.lie(LoseReply(), when=lambda seen: seen.method != "HEAD", skip=skip, times=1)

    stored = lying.put(content=BIG)

    (entry,) = lying.store.list_versions("")
    assert entry.version_id == stored.version_id
    assert lying.store.get(KEY) == BIG


def test_a_completion_that_was_done_and_unheard_is_found(s3_proxy: S3Proxy, lying: Subject) -> None:
    completion = request("POST", query="uploadId")
    s3_proxy.lie(LoseReply(), when=completion, times=1)
    s3_proxy.lie(Refuse(404, "NoSuchUpload"), when=completion, skip=1)  # AWS's answer

    stored = lying.put(content=BIG)

    (entry,) = lying.store.list_versions("")
    assert entry.version_id == stored.version_id


def test_an_upload_that_was_aborted_by_somebody_may_be_tried_again(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(Refuse(404, "NoSuchUpload"), when=request("POST", query="uploadId"), times=1)

    with pytest.raises(StoreError) as caught:
        lying.put(content=BIG)

    assert caught.value.exit == 10
    assert lying.put(content=BIG).size_bytes == len(BIG)


def test_a_multipart_upload_that_fails_leaves_no_parts(
    s3_proxy: S3Proxy, s3_bucket: S3Bucket, lying: Subject, path: str
) -> None:
    s3_proxy.lie(Refuse(403, "AccessDenied"), when=request("PUT", query="partNumber"), skip=1)

    with pytest.raises(StoreAccessError):
        lying.put(content=BIG)

    uploads = s3_bucket.client().list_multipart_uploads(Bucket=s3_bucket.name, Prefix=path)
    assert uploads.get("Uploads", []) == []


def test_a_server_that_never_answers_is_asked_so_often_and_no_more(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(LoseReply())

    with pytest.raises(StoreError) as caught:
        lying.put()

    assert caught.value.exit == 10
    assert s3_proxy.count("PUT") == ATTEMPTS
    s3_proxy.tell_the_truth()
    lying.put()
    assert len(list(lying.store.list_versions(""))) == 1


@pytest.mark.parametrize("lie", [LoseRequest(), Refuse(), Refuse(500, "InternalError")])
def test_passing_trouble_is_waited_out(
    s3_proxy: S3Proxy, lying: Subject, lie: LoseRequest | Refuse
) -> None:
    stored = lying.put()
    calls: list[Callable[[], object]] = [
        lying.put,
        lambda: lying.store.get(KEY),
        lambda: lying.store.head(KEY, stored.version_id),
        lambda: list(lying.store.list_versions("")),
        lying.store.settings,
    ]
    for call in calls:
        s3_proxy.lie(lie, times=ATTEMPTS - 1)
        call()
    s3_proxy.lie(lie)
    s3_proxy.forget_requests()
    for call in calls:
        with pytest.raises(StoreError):
            call()
    assert s3_proxy.count() == ATTEMPTS * len(calls)


def test_a_conflict_with_another_writer_is_tried_again(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(Refuse(409, "ConditionalRequestConflict"), when=request("PUT"), times=1)

    lying.put()

    assert s3_proxy.count("PUT") == 2


def test_a_full_server_is_not_asked_again_at_once(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(Refuse(507, "XMinioStorageFull"))

    with pytest.raises(StoreError, match="XMinioStorageFull"):
        lying.put()

    assert s3_proxy.count("PUT") == 1


def test_a_missing_right_is_no_passing_trouble(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(Refuse(403, "AccessDenied"))

    with pytest.raises(StoreAccessError, match="PutObject"):
        lying.put()

    assert s3_proxy.count() == 1


def test_a_missing_right_to_delete_is_not_taken_for_a_lock(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    stored = lying.put(until=lying.soon(2))
    lying.let_pass(timedelta(seconds=3))
    s3_proxy.lie(Refuse(403, "AccessDenied"), when=request("DELETE"))

    with pytest.raises(StoreAccessError):
        lying.store.delete_version(KEY, stored.version_id)


def test_a_clock_that_the_server_refuses_is_an_alarm(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(Refuse(403, "RequestTimeTooSkewed"))

    with pytest.raises(ClockError) as caught:
        lying.put()

    assert caught.value.exit == 20


def test_the_servers_time_is_seen_as_it_is(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(SkewDate(timedelta(minutes=6)))

    server_time = lying.store.settings().server_time

    assert server_time is not None
    assert timedelta(minutes=5) < server_time - lying.now() < timedelta(minutes=7)


def test_a_server_without_a_date_has_no_time(s3_proxy: S3Proxy, lying: Subject) -> None:
    s3_proxy.lie(DropReplyHeaders("date"))

    assert lying.store.settings().server_time is None


def test_a_listing_that_leads_nowhere_ends(
    direct: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct.put()
    client = direct.store._bucket.client  # type: ignore[attr-defined]
    ask = client.list_object_versions
    page = {"IsTruncated": True, "NextKeyMarker": "x"}
    monkeypatch.setattr(client, "list_object_versions", lambda **asked: ask(**asked) | page)

    with pytest.raises(StoreError, match="does not go on"):
        list(direct.store.list_versions(""))


def test_settings_that_may_not_be_read_are_to_be_put_right(
    s3_proxy: S3Proxy, lying: Subject
) -> None:
    s3_proxy.lie(Refuse(403, "AccessDenied"), when=request("GET", query="object-lock"))

    with pytest.raises(StoreAccessError, match="GetObjectLockConfiguration"):
        lying.store.settings()


def test_a_deletion_without_an_answer_may_be_tried_again(s3_proxy: S3Proxy, lying: Subject) -> None:
    stored = lying.put(until=lying.soon(2))
    lying.let_pass(timedelta(seconds=3))
    s3_proxy.lie(LoseRequest(), when=request("DELETE"), times=ATTEMPTS)

    with pytest.raises(StoreError):
        lying.store.delete_version(KEY, stored.version_id)
    lying.store.delete_version(KEY, stored.version_id)

    assert lying.keys("") == []


# --- silence ------------------------------------------------------------------------------------


def test_logs_hold_neither_bytes_nor_keys(
    s3_proxy: S3Proxy, lying: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    s3_proxy.lie(Refuse(), times=ATTEMPTS - 1)

    lying.put(content=b"canary-content-8812" * 10)

    said = " ".join(str(vars(record)) for record in caplog.records)
    assert "stamina" in said
    assert "canary" not in said
