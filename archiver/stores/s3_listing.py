"""The listing of all versions and delete markers, which every verification walks."""

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from archiver.errors import Said, StoreError
from archiver.ports import VersionEntry
from archiver.stores.s3_bucket import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import (
        ListObjectVersionsOutputTypeDef,
        ListObjectVersionsRequestTypeDef,
    )


def list_versions(bucket: Bucket, prefix: str) -> Iterator[VersionEntry]:
    """Yield every version and delete marker below `prefix`, by key, then newest first.

    S3 lists markers apart and dates both by the second: of a marker and a version of one
    key that were written in the same second, only the latest is certain.

    Raises:
        StoreError: The store did not answer, or its pages lead nowhere.
    """
    request: ListObjectVersionsRequestTypeDef = {
        "Bucket": bucket.name,
        "Prefix": bucket.path(prefix),
    }
    while True:
        page = bucket.ask(prefix, lambda: bucket.client.list_object_versions(**request))
        yield from _entries(page, len(bucket.prefix))
        if not page.get("IsTruncated"):
            return
        here = request.get("KeyMarker"), request.pop("VersionIdMarker", None)
        request["KeyMarker"] = page.get("NextKeyMarker", "")
        if "NextVersionIdMarker" in page:  # AWS refuses an empty one
            request["VersionIdMarker"] = page["NextVersionIdMarker"]
        if here == (request["KeyMarker"], request.get("VersionIdMarker")):
            raise StoreError(key=prefix, detail=Said("the listing does not go on", "列举停滞不前"))


def _entries(page: "ListObjectVersionsOutputTypeDef", skip: int) -> list[VersionEntry]:
    """Return a page in one order, each key without its first `skip` characters."""
    entries = [
        VersionEntry(
            key=version["Key"][skip:],
            version_id=version["VersionId"],
            is_latest=version["IsLatest"],
            is_delete_marker=False,
            size_bytes=version["Size"],
            written_at=version["LastModified"],
            storage_class=version.get("StorageClass", "STANDARD"),
        )
        for version in page.get("Versions", ())
    ]
    entries += [
        VersionEntry(
            key=marker["Key"][skip:],
            version_id=marker["VersionId"],
            is_latest=marker["IsLatest"],
            is_delete_marker=True,
            size_bytes=0,
            written_at=marker["LastModified"],
        )
        for marker in page.get("DeleteMarkers", ())
    ]
    # Stable: within a second, versions stay in the server's order.
    entries.sort(key=attrgetter("is_latest", "written_at"), reverse=True)
    entries.sort(key=lambda entry: entry.key.encode())
    return entries
