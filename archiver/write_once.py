"""Keys that are taken once, where somebody else may have put something.

Whoever may write to the bucket can guess the next number and put a file at its key before we do.
Locks keep it there; nothing keeps a further version from being written above it, and of several
versions the earliest that verifies counts (DESIGN 3.6). Responsible for doing that without
giving up that of two honest writers one wins: the further version is conditional on the latest
one being the foreign one that was looked at, and all versions are read once more behind it.
"""

import hashlib
import io
from collections.abc import Callable
from datetime import datetime
from typing import Final

from archiver.bounded_get import document_bytes
from archiver.errors import AlreadyStoredError, ObjectMissingError
from archiver.ports import ObjectStore, StoredObject, VersionEntry
from archiver.signed_documents import versions_of

ATTEMPTS: Final = 8
"""Each loses against somebody who writes to the key at the same moment."""

Ours = Callable[[bytes, VersionEntry], bool]
"""Whether a version is one that must stay the first: signed by us, for this place."""


def put_once(
    store: ObjectStore,
    key: str,
    content: bytes,
    *,
    retain_until: datetime,
    ours: Ours,
    told: Callable[[], None] = lambda: None,
) -> StoredObject:
    """Store `content` as the first version of `key` that counts.

    Args:
        store: The store.
        key: A key that is taken once.
        content: Ours.
        retain_until: Its lock.
        ours: Tells what counts from what is foreign.
        told: Called where something foreign was gone past.

    Returns:
        What is stored; what lies there already if it has these bytes.

    Raises:
        AlreadyStoredError: Another version of ours was there first, or others keep writing.
        StoreError: Nothing is known; calling again is safe.
    """
    for _ in range(ATTEMPTS):
        try:
            return store.put(key, io.BytesIO(content), retain_until=retain_until)
        except AlreadyStoredError:
            versions = versions_of(store, key)
        if not versions:
            continue
        if (first := _first(store, versions, ours)) is not None:
            return _settled(store, first, content)
        above = versions[-1].version_id
        try:
            store.put_over(key, io.BytesIO(content), above=above, retain_until=retain_until)
        except (AlreadyStoredError, ObjectMissingError):
            continue  # something came, or went, between the look and the write
        told()
        if (first := _first(store, versions_of(store, key), ours)) is not None:
            return _settled(store, first, content)
    raise AlreadyStoredError(key=key)


def _first(
    store: ObjectStore, versions: list[VersionEntry], ours: Ours
) -> tuple[VersionEntry, bytes] | None:
    """Return the earliest version that counts, with its bytes."""
    for version in versions:
        content = document_bytes(store, version)
        if ours(content, version):
            return version, content
    return None


def _settled(store: ObjectStore, first: tuple[VersionEntry, bytes], content: bytes) -> StoredObject:
    """Return the version that counts if it is ours, be it by an earlier try without a reply."""
    version, found = first
    if hashlib.sha256(found).digest() != hashlib.sha256(content).digest():
        raise AlreadyStoredError(key=version.key)
    return store.head(version.key, version.version_id)
