"""S3 stores over the run's server."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from archiver.ports import LockMode
from archiver.stores.s3 import S3Store
from archiver.stores.s3_bucket import Patience, open_bucket
from tests.servers.proxy import S3Proxy
from tests.servers.seaweedfs import S3Bucket
from tests.store_contract import Subject

QUICK = Patience(attempts=3, first_wait=timedelta(milliseconds=1))
PART_BYTES = 5 << 20  # S3's minimum

OpenStore = Callable[[S3Bucket], S3Store]


@pytest.fixture
def open_store(monkeypatch: pytest.MonkeyPatch) -> OpenStore:
    """Open a store below the prefix `vault` as the archive does: credentials from outside."""

    def opened(bucket: S3Bucket) -> S3Store:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        place = open_bucket(f"{bucket.url}/vault", bucket.endpoint, bucket.region, QUICK)
        return S3Store(place, multipart_above_bytes=PART_BYTES, part_bytes=PART_BYTES)

    return opened


def subject_of(store: S3Store) -> Subject:
    """Return a store on a server whose clock is the real one."""
    return Subject(
        store=store,
        mode=LockMode.COMPLIANCE,
        now=lambda: datetime.now(UTC),
        let_pass=lambda by: time.sleep(by.total_seconds()),
        until=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1),
    )


@pytest.fixture
def direct(s3_bucket: S3Bucket, open_store: OpenStore) -> Subject:
    """The honest server."""
    return subject_of(open_store(s3_bucket))


@pytest.fixture
def lying(s3_proxy: S3Proxy, open_store: OpenStore) -> Subject:
    """The same server behind `s3_proxy`."""
    return subject_of(open_store(s3_proxy.bucket))
