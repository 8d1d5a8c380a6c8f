"""This host's copy of the ledger: what makes opening it cheap, and what it was seen to be.

Responsible for two files below the host's folder. `parts.jsonl` has one line for each part and
only grows; `head.json` says how much of it counts, and is replaced when that has become durable.
A crash between the two leaves a tail that does not count. The copy can be lost; but as long as it
is there, a store that was set back is noticed.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from archiver.archive import Archive
from archiver.errors import TamperedError
from archiver.ledger.documents import Taken
from archiver.ledger.parts import (
    StoredCheckpoint,
    StoredPart,
    decoded_checkpoint,
    encoded_checkpoint,
)
from archiver.local_files import alone, disk_errors, make_durable, make_folder, write_whole
from archiver.merkle import Tail, frontier_root, leaf_hash
from schemas.documents import LedgerEntry

FOLDER: Final = "ledger"
_HEAD: Final = "head.json"
_PARTS: Final = "parts.jsonl"
_LOCK: Final = "lock"
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPart:
    """A part as this host remembers it."""

    first: int
    key: str
    version_id: str
    sha256: str
    created_at: datetime
    entries: Sequence[str]

    @classmethod
    def of(cls, stored: StoredPart) -> "PlacedPart":
        """Return what is remembered of a part."""
        return cls(
            first=stored.document.first,
            key=stored.key,
            version_id=stored.version_id,
            sha256=stored.sha256,
            created_at=stored.document.created_at,
            entries=stored.document.entries,
        )

    @property
    def size(self) -> int:
        """The size of the ledger that ends with it."""
        return self.first + len(self.entries)

    def parsed(self) -> list[LedgerEntry]:
        """Return its entries, parsed."""
        return [LedgerEntry.model_validate_json(text) for text in self.entries]

    def line(self) -> bytes:
        """Return it as one line."""
        fields = {
            "first": self.first,
            "key": self.key,
            "version_id": self.version_id,
            "sha256": self.sha256,
            "created_at": self.created_at.isoformat(),
            "entries": self.entries,
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "PlacedPart":
        """Return what `line` gave."""
        fields = json.loads(line)
        return cls(
            first=int(fields["first"]),
            key=str(fields["key"]),
            version_id=str(fields["version_id"]),
            sha256=str(fields["sha256"]),
            created_at=datetime.fromisoformat(fields["created_at"]),
            entries=[str(text) for text in fields["entries"]],
        )


@dataclass(slots=True)
class Known:
    """The ledger as far as it was seen."""

    size: int = 0
    frontier: list[bytes] = field(default_factory=list)
    """Of all entries."""
    before: list[bytes] = field(default_factory=list)
    """Of those in front of the last part."""
    last: PlacedPart | None = None
    checkpoint: StoredCheckpoint | None = None
    """Of this size; None before the first, or where a run died between part and checkpoint."""
    taken: Taken = field(default_factory=Taken)
    length: int = 0
    """Bytes of `parts.jsonl` that count."""

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return frontier_root(self.frontier)

    @property
    def tail(self) -> Tail:
        """The tree from the last part on."""
        if self.last is None:
            return Tail(0, [], [])
        return tail_of(self.last, self.before)


def tail_of(part: PlacedPart, before: Sequence[bytes]) -> Tail:
    """Return the tree that ends with a part."""
    return Tail(part.first, before, [leaf_hash(text.encode()) for text in part.entries])


@dataclass(slots=True)
class LocalCopy:
    """The two files; in memory where the host keeps nothing."""

    folder: Path | None
    _lines: list[bytes] = field(default_factory=list)
    """Not written yet; all of them where nothing is written."""
    _seen: bytes | None = None
    """`head.json` as it was last read or written."""

    @classmethod
    def of(cls, archive: Archive) -> "LocalCopy":
        """Return an archive's copy on this host."""
        return cls(None if archive.memory is None else archive.memory / FOLDER)

    def alone(self) -> AbstractContextManager[None]:
        """Be the only one on this host that reads on or adds to the ledger."""
        return nullcontext() if self.folder is None else alone(self.folder / _LOCK)

    def changed(self, archive: Archive) -> Known | None:
        """Return what another process of this host has written since; None if nothing.

        What cannot be used is nothing: then all is read from the store.
        """
        if self.folder is None:
            return None
        try:
            content = (self.folder / _HEAD).read_bytes()
        except OSError:
            return None
        if content == self._seen:
            return None
        try:
            known = self._parsed(archive, content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, TamperedError):
            log.warning("local copy of the ledger cannot be used", extra={"folder": self.folder})
            return None
        self._seen, self._lines = content, []
        return known

    def is_whole(self, known: Known) -> bool:
        """Return whether the file of parts is as long as it must be."""
        if self.folder is None:
            return True
        try:
            return (self.folder / _PARTS).stat().st_size >= known.length
        except OSError:
            return known.length == 0

    def add(self, part: PlacedPart) -> None:
        """Take a part in; it is written by `save`."""
        self._lines.append(part.line())

    def save(self, archive: Archive, known: Known) -> None:
        """Write what was taken in.

        Raises:
            LocalDiskError: The disk refused. What was written before counts.
        """
        if self.folder is None or known.last is None:
            return
        if self._lines:
            with disk_errors(self.folder):
                self._write(self.folder / _PARTS, known)
        content = _head(archive, known)
        if content != self._seen:
            write_whole(self.folder / _HEAD, content)
            self._seen = content

    def forget_parts(self) -> None:
        """Let go of what does not hold; what the head says is known, and nothing but that."""
        self._lines = []

    def parts(self, known: Known) -> Iterator[PlacedPart]:
        """Yield all parts, in their order.

        Raises:
            ValueError, KeyError, TypeError, OSError: The file does not hold.
        """
        left = known.length
        if self.folder is not None and left:
            with (self.folder / _PARTS).open("rb") as file:
                while left > 0:
                    line = file.readline()
                    left -= len(line)
                    yield PlacedPart.parse(line)
        for line in self._lines:
            yield PlacedPart.parse(line)

    def _write(self, path: Path, known: Known) -> None:
        make_folder(path.parent)
        with path.open("ab") as file:
            file.truncate(known.length)
            file.seek(known.length)
            file.writelines(self._lines)
        make_durable(path)
        known.length += sum(map(len, self._lines))
        self._lines = []

    def _parsed(self, archive: Archive, content: bytes) -> Known | None:
        if self.folder is None:
            return None
        fields = json.loads(content)
        if fields["archive"] != archive.id:
            return None
        last = PlacedPart.parse(json.dumps(fields["last"]).encode())
        known = Known(
            size=last.size,
            before=[bytes.fromhex(node) for node in fields["before"]],
            last=last,
            taken=Taken.of(fields["taken"]),
            length=int(fields["length"]),
        )
        known.frontier = known.tail.frontier_at(known.size)
        if fields["checkpoint"] is not None:
            known.checkpoint = decoded_checkpoint(archive, fields["checkpoint"])
            if (known.checkpoint.size, known.checkpoint.root) != (known.size, known.root):
                raise ValueError
        return known


def _head(archive: Archive, known: Known) -> bytes:
    fields: dict[str, Any] = {
        "archive": archive.id,
        "length": known.length,
        "before": [node.hex() for node in known.before],
        "last": known.last and json.loads(known.last.line()),
        "checkpoint": encoded_checkpoint(known.checkpoint),
        "taken": known.taken.fields(),
    }
    return json.dumps(fields, ensure_ascii=False).encode()
