"""Objects in a bucket of AWS S3 or a compatible server, under COMPLIANCE locks.

A lock counts when HEAD by version id has shown it (DESIGN 3.4): some servers accept lock
headers and drop them. What is ambiguous (a lost reply, `If-None-Match` answered by 412) is
settled by comparing the stored bytes' SHA-256.

A delete marker re-opens a write-once key: the conditional PUT then succeeds above the older,
locked version. `put` does not look for that. It would cost a listing for each of a night's
objects, all but the manifests have random names, and a marker may be added one moment
later; the catalogue and `verify` list all versions, and of a manifest's the earliest that
verifies counts (DESIGN 3.6). The same holds on servers that ignore `If-None-Match`: nothing
is overwritten, versions pile up.

DeleteObjects is never used: it answers 200 with errors per key inside.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Final

from botocore.exceptions import ClientError

from archiver.errors import (
    AlreadyStoredError,
    LockedError,
    LockNotHonouredError,
    ObjectMissingError,
    Said,
)
from archiver.ports import StoredObject, StoreSettings, VersionEntry
from archiver.stores.preconditions import (
    CHUNK_BYTES,
    iso,
    require_key,
    require_lock_covers,
    whole_second,
)
from archiver.stores.s3_bucket import PATIENCE, Bucket, Patience, open_bucket
from archiver.stores.s3_errors import S3_ERRORS, code, server_date, translate
from archiver.stores.s3_listing import list_versions
from archiver.stores.s3_locks import Shown, lock_fault, relock, show, stored_object
from archiver.stores.s3_upload import Parcel, send_in_parts, send_whole

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

_MIB: Final = 1 << 20
MULTIPART_ABOVE_BYTES: Final = 64 * _MIB
PART_BYTES: Final = 16 * _MIB
"""At least 5 MiB (S3's minimum), held in memory while it is sent."""

_NO_OBJECT_LOCK_CODES: Final = frozenset({"ObjectLockConfigurationNotFoundError", "NotImplemented"})


class S3Store:
    """Object versions in a bucket, below a prefix. Safe for threads; not for `fork`."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        multipart_above_bytes: int = MULTIPART_ABOVE_BYTES,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._bucket = bucket
        self._multipart_above_bytes = multipart_above_bytes
        self._part_bytes = part_bytes

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        """Store `body` locked, read the lock back, or refuse; see `ObjectStore`.

        Raises:
            RetentionRefusedError: The date is not in the server's future.
            StoreAccessError: The server refuses us.
        """
        require_key(key)
        return self._put(_parcel(key, body, whole_second(retain_until)))

    def put_over(
        self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
    ) -> StoredObject:
        """Store a further version above `above`, which must be the latest; see `ObjectStore`.

        What S3 compares is the latest version's ETag, a digest of its bytes: where somebody puts
        the same foreign bytes there once more, the write goes above those. It costs nothing, for
        whoever asks for this reads all versions behind it.
        """
        require_key(key)
        parcel = _parcel(key, body, whole_second(retain_until))
        shown = show(self._bucket, key, None)
        if (shown.version_id or "null") != above:  # put while versioning was suspended
            return self._settle(parcel, may_relock=False)
        return self._put(replace(parcel, above=shown.etag))

    def _put(self, parcel: Parcel) -> StoredObject:
        key = parcel.key
        in_parts = parcel.size_bytes > self._multipart_above_bytes
        if in_parts:
            version_id = send_in_parts(self._bucket, parcel, self._part_bytes)
        else:
            version_id = send_whole(self._bucket, parcel)
        if version_id is None:
            return self._settle(parcel, may_relock=in_parts)
        shown = show(self._bucket, key, version_id)
        if in_parts:
            shown = self._relock(parcel, shown)
        if fault := lock_fault(shown, parcel.until) or _content_fault(parcel, shown):
            raise LockNotHonouredError(key=key, detail=fault)
        return stored_object(key, shown, parcel.sha256.hex())

    def head(self, key: str, version_id: str) -> StoredObject:
        """Return the version as it is now, lock included.

        The SHA-256 is the one the server keeps, else the one its writer noted, else that of
        the bytes, which are read for it.

        Raises:
            LockNotHonouredError: It has no lock, or one that can be lifted.
        """
        require_key(key)
        shown = show(self._bucket, key, version_id)
        sha256 = shown.checksum.hex() if shown.checksum else shown.claim
        if sha256 is None:
            sha256 = self._sha256_of(key, version_id, shown.size_bytes).hex()
        return stored_object(key, shown, sha256)

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Return bytes of a version, or of the latest one, from `start`."""
        require_key(key)
        # One byte more than nothing: a range cannot be empty, and the version must exist.
        last = "" if length is None else start + max(length, 1) - 1
        request: GetObjectRequestTypeDef = {
            "Bucket": self._bucket.name,
            "Key": self._bucket.path(key),
        }
        if version_id is not None:
            request["VersionId"] = version_id
        if start or length is not None:
            request["Range"] = f"bytes={start}-{last}"

        def read() -> bytes:
            reply = self._bucket.client.get_object(**request)
            content = reply["Body"].read()
            # A server may ignore the range and send everything.
            whole = reply["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.OK
            return content[start:] if whole else content

        try:
            content = self._bucket.send(read)
        except S3_ERRORS as error:
            if isinstance(error, ClientError) and code(error) == "InvalidRange":
                return b""  # it begins behind the end, as a slice may
            raise translate(error, key) from error
        return content if length is None else content[:length]

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield every version and delete marker below `prefix`, page by page."""
        return list_versions(self._bucket, prefix)

    def delete_version(self, key: str, version_id: str) -> None:
        """Destroy one version or delete marker for good."""
        require_key(key)
        # S3 answers 204 for versions that never were, and HEAD knows no delete markers.
        if not any(
            (entry.key, entry.version_id) == (key, version_id) for entry in self.list_versions(key)
        ):
            raise ObjectMissingError(
                key=key, detail=Said(f"no version {version_id}", f"没有版本 {version_id}")
            )
        try:
            self._bucket.send(
                lambda: self._bucket.client.delete_object(
                    Bucket=self._bucket.name, Key=self._bucket.path(key), VersionId=version_id
                )
            )
        except S3_ERRORS as error:
            if isinstance(error, ClientError):
                self._require_unlocked(key, version_id)
            raise translate(error, key) from error

    def settings(self) -> StoreSettings:
        """Return what the bucket says about itself, and what the server's clock says."""
        client, name = self._bucket.client, self._bucket.name
        versioning = self._bucket.ask(name, lambda: client.get_bucket_versioning(Bucket=name))
        try:
            lock = self._bucket.send(lambda: client.get_object_lock_configuration(Bucket=name))
            object_lock = lock["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
        except S3_ERRORS as error:
            if not isinstance(error, ClientError) or code(error) not in _NO_OBJECT_LOCK_CODES:
                raise translate(error, name) from error
            object_lock = False
        enabled = versioning.get("Status") == "Enabled"
        return StoreSettings(
            description=f"s3://{name}/{self._bucket.prefix} at {client.meta.endpoint_url}",
            worm=enabled and object_lock,
            versioning=enabled,
            object_lock=object_lock,
            server_time=server_date(versioning),
        )

    def _settle(self, parcel: Parcel, *, may_relock: bool) -> StoredObject:
        """Answer a put whose key has an object: it may be ours, from a reply that was lost."""
        shown = show(self._bucket, parcel.key, None)
        if shown.size_bytes != parcel.size_bytes:
            raise AlreadyStoredError(key=parcel.key)
        found = shown.checksum
        if found is None:  # a claim in the metadata proves nothing here: look at the bytes
            found = self._sha256_of(parcel.key, shown.version_id, shown.size_bytes)
        if found != parcel.sha256:
            raise AlreadyStoredError(key=parcel.key)
        if may_relock:
            shown = self._relock(parcel, shown)
        stored = stored_object(parcel.key, shown, parcel.sha256.hex())
        return require_lock_covers(stored, parcel.until)

    def _relock(self, parcel: Parcel, shown: Shown) -> Shown:
        """Lock a multipart upload whose lock headers were dropped (Ceph RGW); look again."""
        if shown.version_id is None or (
            shown.retain_until is not None and shown.retain_until >= parcel.until
        ):
            return shown
        relock(self._bucket, parcel.key, shown.version_id, parcel.until)
        return show(self._bucket, parcel.key, shown.version_id)

    def _sha256_of(self, key: str, version_id: str | None, size_bytes: int) -> bytes:
        digest = hashlib.sha256()
        for start in range(0, size_bytes, self._part_bytes):
            digest.update(self.get(key, version_id, start=start, length=self._part_bytes))
        return digest.digest()

    def _require_unlocked(self, key: str, version_id: str) -> None:
        """Say that a refused deletion was refused by the lock, if it has one now.

        The servers' codes do not tell: it is AccessDenied on AWS.
        """
        shown = show(self._bucket, key, version_id)
        if shown.legal_hold:
            raise LockedError(
                key=key, until=Said("its legal hold is lifted", "证据保全（legal hold）解除之时")
            )
        until, now = shown.retain_until, shown.server_time
        if until is not None and (now is None or until > now):
            raise LockedError(key=key, until=iso(until))


def open_s3(
    url: str,
    endpoint: str | None = None,
    region: str | None = None,
    *,
    patience: Patience = PATIENCE,
) -> S3Store:
    """Return the store at `s3://bucket/prefix`; see `open_bucket`. Nothing is sent yet."""
    return S3Store(open_bucket(url, endpoint, region, patience))


def _parcel(key: str, body: BinaryIO, until: datetime) -> Parcel:
    body.seek(0)
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := body.read(CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return Parcel(key=key, body=body, size_bytes=size_bytes, sha256=digest.digest(), until=until)


def _content_fault(parcel: Parcel, shown: Shown) -> Said | None:
    if shown.size_bytes != parcel.size_bytes:
        return Said(
            f"{parcel.size_bytes} bytes were sent, {shown.size_bytes} are stored",
            f"发送了 {parcel.size_bytes} 字节，存储了 {shown.size_bytes} 字节",
        )
    if shown.checksum is not None and shown.checksum != parcel.sha256:
        return Said(
            "the SHA-256 that the server keeps is not that of what was sent",
            "服务器保存的 SHA-256 与发送内容的不同",
        )
    return None
