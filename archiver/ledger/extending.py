"""Extending the ledger: what was stored since becomes part of it.

Responsible for the last step of every run that stores documents. What a run leaves behind, because
it died or because it does not extend the ledger itself, is taken in by the next one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archiver.archive import Archive, SignedDocument
from archiver.ledger.opened import Ledger
from archiver.ledger.parts import StoredCheckpoint
from archiver.ledger.pending import next_look, pending
from archiver.ports import Progress
from schemas.documents import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The ledger after a run."""

    ledger: Ledger
    checkpoint: StoredCheckpoint | None
    """None where nothing was ever sealed."""
    before: int
    """The size that this run has found."""


def extend_ledger(
    archive: Archive,
    manifests: Sequence[SignedDocument[Manifest]],
    sources: Iterable[str] = (),
    progress: Progress | None = None,
) -> Extension:
    """Take in what the store has and the ledger lacks, and sign the checkpoint behind it.

    A second call stores nothing.

    Args:
        archive: Opened to seal.
        manifests: The whole chain, verified.
        sources: The configured ones; those that manifests name are looked at anyway.
        progress: Shown how far it is where much has to be read.

    Raises:
        KeyUnavailableError: This host has no signing key.
        RollbackError: The store contradicts what was seen before.
        AnotherRunError: Others take every place.
        StoreError: Nothing is known; calling again is safe.
    """
    ledger = Ledger(archive, progress)
    ledger.refresh()
    before = ledger.size
    if ledger.taken.sightings_from is None:
        ledger.recall_sightings()
    today = archive.clock.now().astimezone(archive.rules.zone).date()
    found = pending(archive, ledger.taken, manifests, sources)
    checkpoint = ledger.append(found)
    ledger.look_from(next_look(today))
    return Extension(ledger=ledger, checkpoint=checkpoint, before=before)
