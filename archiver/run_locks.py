"""How runs on one host keep out of each other's way: the run lock, and a backfill's reservation.

Responsible for two small files that a run keeps locked. The kernel drops such a lock when the
process dies, whatever way. Nights hold the run lock as long as they run, a backfill only while it
writes manifests: whoever holds it may change the local copy of what is known. The reservation tells
nights which days a running backfill is sealing, so that they leave these to it.

That nothing is sealed twice does not rest on any of this, but on what is known and on the
manifests' numbers; other hosts do not see these files.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import FileIO
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from archiver.errors import AnotherRunError, Said
from archiver.local_files import disk_errors, make_folder

RUN_LOCK: Final = "night.lock"
RESERVATION: Final = "backfill.lock"
SIGHT_LOCK: Final = "sight.lock"
_BACKFILL: Final = " (backfill)"
"""Behind the process in the run lock."""
TURN_SECONDS: Final = 120
"""A backfill writes the manifests of one pass in some of these."""
_POLL_SECONDS: Final = 0.02


class Reservation(BaseModel):
    """The days that a backfill seals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    process: int
    sources: tuple[str, ...]
    first: date
    last: date

    def days_of(self, source: str) -> frozenset[date]:
        """Return the days of a source that are reserved."""
        if source not in self.sources:
            return frozenset()
        count = (self.last - self.first).days + 1
        return frozenset(self.first + timedelta(days=n) for n in range(count))


@contextmanager
def run_lock(folder: Path, *, backfill: bool = False) -> Iterator[None]:
    """Be the only run of this host that changes its local copies.

    Args:
        folder: The index folder.
        backfill: Wait for a night that is running, and let one that is waiting come first. A
            night waits for no other night, but for the moment that a backfill takes.

    Raises:
        AnotherRunError: A night is running on this host.
        LocalDiskError: The disk refused.
    """
    if backfill:
        time.sleep(3 * _POLL_SECONDS)
    with _opened(folder / RUN_LOCK) as file:
        started = time.monotonic()
        while not _locked(file):
            file.seek(0)
            process = file.read().decode("ascii", "replace").strip()
            patience = TURN_SECONDS if process.endswith(_BACKFILL) else 2 * _POLL_SECONDS
            if not backfill and time.monotonic() - started > patience:
                raise AnotherRunError(detail=Said(f"process {process}", f"进程 {process}"))
            time.sleep(_POLL_SECONDS)
        _write(file, f"{os.getpid()}{_BACKFILL if backfill else ''}".encode(), folder)
        yield


@contextmanager
def reserved(folder: Path, reservation: Reservation) -> Iterator[None]:
    """Reserve days for as long as this lasts.

    Raises:
        AnotherRunError: A backfill is running on this host.
        LocalDiskError: The disk refused.
    """
    with _opened(folder / RESERVATION) as file:
        if not _locked(file):
            other = _read(folder)
            process = other.process if other else "?"
            raise AnotherRunError(
                detail=Said(f"backfill, process {process}", f"历史补封，进程 {process}")
            )
        _write(file, reservation.model_dump_json().encode(), folder)
        yield


@contextmanager
def sight_lock(folder: Path) -> Iterator[None]:
    """Be the only sight of this host: cron starts the next one however long the last one takes.

    Raises:
        AnotherRunError: One is at work.
        LocalDiskError: The disk refused.
    """
    with _opened(folder / SIGHT_LOCK) as file:
        if not _locked(file):
            raise AnotherRunError(detail=Said("another sight is at work", "另一次留痕正在进行"))
        yield


def standing_reservation(folder: Path) -> Reservation | None:
    """Return the reservation of a backfill that is running on this host, if one is."""
    try:
        descriptor = os.open(folder / RESERVATION, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared: two nights that look at once must not take each other for a backfill.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(folder)
    except OSError:  # a file system without locks: nobody can reserve anything there
        return None
    finally:
        os.close(descriptor)
    return None


def _read(folder: Path) -> Reservation | None:
    """Return what the file says; None while it is being written."""
    try:
        return Reservation.model_validate_json((folder / RESERVATION).read_bytes())
    except (OSError, ValidationError):
        return None


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    with disk_errors(path.parent):
        make_folder(path.parent)
        # Unbuffered: what a full disk has refused must not be tried again on closing.
        file = path.open("ab+", buffering=0)
    with file:
        yield file


def _locked(file: FileIO) -> bool:
    """Lock a file if nobody else has."""
    with disk_errors(Path(str(file.name)).parent):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _write(file: FileIO, content: bytes, folder: Path) -> None:
    with disk_errors(folder):
        file.truncate(0)
        file.write(content)
