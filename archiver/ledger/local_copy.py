"""This host's copy of the ledger: what makes opening it cheap, and what it was seen to be.

Responsible for three files below the host's folder. `parts.jsonl` has one line for each part and
only grows; so does `marks.jsonl`, which says for every thousandth entry or so where it stands and
what the tree was there; `head.json` says how much of both counts, and is replaced when that has
become durable. A crash in between leaves a tail that does not count. The copy can be lost; but as
long as it is there, a store that was set back is noticed.
"""

import hashlib
import json
import logging
import mmap
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from archiver.archive import Archive
from archiver.errors import TamperedError
from archiver.ledger.documents import Taken
from archiver.ledger.parts import decoded_checkpoint, encoded_checkpoint
from archiver.ledger.placed import Known, Mark, PlacedPart, Stretch
from archiver.local_files import alone, disk_errors, make_durable, make_folder, write_whole
from archiver.merkle import Tail, frontier_root, leaf_hash

FOLDER: Final = "ledger"
_HEAD: Final = "head.json"
_PARTS: Final = "parts.jsonl"
_MARKS: Final = "marks.jsonl"
MARKED: Final = 1_000
"""Entries between two marks, at least: as many are read to show one of them."""
_LOCK: Final = "lock"
log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class LocalCopy:
    """The two files; in memory where the host keeps nothing."""

    folder: Path | None
    _lines: list[bytes] = field(default_factory=list)
    """Not written yet; all of them where nothing is written."""
    _marks: list[bytes] = field(default_factory=list)
    """Likewise."""
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
        self._seen, self._lines, self._marks = content, [], []
        return known

    def is_whole(self, known: Known) -> bool:
        """Return whether the file of parts is as long as it must be."""
        if self.folder is None:
            return True
        try:
            return (self.folder / _PARTS).stat().st_size >= known.length
        except OSError:
            return known.length == 0

    def add(self, part: PlacedPart, known: Known) -> None:
        """Take a part in, which `known` ends with; it is written by `save`."""
        if known.marked < 0 or part.first - known.marked >= MARKED:
            offset = known.length + sum(map(len, self._lines))
            line = Mark(part.first, offset, known.before).line()
            self._marks.append(line)
            known.marked, known.marks_digest = part.first, _chained(known.marks_digest, line)
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
                known.length = _grown(self.folder / _PARTS, known.length, self._lines)
                self._lines = []
                known.marks = _grown(self.folder / _MARKS, known.marks, self._marks)
                self._marks = []
        content = _head(archive, known)
        if content != self._seen:
            write_whole(self.folder / _HEAD, content)
            self._seen = content

    def forget_parts(self) -> None:
        """Let go of what does not hold; what the head says is known, and nothing but that."""
        self._lines, self._marks = [], []

    def parts(self, known: Known, start: int = 0, end: int | None = None) -> Iterator[PlacedPart]:
        """Yield all parts, in their order, or those between two offsets.

        Raises:
            ValueError, KeyError, TypeError, OSError: The file does not hold.
        """
        for offset, line in self._read(known.length, start):
            if end is not None and offset >= end:
                return
            yield PlacedPart.parse(line)

    def stretch(self, known: Known, first: int, size: int) -> Stretch | None:
        """Return the parts around some entries; None if they are not what they were.

        Args:
            known: The ledger.
            first: From the part on that holds this entry, or begins with it.
            size: Up to the part with which the ledger had this size, at least.
        """
        try:
            marks = self._read_marks(known)
            begin = max((one for one in marks if one.first <= first), key=lambda one: one.first)
            behind = [one for one in marks if one.first >= size and one.first > begin.first]
            end = min(behind, key=lambda one: one.first) if behind else None
            parts = list(self.parts(known, begin.offset, end.offset if end else None))
            leaves = [leaf_hash(text.encode()) for part in parts for text in part.entries]
            tail = Tail(begin.first, begin.frontier, leaves)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        wanted = (known.size, known.root) if end is None else (end.first, _root_of(end))
        return Stretch(tail, parts) if (tail.size, tail.root()) == wanted else None

    def part_that_says(self, known: Known, text: str) -> PlacedPart | None:
        """Return the last part in whose entries a text stands; nothing has been compared."""
        wanted = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        for line in reversed(self._lines):
            if wanted in line:
                return PlacedPart.parse(line)
        if self.folder is None or not known.length:
            return None
        try:
            with (
                (self.folder / _PARTS).open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                place = content.rfind(wanted, 0, known.length)
                if place < 0:
                    return None
                start = content.rfind(b"\n", 0, place) + 1
                return PlacedPart.parse(content[start : content.find(b"\n", place)])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _read(self, length: int, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield lines of parts with their offsets: those on the disk, then those in memory."""
        offset = start
        if self.folder is not None and offset < length:
            with (self.folder / _PARTS).open("rb") as file:
                file.seek(offset)
                while offset < length:
                    line = file.readline()
                    if not line:
                        message = "the file of parts is too short"
                        raise ValueError(message)
                    yield offset, line
                    offset += len(line)
        offset = length
        for line in self._lines:
            if offset >= start:
                yield offset, line
            offset += len(line)

    def _read_marks(self, known: Known) -> list[Mark]:
        """Return the marks.

        Raises:
            ValueError, TypeError, OSError: They are not what they were.
        """
        content = b""
        if self.folder is not None and known.marks:
            with (self.folder / _MARKS).open("rb") as file:
                content = file.read(known.marks)
        lines = [*content.splitlines(keepends=True), *self._marks]
        digest = ""
        for line in lines:
            digest = _chained(digest, line)
        if digest != known.marks_digest:
            message = "the marks are not those that were written"
            raise ValueError(message)
        return [Mark.parse(line) for line in lines]

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
            marks=int(fields["marks"]["length"]),
            marks_digest=str(fields["marks"]["digest"]),
            marked=int(fields["marks"]["first"]),
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
        "marks": {
            "length": known.marks,
            "digest": known.marks_digest,
            "first": known.marked,
        },
        "before": [node.hex() for node in known.before],
        "last": known.last and json.loads(known.last.line()),
        "checkpoint": encoded_checkpoint(known.checkpoint),
        "taken": known.taken.fields(),
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def _grown(path: Path, length: int, lines: Sequence[bytes]) -> int:
    """Write lines behind what counts of a file, durably; return how much counts then."""
    make_folder(path.parent)
    with path.open("ab") as file:
        file.truncate(length)
        file.seek(length)
        file.writelines(lines)
    make_durable(path)
    return length + sum(map(len, lines))


def _chained(before: str, line: bytes) -> str:
    return hashlib.sha256(before.encode() + line).hexdigest()


def _root_of(mark: Mark) -> bytes:
    return frontier_root(mark.frontier)
