"""Files on this host: written whole and durably or not at all, and told when they cannot be.

Responsible for the one order of steps after which a file outlives a power cut: its content is
made durable, then its name, then the folder's entry (POSIX: rename replaces atomically, fsync
of the folder keeps the entry).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archiver.errors import LocalDiskError


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses below `folder` into our error.

    Raises:
        LocalDiskError: It is full, broken or not ours to write.
    """
    try:
        yield
    except OSError as error:
        detail = f"{folder}: {error.strerror or type(error).__name__}"
        raise LocalDiskError(detail=detail) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write or replace a file, durable when this returns.

    When the process dies or the power fails it is the old one or the new one.

    Raises:
        LocalDiskError: The disk refused. The old file stands, unless only the folder could not
            be made durable.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with disk_errors(path.parent):
        make_folder(path.parent)
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)  # half of it would take the space that is missing
            raise
        sync_folder(path.parent)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only one of this host's processes and threads that does something meanwhile.

    Raises:
        LocalDiskError: The lock file cannot be opened or locked.
    """
    with disk_errors(path.parent):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with disk_errors(path.parent):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_durable(path: Path) -> None:
    """Wait until a file's content would outlive a power cut."""
    _sync(path, os.O_RDONLY)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durably entered in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
