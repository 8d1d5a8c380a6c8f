"""Sending an object's bytes to S3 with a lock, on the condition that the key is free.

Or that one foreign version, which was looked at, is the latest.
Nothing is proven here: a server may take the bytes and drop the lock. `s3` reads it back.
"""

import base64
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, TypedDict

from botocore.exceptions import ClientError

from archiver.errors import ArchiverError, LockNotHonouredError, RetentionRefusedError, Said
from archiver.stores.preconditions import iso
from archiver.stores.s3_bucket import Bucket
from archiver.stores.s3_errors import S3_ERRORS, code, sentence, server_date, translate
from archiver.stores.s3_locks import SHA256_METADATA

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_TAKEN_CODES: Final = frozenset(
    {
        "PreconditionFailed",
        # To CompleteMultipartUpload: it was completed before and the answer was lost.
        "NoSuchUpload",
    }
)

_LOCK_REFUSED_CODES: Final = frozenset(
    {
        "InvalidArgument",
        "InvalidBucketState",
        "InvalidRequest",
        "NotImplemented",
        "ObjectLockConfigurationNotFoundError",
    }
)
"""What is answered where Object Lock or versioning is missing, or to a date in the past."""


class Condition(TypedDict, total=False):
    """The parameters of a conditional write."""

    IfNoneMatch: str
    IfMatch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is to be stored, and until when it is to be locked."""

    key: str
    body: BinaryIO
    size_bytes: int
    sha256: bytes
    until: datetime
    above: str | None = None
    """The ETag that the key's latest version must have; None: the key must be free."""

    @property
    def condition(self) -> "Condition":
        """On what the write depends."""
        return {"IfNoneMatch": "*"} if self.above is None else {"IfMatch": self.above}


def send_whole(bucket: Bucket, parcel: Parcel) -> str | None:
    """Send the object in one request.

    Returns:
        Its version id; None if the key has an object, perhaps this one: a reply that was
        lost is followed by a second try, which meets the first one's object.

    Raises:
        LockNotHonouredError: The server refuses the lock, or gives no version id.
    """

    def send() -> str | None:
        parcel.body.seek(0)
        return bucket.client.put_object(
            Bucket=bucket.name,
            Key=bucket.path(parcel.key),
            Body=parcel.body,
            ContentLength=parcel.size_bytes,
            # Named, too: AWS takes no locked object without an algorithm or a Content-MD5.
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_base64(parcel.sha256),
            Metadata={SHA256_METADATA: parcel.sha256.hex()},
            **parcel.condition,
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=parcel.until,
        ).get("VersionId")

    try:
        version_id = bucket.send(send)
    except S3_ERRORS as error:
        if is_taken(error):
            return None
        raise _refusal(error, parcel) from error
    return _require_version(parcel.key, version_id)


def send_in_parts(bucket: Bucket, parcel: Parcel, part_bytes: int) -> str | None:
    """Send the object in parts of `part_bytes`, held in memory one at a time.

    Returns:
        As `send_whole`. Failed uploads are aborted; one that cannot be (or whose beginning
        was not heard) is invisible, and left to the bucket's life-cycle rule.

    Raises:
        LockNotHonouredError: The server refuses the lock, or gives no version id.
    """
    client, path = bucket.client, bucket.path(parcel.key)
    try:
        upload_id = bucket.send(
            lambda: client.create_multipart_upload(
                Bucket=bucket.name,
                Key=path,
                ChecksumAlgorithm="SHA256",
                Metadata={SHA256_METADATA: parcel.sha256.hex()},
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=parcel.until,
            )["UploadId"]
        )
    except S3_ERRORS as error:
        raise _refusal(error, parcel) from error
    try:
        parts = _send_parts(bucket, parcel, upload_id, part_bytes)
        version_id = bucket.send(
            lambda: client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=path,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **parcel.condition,
            ).get("VersionId")
        )
    except S3_ERRORS as error:
        with suppress(*S3_ERRORS):
            client.abort_multipart_upload(Bucket=bucket.name, Key=path, UploadId=upload_id)
        if is_taken(error):
            return None
        raise _refusal(error, parcel) from error
    return _require_version(parcel.key, version_id)


def is_taken(error: BaseException) -> bool:
    """Return whether the server says that the key has an object already."""
    return isinstance(error, ClientError) and code(error) in _TAKEN_CODES


def _send_parts(
    bucket: Bucket, parcel: Parcel, upload_id: str, part_bytes: int
) -> "list[CompletedPartTypeDef]":
    parts: list[CompletedPartTypeDef] = []
    parcel.body.seek(0)
    while content := parcel.body.read(part_bytes):
        parts.append(_send_part(bucket, parcel, upload_id, len(parts) + 1, content))
    return parts


def _send_part(
    bucket: Bucket, parcel: Parcel, upload_id: str, number: int, content: bytes
) -> "CompletedPartTypeDef":
    checksum = _base64(hashlib.sha256(content).digest())
    reply = bucket.send(
        lambda: bucket.client.upload_part(
            Bucket=bucket.name,
            Key=bucket.path(parcel.key),
            UploadId=upload_id,
            PartNumber=number,
            Body=content,
            ChecksumSHA256=checksum,
        )
    )
    return {"PartNumber": number, "ETag": reply["ETag"], "ChecksumSHA256": checksum}


def _refusal(error: BaseException, parcel: Parcel) -> ArchiverError:
    """Tell a lock that is refused from everything else; servers' codes for it differ."""
    if not isinstance(error, ClientError) or code(error) not in _LOCK_REFUSED_CODES:
        return translate(error, parcel.key)
    now = server_date(error.response)
    if now is not None and parcel.until <= now:
        return RetentionRefusedError(
            detail=Said(
                f"{iso(parcel.until)} is not in the future", f"{iso(parcel.until)} 不在将来"
            )
        )
    return LockNotHonouredError(
        key=parcel.key,
        detail=Said(
            f"the server refuses to lock: {sentence(error)}", f"服务器拒绝锁定：{sentence(error)}"
        ),
    )


def _require_version(key: str, version_id: str | None) -> str:
    if version_id is None or version_id == "null":
        raise LockNotHonouredError(
            key=key, detail=Said("the server gave no version id", "服务器未给出版本号")
        )
    return version_id


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
