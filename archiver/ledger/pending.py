"""What the store has and the ledger lacks.

Responsible for finding every document that belongs into the ledger without reading what is in it
already: a night lists a few short folders, not years of sightings. What does not verify, or stands
where it does not belong, is passed over: whoever may write to the bucket must not be able to put
anything into the ledger, nor to stop nights with a file.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from pydantic import ConfigDict

from archiver import layout
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import RollbackError, Said, TamperedError
from archiver.ledger.documents import Noted, Taken
from archiver.ports import VersionEntry
from archiver.signed_documents import SignedDocument
from schemas import documents
from schemas.documents import EntryKind, Instant, Manifest

READERS: Final = 8
"""Documents fetched at once."""
LATE: Final = timedelta(days=3)
"""So long before today may the day of a sighting lie that is made now: days close late."""


class _Stated(Protocol):
    """What every document says of itself."""

    @property
    def archive(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...


class _Sighting(documents.Document):
    """As much of a sighting as the ledger needs to know."""

    model_config = ConfigDict(extra="ignore")

    archive: str
    created_at: Instant
    source: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A document that verifies."""

    stated: _Stated
    belongs: str
    """The key at which it belongs, but for random names."""
    day: date | None = None


_Read = Callable[[Archive, bytes, VersionEntry], _Found]


def pending(
    archive: Archive,
    taken: Taken,
    manifests: Sequence[SignedDocument[Manifest]],
    sources: Iterable[str],
) -> list[Noted]:
    """Return the documents that are not in the ledger yet, in the order in which they are to be.

    Args:
        archive: The archive.
        taken: What its ledger has, with its sightings.
        manifests: The whole chain, verified.
        sources: Sources of which there may be sightings, beside those that manifests name.

    Raises:
        RollbackError: The chain of manifests is not the one that the ledger has.
        StoreError: The store did not answer.
    """
    require_same_chain(taken, manifests)
    found = [_of_manifest(manifest) for manifest in manifests[taken.manifests :]]
    listed = list(_listed(archive, manifests, taken, sources))
    with ThreadPoolExecutor(READERS, "ledger") as executor:
        read = executor.map(lambda one: _earliest(archive, *one), listed)
        others = [noted for noted in read if noted is not None]
    others.sort(key=lambda noted: (noted.at, noted.key))
    return [*found, *_without_copies(taken, others)]


def next_look(now: date) -> date:
    """Return from which day on sightings must be looked for the next time."""
    return now - LATE


def require_same_chain(taken: Taken, manifests: Sequence[SignedDocument[Manifest]]) -> None:
    """Compare the chain of manifests with the one that the ledger has.

    Raises:
        RollbackError: It is shorter, or another one.
    """
    key = layout.manifest_key(taken.manifests)
    if len(manifests) < taken.manifests:
        said = Said(f"it has {key}, which is no longer in the store", f"{key} 已不在存储中")
        raise RollbackError(detail=said)
    if taken.manifests and manifests[taken.manifests - 1].sha256 != taken.manifest:
        said = Said(f"it has another {key}", f"其中的 {key} 与存储中的不同")
        raise RollbackError(detail=said)


def _of_manifest(entry: SignedDocument[Manifest]) -> Noted:
    manifest = entry.document
    return Noted(
        kind="manifest",
        key=layout.manifest_key(manifest.number),
        version_id=entry.version_id,
        sha256=entry.sha256,
        at=manifest.created_at,
        day=manifest.day,
    )


# --- what is there ------------------------------------------------------------------------------


def _listed(
    archive: Archive,
    manifests: Sequence[SignedDocument[Manifest]],
    taken: Taken,
    sources: Iterable[str],
) -> Iterator[tuple[EntryKind, list[VersionEntry]]]:
    """Yield the versions of each document that is not in the ledger, oldest first."""
    for kind, folder, is_ours in _FOLDERS:
        yield from _new(archive, taken, kind, folder, is_ours)
    if next(iter(archive.store.list_versions(layout.SIGHTINGS)), None) is None:
        return  # nobody sights here
    known = {*sources, *(entry.document.source for entry in manifests)}
    today = archive.clock.now().astimezone(archive.rules.zone).date()
    for folder in _sighting_folders(known, taken.sightings_from, today):
        yield from _new(archive, taken, "sighting", folder, layout.sighting_place)


