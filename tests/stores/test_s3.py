"""The S3 store on a real server that keeps its promises."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

import pytest

from archiver.errors import (
    AlreadyStoredError,
    ConfigurationError,
    LockedError,
    LockNotHonouredError,
    ObjectMissingError,
    StoreAccessError,
)
from archiver.stores.s3 import open_s3
from archiver.stores.s3_bucket import Patience
from tests.servers.seaweedfs import SECRET_KEY, S3Bucket, SeaweedFS
from tests.store_contract import CONTENT, KEY, StoreContract, Subject
from tests.stores.conftest import PART_BYTES, OpenStore, subject_of

BIG = bytes(range(256)) * (45 << 10)  # 11.25 MiB: three parts


class TestS3Store(StoreContract):
    @pytest.fixture
    def subject(self, direct: Subject) -> Subject:
        return direct


def test_objects_lie_below_the_prefix_and_nothing_else_is_seen(
    s3_bucket: S3Bucket, direct: Subject, prefix: str, path: str
) -> None:
    client = s3_bucket.client()
    other = f"{prefix}2/x"
    client.put_object(Bucket=s3_bucket.name, Key=other, Body=b"another's")

    direct.put()

    listed = client.list_objects_v2(Bucket=s3_bucket.name, Prefix=prefix)["Contents"]
    assert {entry["Key"] for entry in listed} == {path, other}
    assert direct.keys("") == [KEY]


def test_a_store_may_have_the_whole_bucket(
    seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = seaweedfs.new_bucket()
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    subject = subject_of(open_s3(bucket.url, bucket.endpoint, bucket.region))

    subject.put()

    (entry,) = bucket.client().list_objects_v2(Bucket=bucket.name)["Contents"]
    assert entry["Key"] == KEY
    assert subject.keys("") == [KEY]


def test_a_large_object_goes_in_parts_and_is_locked_and_checked(
    s3_bucket: S3Bucket, direct: Subject, path: str
) -> None:
    stored = direct.put(content=BIG)

    shown = s3_bucket.client().head_object(
        Bucket=s3_bucket.name, Key=path, VersionId=stored.version_id, ChecksumMode="ENABLED"
    )
    assert shown["ChecksumSHA256"].endswith("-3")
    assert shown["ObjectLockMode"] == "COMPLIANCE"
    assert shown["ObjectLockRetainUntilDate"] == direct.until
    assert stored.sha256 == sha256(BIG).hexdigest()
    assert direct.store.head(KEY, stored.version_id) == stored
    assert direct.store.get(KEY, stored.version_id) == BIG
    assert direct.put(content=BIG) == stored
    with pytest.raises(AlreadyStoredError):
        direct.put(content=BIG[:-1] + b"!")
    uploads = s3_bucket.client().list_multipart_uploads(Bucket=s3_bucket.name, Prefix=path)
    assert uploads.get("Uploads", []) == []


def test_an_object_of_exactly_the_limit_goes_in_one_piece(
    s3_bucket: S3Bucket, direct: Subject, path: str
) -> None:
    stored = direct.put(content=BIG[:PART_BYTES])

    shown = s3_bucket.client().head_object(
        Bucket=s3_bucket.name, Key=path, VersionId=stored.version_id, ChecksumMode="ENABLED"
    )
    assert "-" not in shown["ChecksumSHA256"]


def test_a_delete_marker_hides_a_version_and_reopens_its_key(
    s3_bucket: S3Bucket, direct: Subject, path: str
) -> None:
    first = direct.put()
    marker = s3_bucket.client().delete_object(Bucket=s3_bucket.name, Key=path)["VersionId"]

    with pytest.raises(ObjectMissingError):
        direct.store.get(KEY)
    with pytest.raises(ObjectMissingError):
        direct.store.head(KEY, marker)
    assert direct.store.get(KEY, first.version_id) == CONTENT
    assert [
        (entry.version_id, entry.is_latest, entry.is_delete_marker)
        for entry in direct.store.list_versions(KEY)
    ] == [(marker, True, True), (first.version_id, False, False)]
    second = direct.put(content=b"above")
    versions = {entry.version_id: entry for entry in direct.store.list_versions("")}
    assert set(versions) == {first.version_id, marker, second.version_id}
    assert versions[second.version_id].is_latest

    direct.store.delete_version(KEY, marker)

    assert marker not in {entry.version_id for entry in direct.store.list_versions("")}


def test_a_listing_of_many_pages_is_one_listing(
    direct: Subject, s3_bucket: S3Bucket, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = direct.store._bucket.client  # type: ignore[attr-defined]
    ask = client.list_object_versions
    monkeypatch.setattr(client, "list_object_versions", lambda **asked: ask(**asked, MaxKeys=3))
    for number in range(5):
        direct.put(f"manifests/{number:08d}.json", b"%d" % number)
        s3_bucket.client().delete_object(
            Bucket=s3_bucket.name, Key=f"{prefix}/manifests/{number:08d}.json"
        )

    listed = [(entry.key[-6], entry.is_delete_marker) for entry in direct.store.list_versions("")]

    assert listed == [(str(n), marker) for n in range(5) for marker in (True, False)]


def test_an_unlocked_version_is_an_alarm_and_can_be_deleted(
    s3_bucket: S3Bucket, direct: Subject, path: str
) -> None:
    version_id = s3_bucket.client().put_object(Bucket=s3_bucket.name, Key=path, Body=b"forged")[
        "VersionId"
    ]

    with pytest.raises(LockNotHonouredError):
        direct.store.head(KEY, version_id)
    with pytest.raises(LockNotHonouredError):
        direct.put(content=b"forged")
    direct.store.delete_version(KEY, version_id)

    assert direct.keys("") == []


def test_a_governance_lock_is_none(s3_bucket: S3Bucket, direct: Subject, path: str) -> None:
    version_id = s3_bucket.client().put_object(
        Bucket=s3_bucket.name,
        Key=path,
        Body=CONTENT,
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=direct.until,
    )["VersionId"]

    with pytest.raises(LockNotHonouredError, match="GOVERNANCE"):
        direct.store.head(KEY, version_id)


def test_a_legal_hold_locks_beyond_the_date(
    s3_bucket: S3Bucket, direct: Subject, path: str
) -> None:
    stored = direct.put(until=direct.soon(2))
    s3_bucket.client().put_object_legal_hold(
        Bucket=s3_bucket.name,
        Key=path,
        VersionId=stored.version_id,
        LegalHold={"Status": "ON"},
    )
    direct.let_pass(timedelta(seconds=3))

    with pytest.raises(LockedError, match="legal hold"):
        direct.store.delete_version(KEY, stored.version_id)


def test_a_bucket_that_cannot_lock_says_so_and_takes_nothing(
    seaweedfs: SeaweedFS, open_store: OpenStore
) -> None:
    bucket = seaweedfs.new_bucket(object_lock=False)
    subject = subject_of(open_store(bucket))

    states: tuple[Literal["Enabled", "Suspended"] | None, ...] = (None, "Enabled", "Suspended")
    for versioning in states:
        if versioning:
            bucket.client().put_bucket_versioning(
                Bucket=bucket.name, VersioningConfiguration={"Status": versioning}
            )
        settings = subject.store.settings()
        assert settings.versioning == (versioning == "Enabled")
        assert not settings.object_lock
        assert not settings.worm
        with pytest.raises(LockNotHonouredError) as caught:
            subject.put()
        assert caught.value.exit == 20
        assert subject.keys("") == []


def test_settings_tell_the_servers_time_and_place(
    s3_bucket: S3Bucket, direct: Subject, prefix: str
) -> None:
    settings = direct.store.settings()

    assert settings.worm
    assert settings.description == f"s3://{s3_bucket.name}/{prefix}/ at {s3_bucket.endpoint}"
    assert settings.server_time is not None
    assert abs(settings.server_time - datetime.now(UTC)) < timedelta(seconds=5)


# --- no way in ----------------------------------------------------------------------------------


def each_call(subject: Subject) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "put", subject.put
    yield "put in parts", lambda: subject.put(content=BIG)
    yield "get", lambda: subject.store.get(KEY)
    yield "head", lambda: subject.store.head(KEY, "v")
    yield "list", lambda: subject.keys("")
    yield "delete", lambda: subject.store.delete_version(KEY, "v")
    yield "settings", subject.store.settings


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_to_be_put_right_and_never_told(
    s3_bucket: S3Bucket, open_store: OpenStore, wrong: str
) -> None:
    bucket = replace(s3_bucket, **{wrong: "canary-wrong-4471"})
    subject = subject_of(open_store(bucket))

    for name, call in each_call(subject):
        with pytest.raises(StoreAccessError) as caught:
            call()
        assert caught.value.exit == 2, name
        said = f"{caught.value} {caught.value.text('zh')} {caught.value.next_command}"
        assert SECRET_KEY not in said
        assert "canary" not in said


def test_no_credentials_at_all_are_to_be_put_right(s3_bucket: S3Bucket) -> None:
    subject = subject_of(open_s3(s3_bucket.url, s3_bucket.endpoint, s3_bucket.region))

    with pytest.raises(StoreAccessError, match="credentials"):
        subject.put()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://bucket/prefix", None),
        ("s3://", None),
        ("s3:///prefix", None),
        ("s3://bucket?x=1", None),
        ("s3://bucket", "127.0.0.1:8333"),
        ("s3://bucket", "ftp://127.0.0.1"),
        ("s3://bucket", "http://user:canary@127.0.0.1:8333"),
        ("s3://bucket", "http://127.0.0.1:8333/path"),
        ("s3://bucket", "http://127.0.0.1:8333?token=canary"),
    ],
)
def test_a_place_that_is_none_is_a_matter_of_configuration(url: str, endpoint: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_s3(url, endpoint, "us-east-1")

    assert "canary" not in str(caught.value)


def test_a_region_that_is_none_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError):
        open_s3("s3://bucket", None, "no region")


def test_an_unknown_profile_is_to_be_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(StoreAccessError, match="nobody"):
        open_s3("s3://bucket", None, "us-east-1", patience=Patience())
