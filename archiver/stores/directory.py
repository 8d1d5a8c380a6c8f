"""Objects in a folder: the embedded default, honest about what it cannot do.

A key is a folder; a version is one read-only file in it, named by version id, end of
retention and SHA-256: `manifests/00000001.json/<version>_<until>_<sha256>`. The bytes are
the object's own, so any Parquet reader and `sha256sum` work on it, and a version appears
with its retention in a single rename. Nothing is ever half visible.

Retention is refused by this class and by nothing else: whoever owns the files can delete
them. Hence `worm: False` and the mode ADVISORY.

Relies on `durable_files` and on the clock given. There are no delete markers here.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from archiver.errors import (
    AlreadyStoredError,
    LocalDiskError,
    LockedError,
    ObjectMissingError,
    Said,
    StoreAccessError,
    StoreError,
)
from archiver.local_files import make_folder, sync_folder
from archiver.ports import Clock, LockMode, StoredObject, StoreSettings, VersionEntry
from archiver.stores.durable_files import draft, exclusive, sha256_of
from archiver.stores.preconditions import (
    iso,
    require_future,
    require_key,
    require_lock_covers,
    whole_second,
)

# Keys never have a component that begins with a dot, so these two are out of their reach.
_DRAFTS: Final = ".drafts"
_LOCK: Final = ".lock"
_REMEMBERED: Final = 10_000
"""Versions; of more, all are looked for again."""
PATIENCE: Final = timedelta(seconds=60)
"""How long to wait for others who change the folders; each takes milliseconds."""
_TICK: Final = timedelta(seconds=1)
"""Of a clock that moves in steps. A version dated further ahead is nobody's whom we follow."""

_VERSION_FILE: Final = re.compile(
    r"(?P<version>(?P<written>\d{8}T\d{12}Z)-[0-9a-f]{16})"
    r"_(?P<until>\d{8}T\d{6}Z)_(?P<sha256>[0-9a-f]{64})"
)
_WRITTEN: Final = "%Y%m%dT%H%M%S%fZ"
_UNTIL: Final = "%Y%m%dT%H%M%SZ"

_NOT_OURS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
)
"""What waiting does not cure: rights, a read-only mount, a file where the folder should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A version file, read from its name."""

    path: Path
    version_id: str
    written_at: datetime
    retain_until: datetime
    sha256: str


class DirectoryStore:
    """Object versions as files below `root`, which the first put creates.

    Any number of threads and processes of one host may use it at once.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._paths: dict[tuple[str, str | None], Path] = {}
        """Where versions lie that were read before: partitions are read again and again."""

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        """Store `body` durably with its retention, or store nothing; see `ObjectStore`.

        Raises:
            LocalDiskError: The disk is full or broken. Nothing is visible.
        """
        require_key(key)
        until = whole_second(retain_until)
        require_future(until, self._clock.now())
        with _disk_errors(self._root):
            if existing := self._versions(key):
                return _settle(key, existing[0], sha256_of(body), until)
            with draft(self._root / _DRAFTS, body) as (path, sha256), self._alone():
                # The look above only saved a copy: from here on nobody else can come first.
                if existing := self._versions(key):
                    return _settle(key, existing[0], sha256, until)
                version_id = self._publish(key, path, sha256, until)
            return _stored(key, self._find(key, version_id))

    def put_over(
        self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
    ) -> StoredObject:
        """Store a further version above `above`, which must be the latest; see `ObjectStore`.

        Raises:
            LocalDiskError: The disk is full or broken. Nothing is visible.
        """
        require_key(key)
        until = whole_second(retain_until)
        require_future(until, self._clock.now())
        with _disk_errors(self._root):
            self._find(key, None)  # a store that does not exist must not be made
            with draft(self._root / _DRAFTS, body) as (path, sha256), self._alone():
                latest = self._find(key, None)
                if latest.version_id != above:
                    return _settle(key, latest, sha256, until)
                version_id = self._publish(key, path, sha256, until, behind=latest.written_at)
            return _stored(key, self._find(key, version_id))

    def head(self, key: str, version_id: str) -> StoredObject:
        """Return the version as it is now: its size is the file's, its lock the name's."""
        require_key(key)
        with _disk_errors(self._root):
            return _stored(key, self._find(key, version_id))

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Return bytes of a version, or of the latest one, from `start`."""
        known = self._paths.get((key, version_id))
        if known is not None:
            # A version is one file under one name for as long as it is there.
            with suppress(FileNotFoundError), _disk_errors(self._root, FileNotFoundError):
                return _read(known, start, length)
            self._paths.pop((key, version_id), None)
        require_key(key)
        with _disk_errors(self._root):
            version = self._find(key, version_id)
            try:
                content = _read(version.path, start, length)
            except FileNotFoundError as error:
                raise ObjectMissingError(
                    key=key, detail=Said("deleted just now", "刚刚被删除")
                ) from error
        if version_id is not None:
            if len(self._paths) >= _REMEMBERED:
                self._paths.clear()
            self._paths[key, version_id] = version.path
        return content

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield every version below `prefix`, in S3's order of keys, then newest first."""
        folder, _, start = prefix.rpartition("/")
        if folder:
            require_key(folder)
        with _disk_errors(self._root):
            yield from self._walk(folder, start)

    def delete_version(self, key: str, version_id: str) -> None:
        """Destroy one version for good, and the folders that it leaves empty."""
        require_key(key)
        with _disk_errors(self._root):
            self._find(key, version_id)  # a store that does not exist must not be made
            with self._alone():
                version = self._find(key, version_id)
                if version.retain_until > self._clock.now():
                    raise LockedError(key=key, until=iso(version.retain_until))
                version.path.unlink()
                sync_folder(version.path.parent)
                self._remove_empty(version.path.parent)

    def settings(self) -> StoreSettings:
        """Return what a folder can promise: versions, but no lock."""
        return StoreSettings(
            description=f"dir:{self._root}",
            worm=False,
            versioning=True,
            object_lock=False,
            server_time=None,
            claims_lock=False,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one who changes the folders.

        Raises:
            StoreError: Another process has stood still while it did.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._root / _LOCK, PATIENCE))
            except TimeoutError:
                held = Said("another process holds its lock and stands still", "锁被停滞的进程占用")
                raise StoreError(key=str(self._root / _LOCK), detail=held) from None
            yield

    def _publish(
        self, key: str, path: Path, sha256: str, until: datetime, behind: datetime | None = None
    ) -> str:
        written = self._clock.now().astimezone(UTC)
        if behind is not None and timedelta(0) <= behind - written < _TICK:
            written = behind + timedelta(microseconds=1)  # versions are in the order of their ids
        version_id = f"{written:{_WRITTEN}}-{secrets.token_hex(8)}"
        folder = self._root / key
        make_folder(folder)
        path.rename(folder / f"{version_id}_{until.astimezone(UTC):{_UNTIL}}_{sha256}")
        sync_folder(folder)
        return version_id

    def _find(self, key: str, version_id: str | None) -> _Version:
        for version in self._versions(key):
            if version_id in {None, version.version_id}:
                return version
        raise ObjectMissingError(
            key=key,
            detail=Said(
                f"no version {version_id or 'at all'}",
                f"没有版本 {version_id}" if version_id else "没有任何版本",
            ),
        )

    def _versions(self, key: str) -> list[_Version]:
        return _scan(self._root / key)[0]

    def _walk(self, folder: str, start: str) -> Iterator[VersionEntry]:
        """Yield what is below `folder`, among its entries those that begin with `start`."""
        _, names = _scan(self._root / folder)
        yield from self._walk_names(folder, [name for name in names if name.startswith(start)])

    def _walk_names(self, folder: str, names: list[str]) -> Iterator[VersionEntry]:
        scanned: dict[str, list[str]] = {}
        # S3 orders whole keys by their bytes: `a-b` stands between `a` and `a/b`.
        for name in sorted([*names, *(f"{name}/" for name in names)], key=str.encode):
            key = f"{folder}/{name}" if folder else name
            if name.endswith("/"):
                yield from self._walk_names(key[:-1], scanned.pop(name[:-1]))
                continue
            versions, scanned[name] = _scan(self._root / key)
            for position, version in enumerate(versions):
                with suppress(FileNotFoundError):  # deleted just now
                    yield VersionEntry(
                        key=key,
                        version_id=version.version_id,
                        is_latest=position == 0,
                        is_delete_marker=False,
                        size_bytes=version.path.stat().st_size,
                        written_at=version.written_at,
                    )

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty
                return
            folder = folder.parent