def _sighting_folders(sources: Iterable[str], since: date | None, today: date) -> Iterator[str]:
    if since is None or since == date.min:
        yield layout.SIGHTINGS
        return
    for source in sorted(sources):
        for days in range((today - since).days + 2):  # and tomorrow, for clocks differ
            yield layout.sightings_folder(source, f"{since + timedelta(days=days)}/")


def _new(
    archive: Archive,
    taken: Taken,
    kind: EntryKind,
    folder: str,
    is_ours: Callable[[str], object],
) -> Iterator[tuple[EntryKind, list[VersionEntry]]]:
    by_key: dict[str, list[VersionEntry]] = {}
    for version in archive.store.list_versions(folder):
        if version.is_delete_marker or is_ours(version.key) is None or taken.has(version.key):
            continue
        by_key.setdefault(version.key, []).insert(0, version)
    for versions in by_key.values():
        yield kind, versions


# --- what it is ---------------------------------------------------------------------------------


def _earliest(archive: Archive, kind: EntryKind, versions: Sequence[VersionEntry]) -> Noted | None:
    """Return the earliest version that verifies and belongs where it stands."""
    for version in versions:
        content = document_bytes(archive.store, version)
        try:
            found = _READERS[kind](archive, content, version)
        except TamperedError:
            continue
        if (found.stated.archive, found.belongs) == (archive.id, version.key):
            return Noted(
                kind=kind,
                key=version.key,
                version_id=version.version_id,
                sha256=hashlib.sha256(content).hexdigest(),
                at=found.stated.created_at,
                day=found.day,
            )
    return None


def _without_copies(taken: Taken, noted: Iterable[Noted]) -> Iterator[Noted]:
    """Leave out sightings that somebody has copied to further names."""
    seen = set(taken.sightings.values())
    for one in noted:
        if one.kind != "sighting" or one.sha256 not in seen:
            seen.add(one.sha256)
            yield one


def _access(archive: Archive, content: bytes, version: VersionEntry) -> _Found:
    part = archive.verify(content, "access", documents.AccessPart, version.key, version.written_at)
    return _Found(stated=part, belongs=layout.access_key(part.node, part.part))


def _lock_proof(archive: Archive, content: bytes, version: VersionEntry) -> _Found:
    proof = archive.verify(
        content, "lock-proof", documents.LockProof, version.key, version.written_at
    )
    return _Found(stated=proof, belongs=layout.proof_key(proof.number))


def _reconciliation(archive: Archive, content: bytes, version: VersionEntry) -> _Found:
    document = archive.verify(
        content, "reconciliation", documents.Reconciliation, version.key, version.written_at
    )
    return _Found(stated=document, belongs=layout.reconciliation_key(document.number))


def _retirement(archive: Archive, content: bytes, version: VersionEntry) -> _Found:
    retirement = archive.verify(
        content, "retirement", documents.Retirement, version.key, version.written_at
    )
    return _Found(stated=retirement, belongs=layout.retirement_key(retirement.source))


def _sighting(archive: Archive, content: bytes, version: VersionEntry) -> _Found:
    sighting = archive.verify(content, "sighting", _Sighting, version.key, version.written_at)
    key = version.key
    belongs = key if layout.sighting_place(key) == (sighting.source, sighting.day) else ""
    return _Found(stated=sighting, belongs=belongs, day=sighting.day)


_FOLDERS: Final[Sequence[tuple[EntryKind, str, Callable[[str], object]]]] = (
    ("access", layout.ACCESS, layout.access_part),
    ("lock-proof", layout.NUMBERED_PROOFS, layout.proof_number),
    ("reconciliation", layout.RECONCILIATIONS, layout.reconciliation_number),
    ("retirement", layout.RETIREMENTS, layout.retired_source),
)
_READERS: Final[dict[EntryKind, _Read]] = {
    "access": _access,
    "lock-proof": _lock_proof,
    "reconciliation": _reconciliation,
    "retirement": _retirement,
    "sighting": _sighting,
}
