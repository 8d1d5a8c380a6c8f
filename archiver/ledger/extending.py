"""Extending the ledger: what was stored since becomes part of it.

Responsible for the last step of every run that seals. What other commands store, and what a run
leaves behind because it dies, is taken in by the next one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from archiver.archive import Archive
from archiver.ledger.opened import Ledger
from archiver.ledger.parts import StoredCheckpoint
from archiver.ledger.pending import next_look, pending, require_same_chain
from archiver.ports import Progress
from archiver.signed_documents import SignedDocument
from schemas.documents import Manifest


class Chain(Protocol):
    """The manifests as a run has read them."""

    @property
    def entries(self) -> Sequence[SignedDocument[Manifest]]:
        """The whole chain, verified."""

    def refresh(self) -> None:
        """Read the manifests that were added since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The ledger after a run."""

    ledger: Ledger
    checkpoint: StoredCheckpoint | None
    """None where nothing was ever sealed."""
    before: int
    """The size that this run has found."""


def read_ledger(archive: Archive, chain: Chain, progress: Progress | None = None) -> Ledger:
    """Return the ledger, read and compared with the manifests.

    Args:
        archive: The archive.
        chain: Read; read on where the ledger knows more of it.
        progress: Shown how far it is where much has to be read.

    Raises:
        RollbackError: Ledger, manifests and what this host has seen before contradict each other.
        StoreError: The store did not answer.
    """
    ledger = Ledger(archive, progress)
    ledger.refresh()
    if ledger.taken.manifests > len(chain.entries):
        chain.refresh()  # another run has sealed and extended the ledger meanwhile
    require_same_chain(ledger.taken, chain.entries)
    return ledger


def extend_ledger(
    archive: Archive,
    chain: Chain,
    sources: Iterable[str] = (),
    progress: Progress | None = None,
) -> Extension:
    """Take in what the store has and the ledger lacks, and sign the checkpoint behind it.

    A second call stores nothing.

    Args:
        archive: Opened to seal.
        chain: The manifests, read.
        sources: The configured ones; those that manifests name are looked at anyway.
        progress: Shown how far it is where much has to be read.

    Raises:
        KeyUnavailableError: This host has no signing key.
        RollbackError: Ledger, manifests and what this host has seen before contradict each other.
        AnotherRunError: Others take every place.
        StoreError: Nothing is known; calling again is safe.
    """
    ledger = read_ledger(archive, chain, progress)
    before = ledger.size
    if ledger.taken.sightings_from is None:
        ledger.recall_sightings()
    today = archive.clock.now().astimezone(archive.rules.zone).date()
    found = pending(archive, ledger.taken, chain.entries, sources)
    checkpoint = ledger.append(found)
    ledger.look_from(next_look(today))
    return Extension(ledger=ledger, checkpoint=checkpoint, before=before)
