"""What every store asks of a request before it touches anything.

Pure. The same keys and dates are accepted and refused by all stores, so that an archive can
move from one to another.
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Final

from archiver.errors import LockNotHonouredError, RetentionRefusedError, Said
from archiver.ports import StoredObject

CHUNK_BYTES: Final = 1 << 20
"""How much of a body is read at once: bodies are never held in memory whole."""

_KEY_BYTES: Final = 900
"""S3 allows 1,024 bytes of UTF-8; the rest is left to the store's prefix."""

_COMPONENT_BYTES: Final = 200
"""NAME_MAX of the usual file systems is 255; servers that keep their objects in files add to
the name (SeaweedFS answers 500 to a longer one)."""


def require_key(key: str) -> None:
    """Refuse keys that some store could not hold or could take for a path elsewhere.

    Raises:
        ValueError: Empty, too long, with an empty component, one that begins with a dot (so
            neither `..` nor a store's own files can be named), a backslash or a character
            that is not printable. Keys are ours: this is a bug in the caller.
    """
    parts = key.split("/")
    if (
        len(key.encode("utf-8", "surrogatepass")) > _KEY_BYTES
        or any(not part or part.startswith(".") for part in parts)
        or any(len(part.encode("utf-8", "surrogatepass")) > _COMPONENT_BYTES for part in parts)
        or any(c == "\\" or unicodedata.category(c).startswith("C") for c in key)
    ):
        message = f"not a key: {key!a}"
        raise ValueError(message)


def whole_second(instant: datetime) -> datetime:
    """Return the first whole second that is not before `instant`: servers cut fractions.

    Raises:
        ValueError: `instant` is naive; boto3 would take it for UTC.
    """
    if instant.tzinfo is None:
        message = "retain_until must be aware"
        raise ValueError(message)
    if instant.microsecond:
        instant += timedelta(seconds=1)
    return instant.replace(microsecond=0)


def require_future(until: datetime, now: datetime) -> None:
    """Refuse a lock that would end before it began, as S3 does.

    Raises:
        RetentionRefusedError: `until` is not after `now`.
    """
    if until <= now:
        raise RetentionRefusedError(
            detail=Said(f"{iso(until)} is not in the future", f"{iso(until)} 不在将来")
        )


def require_lock_covers(stored: StoredObject, until: datetime) -> StoredObject:
    """Return what is stored already if its lock is as good as the one asked for.

    Raises:
        LockNotHonouredError: It ends before `until`.
    """
    if stored.retain_until < until:
        raise LockNotHonouredError(
            key=stored.key,
            detail=Said(
                f"stored already, but locked until {iso(stored.retain_until)} "
                f"instead of {iso(until)}",
                f"已存储，但锁定至 {iso(stored.retain_until)}，应为 {iso(until)}",
            ),
        )
    return stored


def iso(instant: datetime) -> str:
    """Return an instant in messages: ISO 8601, UTC offset, seconds."""
    return instant.isoformat(timespec="seconds")
