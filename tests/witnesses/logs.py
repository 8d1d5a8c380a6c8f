"""A log for tests: leaves in memory, checkpoints signed for real."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.merkle import Tail, leaf_hash
from archiver.signed_note import Checkpoint, VerifierKey, sign_note
from archiver.witnesses import Head

ARCHIVE = "0123456789abcdef" * 2
ORIGIN = f"order-archive/{ARCHIVE}"


@dataclass(slots=True)
class SmallLog:
    """The log.

    Attributes:
        entries: Its entries.
        arriving: Entries that another run has appended, known after a refresh.
    """

    entries: list[bytes] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    origin: str = ORIGIN
    arriving: list[bytes] = field(default_factory=list)

    def grow(self, count: int, word: str = "entry") -> "SmallLog":
        """Append entries."""
        size = len(self.entries)
        self.entries += [f"{word} {size + n}".encode() for n in range(count)]
        return self

    def at(self, size: int) -> "SmallLog":
        """Return the log as it was, or as somebody has set it back."""
        return SmallLog(self.entries[:size], self.key, self.origin)

    def refresh(self) -> None:
        """Take in what another run has appended."""
        self.entries += self.arriving
        self.arriving = []

    def checkpoint(self) -> bytes | None:
        """Return the latest signed checkpoint."""
        if not self.entries:
            return None
        root = self._tail.root()
        text = Checkpoint(origin=self.origin, size=len(self.entries), root=root).text
        return sign_note(text, self.origin, self.key)

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return the proof."""
        return self._tail.consistency(old, new)

    @property
    def keys(self) -> Sequence[VerifierKey]:
        """Its key."""
        public_key = self.key.public_key().public_bytes_raw()
        return [VerifierKey(name=self.origin, public_key=public_key)]

    @property
    def head(self) -> Head:
        """Its head."""
        return Head.open(self.checkpoint() or b"", self.keys, where="checkpoint")

    @property
    def _tail(self) -> Tail:
        return Tail(0, [], [leaf_hash(entry) for entry in self.entries])
