"""What a host remembers of the ledger, as values: parts, marks between them, and where it ends.

Pure. `local_copy` keeps them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from archiver.ledger.documents import Taken
from archiver.ledger.parts import StoredCheckpoint, StoredPart
from archiver.merkle import Tail, frontier_root, leaf_hash
from schemas.documents import LedgerEntry


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


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a part stands in the file, and the tree in front of it."""

    first: int
    offset: int
    frontier: Sequence[bytes]

    def line(self) -> bytes:
        """Return it as one line."""
        frontier = [node.hex() for node in self.frontier]
        return json.dumps([self.first, self.offset, frontier]).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Mark":
        """Return what `line` gave."""
        first, offset, frontier = json.loads(line)
        return cls(int(first), int(offset), [bytes.fromhex(node) for node in frontier])


@dataclass(frozen=True, slots=True)
class Stretch:
    """Parts in the middle of the ledger, compared with the tree."""

    tail: Tail
    parts: Sequence[PlacedPart]


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
    marks: int = 0
    """Bytes of `marks.jsonl` that count."""
    marks_digest: str = ""
    """What they are: each line's digest with the one before in front."""
    marked: int = -1
    """First entry behind the last mark."""

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
