"""S3 stores over the run's server."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from archiver.ports import LockMode
from archiver.stores.s3 import S3Store
from archiver.stores.s3_bucket import Bucket, Patience, open_bucket
from tests.servers.proxy import S3Proxy
from tests.servers.seaweedfs import S3Bucket, SeaweedFS
from tests.store_contract import KEY, Subject

QUICK = Patience(attempts=3, first_wait=timedelta(milliseconds=1))
PART_BYTES = 5 << 20  # S3's minimum

OpenStore = Callable[[S3Bucket], S3Store]

_prefixes = (f"vault-{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def s3_bucket(seaweedfs: SeaweedFS) -> S3Bucket:
    """One bucket for all these tests, each below a prefix of its own.

    The first write to a bucket takes the server as long as thirty others.
    """
    return seaweedfs.new_bucket()


@pytest.fixture
def prefix() -> str:
    """What this test's keys begin with in the bucket; no slash at the end."""
    return next(_prefixes)


@pytest.fixture
def path(prefix: str) -> str:
    """Where the contract's `KEY` lies in the bucket."""
    return f"{prefix}/{KEY}"


@pytest.fixture
def open_store(prefix: str, monkeypatch: pytest.MonkeyPatch) -> OpenStore:
    """Open a store below the test's prefix as the archive does: credentials from outside."""

    def opened(bucket: S3Bucket) -> S3Store:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        place = replace(_opened(bucket), prefix=f"{prefix}/")
        return S3Store(place, multipart_above_bytes=PART_BYTES, part_bytes=PART_BYTES)

    return opened


@cache  # making a client takes longer than most of these tests
def _opened(bucket: S3Bucket) -> Bucket:
    return open_bucket(f"{bucket.url}/prefix", bucket.endpoint, bucket.region, QUICK)


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
