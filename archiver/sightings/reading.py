"""The sightings in the store, as they were signed, by source and day.

Responsible for reading them on any host: what a host keeps of them are copies, which are verified
like what comes from the store, and can be lost. One that does not verify is an alarm and counts
for nothing: whoever may write to the bucket must not be able to stop nights with a file.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

from archiver import layout
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import Said, TamperedError
from archiver.local_files import write_whole
from archiver.ports import VersionEntry
from archiver.sightings.entries import Entries
from archiver.sightings.sealed import opened
from schemas.documents import Sighting

_COPIES: Final = "sightings"
MOST_DAYS: Final = 31
"""Listed one by one; more of them by the month."""
_FETCHERS: Final = 8
"""A day of sightings each five minutes is 288 objects, each a request of some 12 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """One sighting that verifies."""

    key: str
    document: Sighting
    entries: Entries


@dataclass(slots=True)
class Sightings:
    """Reads sightings; on a host that seals, for they open with the token key."""

    archive: Archive
    _told: set[str] = field(default_factory=set)
    """Versions that were found not to verify: each is told once."""

    def of(self, source: str, days: Collection[date]) -> Iterator[Sighted]:
        """Yield the sightings of a source that are filed under these days, in any order.

        One at a time: those of a week may be more than the memory should hold.

        Raises:
            StoreError: The store did not answer.
        """
        wanted = []
        for prefix in self._prefixes(source, days):
            versions = self.archive.store.list_versions(prefix)
            for key, found in groupby(versions, key=lambda version: version.key):
                place = layout.sighting_place(key)
                if place is not None and place[0] == source and place[1] in days:
                    # Listed newest first; a marker hides nothing.
                    there = [one for one in found if not one.is_delete_marker]
                    wanted.append((key, there[::-1]))
        self._fetch([version for _, found in wanted for version in found])
        read = (self._earliest(key, found) for key, found in wanted)
        yield from (one for one in read if one is not None)

    def forget(self, source: str, before: date) -> None:
        """Remove local copies that no night of this source looks at any more."""
        cache = self._cache
        if cache is None:
            return
        with suppress(OSError):  # none there, or the disk is broken: they are only copies
            for folder in (cache / source).iterdir():
                if folder.name < before.isoformat():
                    shutil.rmtree(folder, ignore_errors=True)

    @property
    def _cache(self) -> Path | None:
        memory = self.archive.memory
        return None if memory is None else memory / _COPIES

    def _prefixes(self, source: str, days: Collection[date]) -> Sequence[str]:
        if not days:
            return ()
        # Who never sights pays one request.
        root = layout.sightings_folder(source)
        if next(self.archive.store.list_versions(root), None) is None:
            return ()
        parts = [day.isoformat() for day in sorted(days)]
        if len(parts) > MOST_DAYS:
            parts = list(dict.fromkeys(part[:7] for part in parts))
        return [layout.sightings_folder(source, part) for part in parts]

    def _earliest(self, key: str, versions: Sequence[VersionEntry]) -> Sighted | None:
        """Return what the earliest version that verifies says; None if none does."""
        failure: TamperedError | None = None
        for version in versions:
            for content in self._contents(version):
                try:
                    return self._opened(version, content)
                except TamperedError as error:
                    failure = error
        if failure is not None and key not in self._told:
            self._told.add(key)
            self.archive.alarms.append(failure)
        return None

    def _opened(self, version: VersionEntry, content: bytes) -> Sighted:
        key = version.key
        document = self.archive.verify(content, "sighting", Sighting, key, version.written_at)
        if (document.archive, layout.sighting_key(document.source, document.day, key[-37:-5])) != (
            self.archive.id,
            key,
        ):
            raise TamperedError(
                key=key,
                detail=Said("it belongs to another archive or day", "属于其他档案库或日期"),
            )
        token_key = self.archive.night_keys().token_key
        entries = opened(token_key, key, document.sealed, document.rows)
        return Sighted(key=key, document=document, entries=entries)

    # --- local copies ------------------------------------------------------------------------

    def _contents(self, version: VersionEntry) -> Iterator[bytes]:
        """Yield a version's bytes: the local copy, then, if that does not hold, the store's."""
        path = self._cached(version)
        if path is not None:
            with suppress(OSError):
                yield path.read_bytes()
        content = document_bytes(self.archive.store, version)
        if path is not None:
            write_whole(path, content)
        yield content

    def _fetch(self, versions: Sequence[VersionEntry]) -> None:
        """Make the local copies that are lacking, several at a time."""
        lacking = []
        for version in versions:
            path = self._cached(version)
            if path is not None and not path.exists():
                lacking.append((version, path))
        if len(lacking) <= _FETCHERS:
            return  # read one by one, as they are needed

        def copy(one: tuple[VersionEntry, Path]) -> None:
            version, path = one
            write_whole(path, document_bytes(self.archive.store, version))

        with ThreadPoolExecutor(_FETCHERS, "sightings") as executor:
            list(executor.map(copy, lacking))

    def _cached(self, version: VersionEntry) -> Path | None:
        cache = self._cache
        if cache is None:
            return None
        # Version ids are the store's own; hashed, any of them is a file name.
        name = hashlib.sha256(f"{version.key} {version.version_id}".encode()).hexdigest()[:32]
        place = layout.sighting_place(version.key)
        folder = cache if place is None else cache / place[0] / place[1].isoformat()
        return folder / f"{name}.json"
