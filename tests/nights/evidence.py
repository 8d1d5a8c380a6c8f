"""Reading an archive back with FORMAT.md's reader and a way to fetch bytes, nothing of ours.

This is what an outside check does: `boto3` (or the folder) gives bytes, `schemas/FORMAT.md`
gives the reader, key files give the roots.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from tests.nights.site import SHANGHAI
from tests.servers.seaweedfs import S3Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FORMAT = Path(__file__).parents[2] / "schemas" / "FORMAT.md"
Row = Mapping[str, Any]


@cache
def reader_of_last_resort() -> dict[str, Any]:
    """Return what the Python block in FORMAT.md defines."""
    fenced = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
    blocks = fenced.findall(FORMAT.read_text("utf-8"))
    [block] = [text for text in blocks if "def read(" in text]
    names: dict[str, Any] = {}
    exec(compile(block, str(FORMAT), "exec"), names)  # noqa: S102  that is how it is tested
    return names


class Vault(Protocol):
    """Where an archive's bytes are."""

    @property
    def read(self) -> dict[Any, list[pa.Table]]:
        """What has been read already, where what has been fetched cannot change."""

    def names(self) -> Sequence[str]:
        """Return all keys, each once."""

    def fetch(self, key: str, version_id: str | None) -> bytes:
        """Return a version's bytes; the earliest version's if none is named."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version in a bucket with its lock, as HEAD shows it."""

    key: str
    version_id: str
    mode: str | None
    retain_until: datetime | None


@dataclass(slots=True)
class BucketVault:
    """A bucket, reached with boto3."""

    s3: "S3Client"
    bucket: str
    prefix: str = "vault/"
    read: dict[Any, list[pa.Table]] = field(default_factory=dict)
    _earliest: dict[str, str] = field(default_factory=dict)
    _fetched: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, bucket: S3Bucket, prefix: str = "vault/") -> "BucketVault":
        """Return the vault in a bucket of the tests."""
        return cls(bucket.client(), bucket.name, prefix)

    def listed(self, below: str = "") -> list[tuple[str, str]]:
        """Return key and version id of all versions, oldest first; there are no markers.

        Canaries of lock proofs are left out: they count for nothing (FORMAT.md 2).
        """
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=self.prefix + below
        )
        found = []
        for page in pages:
            assert not page.get("DeleteMarkers")
            found += page.get("Versions", [])
        found.sort(key=lambda one: one["LastModified"])
        listed = [(one["Key"].removeprefix(self.prefix), one["VersionId"]) for one in found]
        return [one for one in listed if not one[0].startswith("proofs/canary/")]

    def names(self) -> Sequence[str]:
        """Return all keys."""
        return sorted({key for key, _ in self.listed()})

    def versions(self) -> Iterator[Version]:
        """Yield every version with its lock."""
        for key, version_id in self.listed():
            head = self.s3.head_object(
                Bucket=self.bucket, Key=self.prefix + key, VersionId=version_id
            )
            yield Version(
                key, version_id, head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
            )

    def fetch(self, key: str, version_id: str | None) -> bytes:
        """Return a version's bytes. Versions do not change, so each is fetched once."""
        if version_id is None:
            if key not in self._earliest:
                self._earliest = dict(reversed(self.listed()))
            version_id = self._earliest[key]
        if version_id not in self._fetched:
            self._fetched[version_id] = self.s3.get_object(
                Bucket=self.bucket, Key=self.prefix + key, VersionId=version_id
            )["Body"].read()
        return self._fetched[version_id]


@dataclass(slots=True)
class FolderVault:
    """A `dir:` store, reached as files: a key is a folder, a version a file in it."""

    folder: Path

    @property
    def read(self) -> dict[Any, list[pa.Table]]:
        """Nothing: each time, the files of the moment are read."""
        return {}

    def names(self) -> Sequence[str]:
        """Return all keys."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        visible = (p.relative_to(self.folder) for p in files)
        return sorted({str(p.parent) for p in visible if not p.parts[0].startswith(".")})

    def fetch(self, key: str, version_id: str | None) -> bytes:
        """Return a version's bytes."""
        names = sorted((self.folder / key).iterdir())
        [path] = [p for p in names if version_id is None or p.name.startswith(f"{version_id}_")]
        return path.read_bytes()


@dataclass(slots=True)
class Opened:
    """An archive opened from outside."""

    vault: Vault
    anchor: bytes
    roots: Mapping[str, bytes]

    @classmethod
    def at(cls, vault: Vault, folder: Path, *, reveal: bool = True) -> "Opened":
        """Open with the key files and the anchor of a host's folder."""
        files = {"base": "root.key", "reveal": "reveal-root.key"}
        return cls(
            vault,
            (folder / "archive.json").read_bytes(),
            {
                name: bytes.fromhex(json.loads((folder / file).read_text())["seed"])
                for name, file in files.items()
                if reveal or name != "reveal"
            },
        )

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The manifests in order. Their signatures are checked by whoever reads tables."""
        keys = [key for key in self.vault.names() if key.startswith("manifests/")]
        assert keys == [f"manifests/{n:08d}.json" for n in range(1, len(keys) + 1)]
        return [payload(self.vault.fetch(key, None)) for key in keys]

    def tables(self, number: int, kind: str = "orders") -> list[pa.Table]:
        """Return the tables of one kind that a manifest names, decrypted and verified."""
        wanted, read_before = (number, kind, self.anchor, *self.roots.items()), self.vault.read
        if wanted not in read_before:
            read: Callable[..., Iterator[pa.Table]] = reader_of_last_resort()["read"]
            tables = read(self.vault.fetch, self.anchor, number, self.roots, kind)
            read_before[wanted] = list(tables)
        return read_before[wanted]

    def rows(self, kind: str = "orders") -> list[Row]:
        """Return all rows of one kind, of all manifests."""
        numbers = range(1, len(self.manifests) + 1)
        return [r for number in numbers for t in self.tables(number, kind) for r in t.to_pylist()]

    def assert_everything_is_named_once(self) -> None:
        """No orphans, nothing named twice, no identity sealed by two manifests."""
        named = [one["key"] for manifest in self.manifests for one in manifest["objects"]]
        assert len(named) == len(set(named))
        stored = [key for key in self.vault.names() if key.endswith(".parquet")]
        assert sorted(named) == stored
        self.assert_sealed_once()

    def assert_sealed_once(self) -> None:
        """Exactly one manifest names each (source, order id, revision)."""
        seen = [(r["source"], r["order_id"], r["revision"]) for r in self.rows()]
        assert len(seen) == len(set(seen))


def payload(envelope: bytes) -> dict[str, Any]:
    """Return the document in an envelope, unverified."""
    fields: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return fields


def values(reject: Row) -> dict[str, bytes | None]:
    """Return what a sealed reject holds of its row."""
    return {one["name"]: one["value"] for one in reject["values"]}


def shanghai(instant: datetime) -> date:
    """Return an instant's calendar date in the legal zone."""
    return instant.astimezone(SHANGHAI).date()


def end_of_period(day: date, years: int = 3, margin_days: int = 10) -> date:
    """Return the first day on which what ended on `day` is free. Counted by hand, on purpose."""
    if (day.month, day.day) == (2, 29) and (day.year + years) % 4:
        last = date(day.year + years, 2, 28)
    else:
        last = date(day.year + years, day.month, day.day)
    return last + timedelta(days=1) + timedelta(days=margin_days)
