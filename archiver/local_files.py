"""Files on this host that may be lost: written whole or not at all, and told when they cannot be.

Local copies are not what matters: they are checked when they are read, or begun anew.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Write or replace a file; when the process dies it is the old one or the new one.

    Raises:
        LocalDiskError: The disk refused. The old file stands.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                file.write(content)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)  # half of it would take the space that is missing
            raise


def make_durable(path: Path) -> None:
    """Wait until a file's content would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
