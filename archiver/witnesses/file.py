"""A witness that is a file elsewhere: another host's share, an append-only medium.

One JSON line for each head, only ever appended to. Whoever sets ledger and this host back leaves
the lines behind. Lines that are cut, foreign or not signed by the log count for nothing.
"""

import errno
import fcntl
import heapq
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from archiver.errors import AnswerRefusedError, NoAnswerError, Said, TamperedError
from archiver.signed_note import Checkpoint, VerifierKey, open_checkpoint
from archiver.witnesses.history import Confirmed, Head, History, require_same_history

FORMAT: Final = 1
LOOKED_AT: Final = 1_000
"""Lines that claim more than the latest head and are not signed. Of more, nothing is confirmed."""
LONGEST: Final = 1 << 16
"""Bytes of a line; ours have 400."""
_MODE: Final = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWitness:
    """The file."""

    name: str
    path: Path
    keys: Sequence[VerifierKey] = ()

    @property
    def place(self) -> str:
        """Where it is."""
        return f"file:{self.path}"

    def confirm(self, head: Head, history: History, *, confirmed: int, now: datetime) -> Confirmed:
        """Append the head, durable when this returns; see `Witness`.

        A file that is gone is not made anew where it has confirmed something: the share may not
        be mounted.
        """
        try:
            descriptor = self._open(new=not confirmed)
        except FileNotFoundError:
            raise self._gone(confirmed) from None
        except OSError as error:
            raise self._failed(error) from None
        try:
            _require_file(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read()
            known = latest(content, head, self.name)
            if known is not None:
                require_same_history(self.name, known, head, history)
            if known is None or known.size < head.size:
                torn = bool(content) and not content.endswith(b"\n")
                _append(descriptor, line(head, now), torn=torn)
        except OSError as error:
            raise self._failed(error) from None
        finally:
            os.close(descriptor)
        return Confirmed(knew=known.size if known else 0, at=now)

    def _open(self, *, new: bool) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.path, flags | os.O_CREAT if new else flags, _MODE)

    def _gone(self, confirmed: int) -> NoAnswerError:
        said = Said(
            f"there is no {self.path}, which held {confirmed} entries; is it mounted? If it is "
            "lost for good, create it empty",
            f"没有 {self.path}（曾持有 {confirmed} 条记录）；是否已挂载？若确已丢失，请新建空文件",
        )
        fresh = Said(f"there is no {self.path.parent}", f"没有 {self.path.parent}")
        return NoAnswerError(place=self.name, detail=said if confirmed else fresh)

    def _failed(self, error: OSError) -> NoAnswerError:
        detail = f"{self.path}: {error.strerror or type(error).__name__}"
        return NoAnswerError(place=self.name, detail=detail)


def line(head: Head, now: datetime) -> bytes:
    """Return the line of a head."""
    fields = {
        "format": FORMAT,
        "log": head.checkpoint.origin,
        "size": head.size,
        "checkpoint": head.content.decode(),
        "at": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def latest(content: bytes, head: Head, name: str) -> Checkpoint | None:
    """Return the largest head of this log that a file's lines hold and the log has signed.

    Raises:
        AnswerRefusedError: Too many lines claim to be larger and are not signed.
    """
    begin = f'{{"format":{FORMAT},"log":{json.dumps(head.checkpoint.origin)},"size":'
    pattern = re.compile(re.escape(begin.encode()) + rb"([0-9]{1,19}),")
    # Sizes first: a file of years has some hundred thousand lines, and one of them is read.
    found = ((int(match[1]), match.start()) for match in pattern.finditer(content))
    lines = ((size, start) for size, start in found if content[start - 1 : start] in (b"", b"\n"))
    largest = heapq.nlargest(LOOKED_AT + 1, lines)
    for size, start in largest[:LOOKED_AT]:
        told, _, _ = content[start : start + LONGEST].partition(b"\n")
        for checkpoint in _signed(told, head):
            if checkpoint.size == size:
                return checkpoint
    if len(largest) <= LOOKED_AT:
        return None
    said = Said(f"{LOOKED_AT} lines are not this log's", f"有 {LOOKED_AT} 行不属于此账本")
    raise AnswerRefusedError(place=name, detail=said)


def _signed(found: bytes, head: Head) -> Iterator[Checkpoint]:
    try:
        note = str(json.loads(found)["checkpoint"]).encode()
        checkpoint = open_checkpoint(note, head.keys, where="line")
    except (ValueError, KeyError, TypeError, TamperedError):
        return
    if checkpoint.origin == head.checkpoint.origin:
        yield checkpoint


def _append(descriptor: int, told: bytes, *, torn: bool) -> None:
    content = b"\n" + told if torn else told
    if os.write(descriptor, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _require_file(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a device may have no end
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
