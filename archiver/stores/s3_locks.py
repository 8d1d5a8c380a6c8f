"""What HEAD shows of a version, and whether its lock is the one that was asked for.

HeadObject alone is asked: it shows lock, size and checksum in one answer, and works where
GetObjectRetention does not (moto).
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from archiver.errors import LockNotHonouredError, Said
from archiver.ports import LockMode, StoredObject
from archiver.stores.preconditions import iso
from archiver.stores.s3_bucket import Bucket
from archiver.stores.s3_errors import S3_ERRORS, is_transient, sentence, server_date, translate

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectRequestTypeDef

SHA256_METADATA = "sha256"
"""The user metadata, in hex, that stands in where the server keeps no whole SHA-256: after a
multipart upload, and on servers without checksums. A writer's claim; versions never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A version as HEAD shows it."""

    version_id: str | None
    """None without versioning; such an object cannot be locked."""
    size_bytes: int
    checksum: bytes | None
    """The SHA-256 of the whole object as checked and kept by the server."""
    claim: str | None
    """The SHA-256 that its writer noted, in hex."""
    mode: str | None
    retain_until: datetime | None
    legal_hold: bool
    server_time: datetime | None
    etag: str = ""
    """What a conditional write can name it by."""


def show(bucket: Bucket, key: str, version_id: str | None) -> Shown:
    """Return what HEAD shows of a version, or of the latest one.

    Raises:
        ObjectMissingError: There is no such version, or it is a delete marker.
        StoreError: The store did not answer.
    """
    request: HeadObjectRequestTypeDef = {
        "Bucket": bucket.name,
        "Key": bucket.path(key),
        "ChecksumMode": "ENABLED",
    }
    if version_id is not None:
        request["VersionId"] = version_id
    reply = bucket.ask(key, lambda: bucket.client.head_object(**request))
    shown_id = reply.get("VersionId", version_id)
    return Shown(
        version_id=None if shown_id == "null" else shown_id,
        size_bytes=reply["ContentLength"],
        checksum=_whole_checksum(reply.get("ChecksumSHA256")),
        claim=reply.get("Metadata", {}).get(SHA256_METADATA),
        mode=reply.get("ObjectLockMode"),
        retain_until=reply.get("ObjectLockRetainUntilDate"),
        legal_hold=reply.get("ObjectLockLegalHoldStatus") == "ON",
        server_time=server_date(reply),
        etag=reply["ETag"],
    )


def lock_fault(shown: Shown, until: datetime) -> Said | None:
    """Return what is wrong with a new version's lock, None if it is exactly as asked.

    Too long is wrong too: nobody can shorten it.
    """
    if shown.mode != LockMode.COMPLIANCE:
        return Said(
            f"the mode is {shown.mode or 'missing'}, not COMPLIANCE",
            f"模式为{f' {shown.mode}' if shown.mode else '空'}，而非 COMPLIANCE",
        )
    if shown.retain_until is None:
        return Said("there is no date", "没有日期")
    if shown.retain_until != until:
        return Said(
            f"locked until {iso(shown.retain_until)} instead of {iso(until)}",
            f"锁定至 {iso(shown.retain_until)}，应为 {iso(until)}",
        )
    return None


def relock(bucket: Bucket, key: str, version_id: str, until: datetime) -> None:
    """Ask for the lock once more, by PutObjectRetention, on an existing version.

    Raises:
        LockNotHonouredError: The server refuses, so the version stays without its lock.
    """
    try:
        bucket.send(
            lambda: bucket.client.put_object_retention(
                Bucket=bucket.name,
                Key=bucket.path(key),
                VersionId=version_id,
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
            )
        )
    except S3_ERRORS as error:
        if is_transient(error) or not isinstance(error, ClientError):
            raise translate(error, key) from error
        raise LockNotHonouredError(
            key=key,
            detail=Said(
                f"dropped, and refused when asked for again: {sentence(error)}",
                f"锁被丢弃，再次请求时遭拒绝：{sentence(error)}",
            ),
        ) from error


def stored_object(key: str, shown: Shown, sha256: str) -> StoredObject:
    """Return a locked version as the port describes it.

    Raises:
        LockNotHonouredError: It has no version id, no lock, or a lock of GOVERNANCE, which
            an administrator can lift.
    """
    if shown.version_id is None:
        raise LockNotHonouredError(
            key=key,
            detail=Said("it has no version id: versioning is off", "没有版本号：未启用版本控制"),
        )
    if shown.mode != LockMode.COMPLIANCE or shown.retain_until is None:
        raise LockNotHonouredError(
            key=key,
            detail=Said(
                f"version {shown.version_id} has the lock mode {shown.mode or 'none'}",
                f"版本 {shown.version_id} 的锁定模式为{f' {shown.mode}' if shown.mode else '空'}",
            ),
        )
    return StoredObject(
        key=key,
        version_id=shown.version_id,
        size_bytes=shown.size_bytes,
        sha256=sha256,
        mode=LockMode.COMPLIANCE,
        retain_until=shown.retain_until,
        legal_hold=shown.legal_hold,
    )


def _whole_checksum(encoded: str | None) -> bytes | None:
    """Return a SHA-256 in bytes, None for a composite one (`…-3`: of parts' checksums)."""
    if encoded is None or "-" in encoded:
        return None
    return base64.b64decode(encoded)
