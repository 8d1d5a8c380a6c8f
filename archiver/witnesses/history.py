"""What all witnesses share: the head that they are told, and the comparison with what they know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from archiver.errors import Said, SplitViewError, TamperedError, WitnessAheadError
from archiver.merkle import verify_consistency
from archiver.signed_note import Checkpoint, VerifierKey, open_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A checkpoint, verified, as it lies in the store."""

    content: bytes
    """The signed note."""
    checkpoint: Checkpoint
    keys: Sequence[VerifierKey]
    """The log's: who may have signed a checkpoint of it."""

    @classmethod
    def open(cls, content: bytes, keys: Sequence[VerifierKey], *, where: str) -> "Head":
        """Return the head in a signed checkpoint.

        Raises:
            TamperedError: It does not verify.
        """
        return cls(
            content=content,
            checkpoint=open_checkpoint(content, keys, where=where),
            keys=keys,
        )

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self.checkpoint.size


class History(Protocol):
    """The ledger, as far as witnesses ask it."""

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return what shows that the tree of `new` entries continues that of `old` ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A witness remembers the head now."""

    knew: int
    """How many entries it knew before; 0 if it knew none."""
    at: datetime
    """When it confirmed, by its own clock where it has one."""
    lines: bytes | None = None
    """Its signature lines, verified, where it signs."""


class Witness(Protocol):
    """A place that remembers."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    @property
    def place(self) -> str:
        """Where it is, for this host's memory; no secret."""

    @property
    def keys(self) -> Sequence[VerifierKey]:
        """By what its signatures are checked; empty where it signs nothing."""

    def confirm(self, head: Head, history: History, *, confirmed: int, now: datetime) -> Confirmed:
        """Make the witness remember a head. A second call does no harm.

        Args:
            head: The ledger's.
            history: The ledger.
            confirmed: How many entries it confirmed to this host before; 0: none.
            now: The present time.

        Raises:
            WitnessAheadError: It knows more entries than the head has.
            SplitViewError: It knows another history.
            NoAnswerError: Nothing is known about what it remembers.
            AnswerRefusedError: It answered, and does not confirm.
            StoreError: The second store did not do it.
        """


def require_same_history(name: str, known: Checkpoint, head: Head, history: History) -> None:
    """Compare what a witness knows with a head.

    Raises:
        WitnessAheadError: It knows more entries than the head has.
        SplitViewError: The head does not continue what it knows.
    """
    if known.size > head.size:
        raise WitnessAheadError(witness=name, held=known.size, size=head.size)
    proof = history.consistency(known.size, head.size)
    try:
        verify_consistency(
            known.size, known.root, head.size, head.checkpoint.root, proof, where=name
        )
    except TamperedError:
        raise split_view(name, known.size, "another root", "根哈希不同") from None


def split_view(name: str, held: int, en: str, zh: str) -> SplitViewError:
    """Return the error of a witness that was told another history."""
    return SplitViewError(witness=name, held=held, detail=Said(en, zh))
