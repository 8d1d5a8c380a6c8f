"""Data objects that no manifest names: what crashes and lost races left behind.

Responsible for telling them from what a running night has stored and not yet named, and from
other versions of objects that are named. Reads one listing of versions and the chain of
manifests: memory grows by 16 bytes or so per named object, not with what is found. Nobody can
read an orphan, for its keys existed in memory only; it stays until its lock ends.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal

from archiver import layout
from archiver.catalog import Catalog
from archiver.ports import Progress, VersionEntry
from schemas.documents import Manifest

SETTLED: Final = timedelta(hours=12)
"""What is younger may be of a run that is still at work: a pass over a long day, at most, lies
between an object and the manifest that names it."""

Kind = Literal["orphan", "recent", "other-version"]
"""`recent`: unnamed and young. `other-version`: its key is named, by another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """A version of a data object that no manifest names."""

    kind: Kind
    key: str
    version_id: str
    size_bytes: int
    written_at: datetime
    """By the store's clock."""
    age: timedelta
    holds: str | None
    """`orders`, `rejects`, `segments` or `known`; None where the key is none of ours."""
    source: str | None
    day: date | None


@dataclass(slots=True)
class Tally:
    """How many there are of each kind, and their bytes."""

    objects: dict[Kind, int] = field(
        default_factory=lambda: {"orphan": 0, "recent": 0, "other-version": 0}
    )
    size_bytes: dict[Kind, int] = field(
        default_factory=lambda: {"orphan": 0, "recent": 0, "other-version": 0}
    )

    def add(self, one: Unnamed) -> None:
        """Count one more."""
        self.objects[one.kind] += 1
        self.size_bytes[one.kind] += one.size_bytes


def unnamed(
    catalog: Catalog, now: datetime, progress: Progress, claimed: Iterable[Manifest] = ()
) -> Iterator[Unnamed]:
    """Yield what no manifest names, by key, newest version first.

    Args:
        catalog: Refreshed. What is named later than that counts as recent.
        now: By the store's clock, where it has one.
        progress: Counts versions that were looked at.
        claimed: Manifests that a fence has decided on and that are not in the store yet.

    Raises:
        StoreError: The store did not answer.
    """
    versions, keys = set(), set()
    manifests = [*(entry.document for entry in catalog.entries), *claimed]
    for manifest in manifests:
        for one in manifest.objects:
            versions.add(_digest(one.key, one.version_id))
            keys.add(_digest(one.key))
    progress.start("", None)
    try:
        for prefix in layout.DATA:
            for version in catalog.archive.store.list_versions(prefix):
                progress.advance()
                is_named = _digest(version.key, version.version_id) in versions
                if not version.is_delete_marker and not is_named:
                    yield _unnamed(version, now, key_is_named=_digest(version.key) in keys)
    finally:
        progress.finish()


def _unnamed(version: VersionEntry, now: datetime, *, key_is_named: bool) -> Unnamed:
    age = now - version.written_at
    kind: Kind = "orphan" if age > SETTLED else "recent"
    place = layout.data_place(version.key)
    return Unnamed(
        kind="other-version" if key_is_named else kind,
        key=version.key,
        version_id=version.version_id,
        size_bytes=version.size_bytes,
        written_at=version.written_at,
        age=max(age, timedelta(0)),
        holds=place.holds if place else None,
        source=place.source if place else None,
        day=place.day if place else None,
    )


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()
