"""What a lock must refuse, asked of a bucket (`archiver.ports.LockProver`).

Nothing in the archive's own work sends these requests. Nothing is judged here: a refusal is
returned with the server's code, for codes differ from server to server.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from archiver.errors import ArchiverError, LockNotHonouredError, StoreAccessError
from archiver.ports import Answer, BucketRules, Retention
from archiver.stores.s3_bucket import Bucket
from archiver.stores.s3_errors import S3_ERRORS, code, is_transient, status, translate
from archiver.stores.s3_rules import read_rules
from archiver.stores.s3_upload import Parcel, send_in_parts

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectLockRetentionTypeDef

_PART_BYTES: Final = 5 << 20
_NO_ANSWER_CODES: Final = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Nobody looked at the request: this is no refusal by a lock nor by a missing right."""


class S3Attacks:
    """Attacks on a bucket under the credentials of its client."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        """Delete a version; see `LockProver`."""
        client = self._bucket.client

        def send() -> None:
            client.delete_object(**self._named(key, version_id), **_bypassing(bypass))

        return self._answer(key, send)

    def delete_many(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        """Delete a version by DeleteObjects, which answers 200 with errors inside."""
        bucket, client = self._bucket, self._bucket.client
        errors: list[Any] = []

        def send() -> None:
            reply = client.delete_objects(
                Bucket=bucket.name,
                Delete={"Objects": [{"Key": bucket.path(key), "VersionId": version_id}]},
                **_bypassing(bypass),
            )
            errors[:] = reply.get("Errors", [])

        answer = self._answer(key, send)
        if answer.accepted and errors:
            name = str(errors[0].get("Code", ""))
            return Answer(accepted=False, code=name, denied=name == "AccessDenied")
        return answer

    def retain(self, key: str, version_id: str, lock: Retention | None, *, bypass: bool) -> Answer:
        """Give a version another lock, or none, by PutObjectRetention."""
        client = self._bucket.client
        retention: ObjectLockRetentionTypeDef = {}
        if lock is not None:
            retention = {"Mode": lock.mode, "RetainUntilDate": lock.until}

        def send() -> None:
            client.put_object_retention(
                **self._named(key, version_id), Retention=retention, **_bypassing(bypass)
            )

        return self._answer(key, send)

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        """Write a version without any condition."""
        bucket, client = self._bucket, self._bucket.client
        locked: dict[str, Any] = {}
        if lock is not None:
            locked = {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": lock.until}

        def send() -> str | None:
            return client.put_object(
                Bucket=bucket.name,
                Key=bucket.path(key),
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode("ascii"),
                **locked,
            ).get("VersionId")

        return self._answer(key, send)

    def put_in_parts(self, key: str, content: bytes, retain_until: datetime) -> Answer:
        """Write a locked version by the very upload that large partitions take."""
        parcel = Parcel(
            key=key,
            body=BytesIO(content),
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            until=retain_until,
        )
        try:
            version_id = send_in_parts(self._bucket, parcel, _PART_BYTES)
        except (StoreAccessError, LockNotHonouredError) as error:
            cause = error.__cause__
            if isinstance(cause, ClientError):
                return _refusal(cause, key)
            return Answer(accepted=False)  # it gave no version id
        return Answer(accepted=version_id is not None, version_id=version_id)

    def hide(self, key: str) -> Answer:
        """Add a delete marker."""
        bucket, client = self._bucket, self._bucket.client

        def send() -> str | None:
            reply = client.delete_object(Bucket=bucket.name, Key=bucket.path(key))
            return reply.get("VersionId") if reply.get("DeleteMarker") else None

        return self._answer(key, send)

    def rules(self) -> BucketRules:
        """Read the bucket's settings."""
        return read_rules(self._bucket)

    def _named(self, key: str, version_id: str) -> Any:  # noqa: ANN401  keywords of several calls
        return {
            "Bucket": self._bucket.name,
            "Key": self._bucket.path(key),
            "VersionId": version_id,
        }

    def _answer(self, key: str, request: Callable[[], str | None]) -> Answer:
        """Send a request and return what the server said, if it looked at it at all."""
        try:
            version_id = self._bucket.send(request)
        except S3_ERRORS as error:
            return _refusal(error, key)
        return Answer(accepted=True, version_id=None if version_id == "null" else version_id)


def _refusal(error: BaseException, key: str) -> Answer:
    """Return a refusal as an answer; raise our error where there was no answer."""
    if not isinstance(error, ClientError) or is_transient(error) or code(error) in _NO_ANSWER_CODES:
        failure: ArchiverError = translate(error, key)
        raise failure from error
    denied = status(error) in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}
    return Answer(accepted=False, code=code(error), denied=denied)


def _bypassing(bypass: bool) -> Any:  # noqa: ANN401, FBT001  keywords of several calls
    return {"BypassGovernanceRetention": True} if bypass else {}
