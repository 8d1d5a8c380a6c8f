"""The attacks that a bucket's own credentials allow, on a real S3 server, and what they are called.

One sealed archive for all of them. What an attack leaves is taken away again by version id: only
unlocked versions and markers can be.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archiver.stores.s3 import S3Store
from archiver.stores.s3_bucket import Patience, open_bucket
from tests.clock import FrozenClock
from tests.servers.seaweedfs import S3Bucket, SeaweedFS
from tests.verification.grounds import codes, verified
from tests.verification.sites import KINDS, recently_sealed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from tests.desk import Desk

PREFIX = "shop"
AT_ONCE = Patience(attempts=2, first_wait=timedelta(0), longest_wait=timedelta(0))


@dataclass(frozen=True, slots=True)
class Bucketful:
    """A sealed archive in a bucket, and somebody with the bucket's credentials."""

    desk: "Desk"
    bucket: S3Bucket
    client: "S3Client"

    def key(self, prefix: str) -> str:
        """Return a key that begins with a prefix."""
        return next(iter(self.desk.store.list_versions(prefix))).key

    def named(self, key: str) -> dict[str, Any]:
        """Return a version that is named, for a request."""
        *_, first = (one for one in self.desk.store.list_versions(key) if one.key == key)
        path = f"{PREFIX}/{key}"
        return {"Bucket": self.bucket.name, "Key": path, "VersionId": first.version_id}

    @contextmanager
    def beside(self, key: str) -> Iterator[None]:
        """Take away afterwards what was put beside the first version of a key."""
        before = {one.version_id for one in self.desk.store.list_versions(key)}
        try:
            yield
        finally:
            for one in list(self.desk.store.list_versions(key)):
                if one.version_id not in before:
                    self.client.delete_object(
                        Bucket=self.bucket.name,
                        Key=f"{PREFIX}/{one.key}",
                        VersionId=one.version_id,
                    )


@pytest.fixture(scope="module")
def bucketful(
    seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bucketful]:
    """Seal an archive into a bucket."""
    bucket = seaweedfs.new_bucket()
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        opened = open_bucket(f"{bucket.url}/{PREFIX}", bucket.endpoint, bucket.region, AT_ONCE)
        client = bucket.client()
        stack.callback(client.close)
        stack.callback(opened.client.close)
        clock = FrozenClock(datetime.now(UTC))
        folder: Path = tmp_path_factory.mktemp("bucketful")
        yield Bucketful(recently_sealed(folder, S3Store(opened), clock), bucket, client)


def hide(site: Bucketful, key: str) -> None:
    """Put a delete marker over a key."""
    site.client.delete_object(Bucket=site.bucket.name, Key=f"{PREFIX}/{key}")


def overwrite(site: Bucketful, key: str) -> None:
    """Put a newer version over a key."""
    site.client.put_object(Bucket=site.bucket.name, Key=f"{PREFIX}/{key}", Body=b"{}")


@pytest.mark.parametrize("act", [hide, overwrite])
def test_what_is_put_over_an_object_of_each_kind_is_named(
    bucketful: Bucketful, act: Callable[[Bucketful, str], None]
) -> None:
    assert codes(verified(bucketful.desk).alarms) == set()
    keys = {bucketful.key(prefix) for prefix in KINDS.values()}
    with ExitStack() as stack:
        for key in keys:
            stack.enter_context(bucketful.beside(key))
            act(bucketful, key)
        alarms = verified(bucketful.desk).alarms
    assert {one.key for one in alarms} == keys
    assert ("delete-marker" if act is hide else "shadowed") in codes(alarms)
    assert codes(verified(bucketful.desk).alarms) == set()


def test_settings_that_have_changed_since_the_lock_was_proven_are_named(
    bucketful: Bucketful,
) -> None:
    rule = {
        "ID": "clean-up",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 2},
    }
    bucketful.client.put_bucket_lifecycle_configuration(
        Bucket=bucketful.bucket.name,
        LifecycleConfiguration={"Rules": [rule]},  # type: ignore[list-item]
    )
    alarms = verified(bucketful.desk).alarms
    bucketful.client.delete_bucket_lifecycle(Bucket=bucketful.bucket.name)
    assert codes(alarms) == {"lifecycle-hides"}


def test_locks_for_a_century_and_holds_that_nobody_recorded_are_named(
    bucketful: Bucketful,
) -> None:
    held = bucketful.named(bucketful.key("orders/"))
    bucketful.client.put_object_legal_hold(**held, LegalHold={"Status": "ON"})
    alarms = verified(bucketful.desk).alarms
    bucketful.client.put_object_legal_hold(**held, LegalHold={"Status": "OFF"})
    assert codes(alarms) == {"hold-unexpected"}
    # The last of all: nobody can take it back.
    late = datetime.now(UTC) + timedelta(days=36_500)
    retention: Any = {"Mode": "COMPLIANCE", "RetainUntilDate": late}
    named = bucketful.named(bucketful.key("segments/"))
    bucketful.client.put_object_retention(**named, Retention=retention)
    (finding,) = verified(bucketful.desk).alarms
    assert finding.code == "lock-too-long"
    assert finding.touched.orders > 0
