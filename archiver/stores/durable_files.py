"""Files that exist whole or not at all, also after `kill -9` and a power cut.

A draft is written in a folder of its own, made durable, then renamed to its place. Its
writer holds a lock on it, which the kernel drops when the process dies: what can be locked
in the folder of drafts belongs to nobody and is swept.

Relies on POSIX: atomic rename within one file system, flock.
"""

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from archiver.local_files import make_folder
from archiver.stores.preconditions import CHUNK_BYTES

_READ_ONLY = 0o444
_SHORT, _LONG = 0.001, 0.02
"""Seconds between two tries for a lock that is held for milliseconds."""


@contextmanager
def draft(folder: Path, body: BinaryIO) -> Iterator[tuple[Path, str]]:
    """Write `body` to a durable, read-only draft; yield its path and SHA-256 in hex.

    Rename it to keep it: what is still in `folder` at the end is removed.

    Raises:
        OSError: The disk refused; nothing is left.
    """
    make_folder(folder)
    _sweep(folder)
    path, descriptor = _new_draft(folder)
    try:
        sha256 = _copy(body, descriptor)
        os.fchmod(descriptor, _READ_ONLY)
        os.fsync(descriptor)
        yield path, sha256
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, patience: timedelta) -> Iterator[None]:
    """Hold the lock file at `path` alone among all threads and processes of this host.

    Raises:
        TimeoutError: Somebody else has held it for all of `patience`: a process that was
            stopped, perhaps. Waiting for it any longer would stop everybody.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _lock(descriptor, patience)
        try:
            yield
        finally:
            # Not left to close(): a child forked meanwhile shares the lock with us.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patience: timedelta) -> None:
    """Take a lock. The kernel has no wait that ends, so it is asked again and again."""
    give_up = time.monotonic() + patience.total_seconds()
    pause = _SHORT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise TimeoutError from None
            time.sleep(pause)
            pause = min(2 * pause, _LONG)
        else:
            return


def sha256_of(body: BinaryIO) -> str:
    """Return the SHA-256, in hex, of a file from its start."""
    body.seek(0)
    digest = hashlib.sha256()
    while chunk := body.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _new_draft(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        # A sweep came between creating and locking, and took it for a leftover.
        os.close(descriptor)


def _copy(body: BinaryIO, descriptor: int) -> str:
    body.seek(0)
    digest = hashlib.sha256()
    while chunk := body.read(CHUNK_BYTES):
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return digest.hexdigest()


def _sweep(folder: Path) -> None:
    for entry in os.scandir(folder):
        # Locked or gone: its writer is at work or just now done. Another user's is theirs.
        with suppress(BlockingIOError, FileNotFoundError, PermissionError):
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink()
            finally:
                os.close(descriptor)