def _scan(folder: Path) -> tuple[list[_Version], list[str]]:
    """Return a folder's versions, newest first, and the names of its folders.

    Anything else (leftovers, a person's notes) is ignored.
    """
    versions, names = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        names.append(entry.name)
                elif match := _VERSION_FILE.fullmatch(entry.name):
                    with suppress(ValueError):  # digits that are no date
                        versions.append(_parsed(Path(entry.path), match))
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    return sorted(versions, key=lambda version: version.version_id, reverse=True), names


def _parsed(path: Path, match: re.Match[str]) -> _Version:
    return _Version(
        path=path,
        version_id=match["version"],
        # Not strptime: three years of manifests are thousands of names.
        written_at=datetime.fromisoformat(f"{match['written'][:15]}.{match['written'][15:]}"),
        retain_until=datetime.fromisoformat(match["until"]),
        sha256=match["sha256"],
    )


def _stored(key: str, version: _Version) -> StoredObject:
    try:
        size_bytes = version.path.stat().st_size
    except FileNotFoundError as error:
        raise ObjectMissingError(key=key, detail=Said("deleted just now", "刚刚被删除")) from error
    return StoredObject(
        key=key,
        version_id=version.version_id,
        size_bytes=size_bytes,
        sha256=version.sha256,
        mode=LockMode.ADVISORY,
        retain_until=version.retain_until,
    )


def _settle(key: str, existing: _Version, sha256: str, until: datetime) -> StoredObject:
    """Answer a put whose key exists. The bytes decide, not the name they were given."""
    with existing.path.open("rb") as file:
        if sha256_of(file) != sha256:
            raise AlreadyStoredError(key=key)
    return require_lock_covers(_stored(key, existing), until)


def _read(path: Path, start: int, length: int | None) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = os.fstat(descriptor).st_size - start
        wanted = left if length is None else min(left, length)
        parts, at = [], start
        while at < start + wanted and (part := os.pread(descriptor, start + wanted - at, at)):
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors(root: Path, passed: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    """Turn the system's errors into ours, but for one that is `passed` on."""
    try:
        yield
    except passed:
        raise
    except OSError as error:
        detail = f"{root}: {error.strerror or type(error).__name__}"
        if error.errno in _NOT_OURS:
            raise StoreAccessError(detail=detail) from error
        raise LocalDiskError(detail=detail) from error
