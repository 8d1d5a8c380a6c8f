"""A strict object store in memory: the reference for what an S3 bucket must refuse.

Behaves like a bucket with versioning, Object Lock and COMPLIANCE, under a given clock: a
version cannot be deleted before its date, a delete marker or an overwrite hides a version
and leaves it as it is. For tests and for trying things out; safe for threads.

`add_delete_marker`, `overwrite`, `hold`, `flip_byte`, `replace`, `relock` and `drop` do what
someone with the bucket's credentials, or with the server's disk, could do, and what the archive
has to notice.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import BinaryIO

from archiver.errors import (
    AlreadyStoredError,
    LockedError,
    LockNotHonouredError,
    ObjectMissingError,
    Said,
)
from archiver.ports import BucketRules, Clock, LockMode, StoredObject, StoreSettings, VersionEntry
from archiver.stores.preconditions import (
    iso,
    require_future,
    require_key,
    require_lock_covers,
    whole_second,
)


@dataclass(slots=True, kw_only=True)
class _Version:
    """One version; a delete marker has no content, an unlocked one no date."""

    version_id: str
    written_at: datetime
    content: bytes | None
    sha256: str
    retain_until: datetime | None
    legal_hold: bool = False


@dataclass(slots=True, kw_only=True)
class MemoryStore:
    """Object versions in a dictionary.

    Attributes:
        clock: What decides whether a lock has ended.
        versioning: False for a bucket whose versioning was suspended: puts are refused.
        object_lock: False for a bucket without Object Lock: puts are refused.
        clock_ahead: By how much the store's own clock is ahead of `clock`.
        rules: What the bucket's settings say beyond versioning.
    """

    clock: Clock
    versioning: bool = True
    object_lock: bool = True
    clock_ahead: timedelta = timedelta(0)
    rules: BucketRules = field(default_factory=lambda: BucketRules(versioning=True))
    _versions: dict[str, list[_Version]] = field(default_factory=dict, init=False)
    _written: int = field(default=0, init=False)
    _alone: threading.RLock = field(default_factory=threading.RLock, init=False)

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        """Store the bytes locked, or store nothing; see `ObjectStore`."""
        require_key(key)
        until = whole_second(retain_until)
        body.seek(0)
        content = body.read()
        with self._alone:
            if not (self.versioning and self.object_lock):
                raise LockNotHonouredError(
                    key=key, detail=Said("the bucket cannot lock", "存储桶不支持锁定")
                )
            require_future(until, self._now())
            latest = self._latest(key)
            if latest is None or latest.content is None:  # none, or hidden by a marker
                return self._stored(key, self._append(key, content, until))
            if latest.content != content:
                raise AlreadyStoredError(key=key)
            return require_lock_covers(self._stored(key, latest), until)

    def put_over(
        self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
    ) -> StoredObject:
        """Store a further version above `above`, which must be the latest; see `ObjectStore`."""
        require_key(key)
        until = whole_second(retain_until)
        body.seek(0)
        content = body.read()
        with self._alone:
            require_future(until, self._now())
            latest = self._find(key, None)
            if latest.content == content:
                return require_lock_covers(self._stored(key, latest), until)
            if latest.version_id != above:
                raise AlreadyStoredError(key=key)
            return self._stored(key, self._append(key, content, until))

    def head(self, key: str, version_id: str) -> StoredObject:
        """Return the version as it is now.

        Raises:
            LockNotHonouredError: It has no lock: an insider wrote it.
        """
        require_key(key)
        with self._alone:
            return self._stored(key, self._find(key, version_id))

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Return bytes of a version, or of the latest one, from `start`."""
        require_key(key)
        with self._alone:
            content = self._content(key, self._find(key, version_id))
        return content[start:] if length is None else content[start : start + length]

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield every version and delete marker below `prefix`, as of now."""
        with self._alone:
            entries = [
                VersionEntry(
                    key=key,
                    version_id=version.version_id,
                    is_latest=version is self._versions[key][-1],
                    is_delete_marker=version.content is None,
                    size_bytes=len(version.content or b""),
                    written_at=version.written_at,
                )
                for key in sorted(self._versions, key=str.encode)
                if key.startswith(prefix)
                for version in reversed(self._versions[key])
            ]
        return iter(entries)

    def delete_version(self, key: str, version_id: str) -> None:
        """Destroy one version or delete marker for good."""
        require_key(key)
        with self._alone:
            version = self._find(key, version_id)
            if version.retain_until is not None and version.retain_until > self._now():
                raise LockedError(key=key, until=iso(version.retain_until))
            self._remove(key, version)

    def settings(self) -> StoreSettings:
        """Return what a bucket says about itself."""
        return StoreSettings(
            description="memory",
            worm=self.versioning and self.object_lock,
            versioning=self.versioning,
            object_lock=self.object_lock,
            server_time=self._now(),
        )

    def prolong(self, key: str, version_id: str, until: datetime) -> None:
        """Lock a version, or lock it for longer.

        Raises:
            LockedError: It is locked for longer already.
            RetentionRefusedError: `until` is not in the future.
        """
        with self._alone:
            require_future(until, self._now())
            version = self._find(key, version_id)
            self._content(key, version)
            if version.retain_until is not None and version.retain_until > until:
                raise LockedError(key=key, until=iso(version.retain_until))
            version.retain_until = until

    def add_delete_marker(self, key: str) -> str:
        """Hide a key, as DeleteObject without a version id does; return the marker's id."""
        with self._alone:
            return self._append(key, None, None).version_id

    def overwrite(self, key: str, content: bytes, *, retain_until: datetime | None = None) -> str:
        """Put a newer version above the others, unlocked unless dated; return its id."""
        with self._alone:
            return self._append(key, content, retain_until).version_id

    def flip_byte(self, key: str, version_id: str, offset: int) -> None:
        """Change one byte on the server's disk; what the server recorded stays the same."""
        with self._alone:
            version = self._find(key, version_id)
            changed = bytearray(self._content(key, version))
            changed[offset] ^= 0xFF
            version.content = bytes(changed)

    def hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Set or lift the legal hold of a version."""
        with self._alone:
            self._find(key, version_id).legal_hold = on

    def relock(self, key: str, version_id: str, until: datetime | None) -> None:
        """Give a version any lock, or none, as only the server's own disk can."""
        with self._alone:
            self._find(key, version_id).retain_until = until

    def replace(self, key: str, version_id: str, content: bytes) -> None:
        """Put other bytes into a version's place on the server's disk."""
        with self._alone:
            version = self._find(key, version_id)
            version.content = content
            version.sha256 = sha256(content).hexdigest()

    def drop(self, key: str, version_id: str) -> None:
        """Lose a version in spite of its lock, as only the server's own disk can."""
        with self._alone:
            self._remove(key, self._find(key, version_id))

    def _now(self) -> datetime:
        return self.clock.now() + self.clock_ahead

    def _append(self, key: str, content: bytes | None, until: datetime | None) -> _Version:
        self._written += 1
        version = _Version(
            version_id=f"v{self._written:08d}",
            written_at=self._now(),
            content=content,
            sha256=sha256(content or b"").hexdigest(),
            retain_until=until,
        )
        self._versions.setdefault(key, []).append(version)
        return version

    def _remove(self, key: str, version: _Version) -> None:
        self._versions[key].remove(version)
        if not self._versions[key]:
            del self._versions[key]

    def _latest(self, key: str) -> _Version | None:
        versions = self._versions.get(key)
        return versions[-1] if versions else None

    def _find(self, key: str, version_id: str | None) -> _Version:
        if version_id is None:
            latest = self._latest(key)
            if latest is not None and latest.content is not None:
                return latest
        for version in self._versions.get(key, ()):
            if version.version_id == version_id:
                return version
        raise ObjectMissingError(
            key=key,
            detail=Said(
                f"no version {version_id or 'at all'}",
                f"没有版本 {version_id}" if version_id else "没有任何版本",
            ),
        )

    def _content(self, key: str, version: _Version) -> bytes:
        if version.content is None:
            raise ObjectMissingError(
                key=key,
                detail=Said(
                    f"{version.version_id} is a delete marker", f"{version.version_id} 是删除标记"
                ),
            )
        return version.content

    def _stored(self, key: str, version: _Version) -> StoredObject:
        content = self._content(key, version)
        if version.retain_until is None:
            raise LockNotHonouredError(
                key=key,
                detail=Said(f"{version.version_id} has no lock", f"{version.version_id} 没有锁"),
            )
        return StoredObject(
            key=key,
            version_id=version.version_id,
            size_bytes=len(content),
            sha256=version.sha256,
            mode=LockMode.COMPLIANCE,
            retain_until=version.retain_until,
            legal_hold=version.legal_hold,
        )
