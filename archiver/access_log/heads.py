"""The head file: what an insider of this host cannot take back.

A file elsewhere (another host's share, an append-only medium) that is only ever appended to,
one JSON line per head. Whoever cuts, edits or restores the log on this host leaves it behind.
A line that a crash has cut is ended by the next one and skipped.
"""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.access_log.entry import instant
from archiver.refusals import HeadFileError

FORMAT: Final = 1
_TAIL: Final = 1 << 16
"""Bytes that are read to find the last head of a node: about 250 lines."""
_MODE: Final = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last entry of a node at some time."""

    archive: str
    node: str
    number: int
    digest: str
    at: datetime
    """Of the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbled:
    """A line that is no head."""

    line: int
    torn: bool
    """It begins like one and does not end: a crash cut it, which loses nothing else."""


def append_head(path: Path, head: Head) -> None:
    """Append a head, durable when this returns.

    Raises:
        HeadFileError: It cannot be written.
    """
    content = {
        "format": FORMAT,
        "archive": head.archive,
        "node": head.node,
        "number": head.number,
        "digest": head.digest,
        "at": instant(head.at),
    }
    line = json.dumps(content).encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HeadFileError(path=path, detail=error.strerror or type(error).__name__) from None


def last_head(path: Path, archive: str, node: str) -> Head | None:
    """Return the last head of a node that the file's end knows; None if it knows none.

    Raises:
        HeadFileError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            tail = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadFileError(path=path, detail=error.strerror or type(error).__name__) from None
    found = [one for one in _heads(tail) if isinstance(one, Head)]
    ours = [one for one in found if (one.archive, one.node) == (archive, node)]
    return ours[-1] if ours else None


def read_heads(path: Path) -> list[Head | Garbled]:
    """Return all that a head file says, in its order; nothing if there is no file.

    Raises:
        HeadFileError: It cannot be read.
    """
    try:
        return list(_heads(path.read_bytes()))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HeadFileError(path=path, detail=error.strerror or type(error).__name__) from None


def _heads(content: bytes) -> Iterator[Head | Garbled]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            yield Head(
                archive=str(fields["archive"]),
                node=str(fields["node"]),
                number=int(fields["number"]),
                digest=str(fields["digest"]),
                at=datetime.fromisoformat(fields["at"]),
            )
        except (ValueError, KeyError, TypeError):
            torn = line.startswith(b'{"format"') and not line.endswith(b"}")
            yield Garbled(line=number, torn=torn)
