"""A bucket's settings, read as far as the bucket lets us.

A setting that we may not read is told as such: it is no reason to stop, nor to call it absent.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError

from archiver.ports import BucketRules, DefaultRetention, LifecycleRule
from archiver.stores.s3_bucket import Bucket
from archiver.stores.s3_errors import S3_ERRORS, code, is_transient, status, translate

T = TypeVar("T")

_ABSENT_CODES: Final = frozenset(
    {
        "MethodNotAllowed",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NotImplemented",
        "ObjectLockConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
_DAYS_OF_A_YEAR: Final = 366
"""AWS counts a default of one year as 365 days, others by the calendar: the longer one."""


def read_rules(bucket: Bucket) -> BucketRules:
    """Return what the bucket's settings say.

    Raises:
        StoreError: The store did not answer.
    """
    client, name = bucket.client, bucket.name
    unreadable: dict[str, str] = {}

    def ask(setting: str, request: Callable[[], T]) -> T | None:
        try:
            return bucket.send(request)
        except S3_ERRORS as error:
            if not isinstance(error, ClientError) or is_transient(error):
                raise translate(error, setting) from error
            if code(error) not in _ABSENT_CODES:
                unreadable[setting] = code(error) or str(HTTPStatus(status(error)))
            return None

    versioning: Any = ask("versioning", lambda: client.get_bucket_versioning(Bucket=name))
    lock: Any = ask("object-lock", lambda: client.get_object_lock_configuration(Bucket=name))
    life: Any = ask("lifecycle", lambda: client.get_bucket_lifecycle_configuration(Bucket=name))
    policy: Any = ask("policy", lambda: client.get_bucket_policy(Bucket=name))
    encryption: Any = ask("encryption", lambda: client.get_bucket_encryption(Bucket=name))
    return BucketRules(
        versioning="versioning" in unreadable or (versioning or {}).get("Status") == "Enabled",
        default_retention=_default_retention((lock or {}).get("ObjectLockConfiguration", {})),
        lifecycle=[
            _rule(rule)
            for rule in (life or {}).get("Rules", ())
            if rule.get("Status") == "Enabled" and _touches(rule, bucket.prefix)
        ],
        policy=(policy or {}).get("Policy"),
        encryption=_encryption((encryption or {}).get("ServerSideEncryptionConfiguration", {})),
        unreadable=unreadable,
    )


def _default_retention(configuration: Any) -> DefaultRetention | None:  # noqa: ANN401
    default = configuration.get("Rule", {}).get("DefaultRetention")
    if not default:
        return None
    days = default.get("Days") or default.get("Years", 0) * _DAYS_OF_A_YEAR
    return DefaultRetention(mode=default.get("Mode", ""), days=days)


def _touches(rule: Any, prefix: str) -> bool:  # noqa: ANN401
    """Return whether a rule may apply below our prefix; one by tag or size may."""
    chosen = rule.get("Filter") or {}
    theirs = chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or rule.get("Prefix") or ""
    return theirs.startswith(prefix) or prefix.startswith(theirs)


def _rule(rule: Any) -> LifecycleRule:  # noqa: ANN401
    expiration = rule.get("Expiration", {})
    moves = [*rule.get("Transitions", ()), *rule.get("NoncurrentVersionTransitions", ())]
    return LifecycleRule(
        name=rule.get("ID", ""),
        expires="Days" in expiration or "Date" in expiration,
        expires_noncurrent=bool(rule.get("NoncurrentVersionExpiration")),
        storage_classes=sorted({move.get("StorageClass", "") for move in moves}),
        aborts_uploads=bool(rule.get("AbortIncompleteMultipartUpload")),
    )


def _encryption(configuration: Any) -> str | None:  # noqa: ANN401
    for rule in configuration.get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        words = (default.get("SSEAlgorithm"), default.get("KMSMasterKeyID"))
        return " ".join(word for word in words if word) or None
    return None
