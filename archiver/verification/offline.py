"""A copy of an archive on a disk, read as a store: it answers questions and takes nothing.

Responsible for two kinds of copies: the folder of a `dir:` store, versions and dates included,
and plain files by key, as `aws s3 sync` makes them, which have neither.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

from archiver import layout
from archiver.errors import (
    LocalDiskError,
    LockNotHonouredError,
    ObjectMissingError,
    RequestError,
    Said,
)
from archiver.ports import Clock, ObjectStore, StoredObject, StoreSettings, VersionEntry
from archiver.stores.directory import DirectoryStore
from archiver.verification.scope import COPIED_FOLDER, PLAIN_FILES, Scope


def open_copy(folder: Path, clock: Clock) -> tuple[ObjectStore, Scope]:
    """Return a copy as a store, and what it shows.

    Raises:
        RequestError: There is no copy of an archive in this folder.
    """
    anchor = folder / layout.ARCHIVE
    if anchor.is_dir():
        return DirectoryStore(folder, clock), COPIED_FOLDER
    if anchor.is_file() or (folder / layout.MANIFESTS).is_dir():
        return PlainFiles(folder), PLAIN_FILES
    raise RequestError(
        detail=Said(
            f"there is no copy of an archive in {folder}: neither {layout.ARCHIVE} nor "
            f"{layout.MANIFESTS} is in it (name the folder that the store's prefix became)",
            f"{folder} 中没有档案库的副本：既无 {layout.ARCHIVE} 也无 {layout.MANIFESTS}"
            "（请指定与存储前缀对应的文件夹）",
        )
    )


class PlainFiles:
    """Files by key: each is the only version of its object that is known."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def get(
        self,
        key: str,
        version_id: str | None = None,  # noqa: ARG002  there is one
        *,
        start: int = 0,
        length: int | None = None,
    ) -> bytes:
        """Return the file's bytes, whatever version is asked for."""
        try:
            with (self._root / key).open("rb") as file:
                file.seek(start)
                return file.read(-1 if length is None else length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissingError(key=key, detail=Said("no such file", "没有该文件")) from None
        except OSError as error:
            raise LocalDiskError(detail=f"{key}: {error.strerror}") from None

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield each file as the only version of its key."""
        found = []
        for folder, _, names in os.walk(self._root / prefix.rpartition("/")[0]):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self._root).as_posix()
                if key.startswith(prefix):
                    found.append((key, path))
        for key, path in sorted(found, key=lambda one: one[0].encode()):
            shown = path.stat()
            yield VersionEntry(
                key=key,
                version_id="",
                is_latest=True,
                is_delete_marker=False,
                size_bytes=shown.st_size,
                written_at=datetime.fromtimestamp(shown.st_mtime, UTC),
            )

    def head(self, key: str, version_id: str) -> StoredObject:  # noqa: ARG002  there is one
        """Refuse: plain files carry no lock."""
        raise LockNotHonouredError(key=key, detail=Said("a copy has no lock", "副本没有锁"))

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> NoReturn:  # noqa: ARG002
        """Refuse: a copy is read."""
        raise RequestError(detail=Said("a copy is only read", "副本只供读取"))

    def put_over(
        self,
        key: str,  # noqa: ARG002
        body: BinaryIO,  # noqa: ARG002
        *,
        above: str,  # noqa: ARG002
        retain_until: datetime,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse: a copy is read."""
        raise RequestError(detail=Said("a copy is only read", "副本只供读取"))

    def delete_version(self, key: str, version_id: str) -> NoReturn:  # noqa: ARG002
        """Refuse: a copy is read."""
        raise RequestError(detail=Said("a copy is only read", "副本只供读取"))

    def settings(self) -> StoreSettings:
        """Return what plain files can promise: nothing."""
        return StoreSettings(
            description=str(self._root),
            worm=False,
            versioning=False,
            object_lock=False,
            server_time=None,
            claims_lock=False,
        )
