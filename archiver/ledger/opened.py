"""An archive's ledger: read on, shown, and added to.

Responsible for one history. It is read part by part, each signed, each continuing the one before;
what this host has seen once must still be there. Additions go behind the last part that the store
has, and a checkpoint that a dead run has left unsigned is signed before anything else is added.
Refuses to go on where the store contradicts what was seen.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from archiver import layout
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import AnotherRunError, RollbackError, Said, TamperedError
from archiver.ledger.documents import Noted, Taken
from archiver.ledger.local_copy import LocalCopy
from archiver.ledger.parts import (
    StoredCheckpoint,
    StoredPart,
    counting_part,
    find_checkpoint,
    part_versions,
    put_checkpoint,
    put_part,
    read_versions,
    verify_part,
)
from archiver.ledger.placed import Known, PlacedPart
from archiver.merkle import Tail, leaf_hash
from archiver.ports import Progress, VersionEntry
from schemas.documents import LedgerEntry, LedgerPart

LARGEST: Final = 5_000
"""Entries in a part, of about 300 bytes each."""
ATTEMPTS: Final = 5
"""Places that others may take while we try."""
READERS: Final = 8
"""Parts fetched at once."""
AHEAD: Final = 500
"""Parts in memory while they are read; then the local copy is written."""
SHOWN: Final = 50
"""From so many parts on, somebody is shown how far it is."""
BLOCK: Final = 3
"""Digits left out of a part's number to list those that may have come since: a thousand entries."""
log: Final = logging.getLogger(__name__)

_Listed = Mapping[int, Sequence[VersionEntry]]


@dataclass(slots=True)
class Ledger:
    """The ledger as of the last `refresh` or `append`; empty before the first."""

    archive: Archive
    progress: Progress | None = None
    """Shown how far it is where much has to be read."""
    _copy: LocalCopy = field(init=False)
    _known: Known = field(default_factory=Known)
    _remembered: Known | None = None
    """What this host knew before its copy was damaged; the store must still have it."""
    _whole: Tail | None = None
    _fresh: bool = False
    """Just read on: a place that somebody takes meanwhile shows by itself."""

    def __post_init__(self) -> None:
        """Find this host's copy."""
        self._copy = LocalCopy.of(self.archive)

    # --- what there is -------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self._known.size

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return self._known.root

    @property
    def grown_at(self) -> datetime | None:
        """When the last part was made, by its own word; None before the first."""
        return self._known.last.created_at if self._known.last else None

    @property
    def taken(self) -> Taken:
        """Which documents are in it."""
        return self._known.taken

    def checkpoint(self) -> StoredCheckpoint | None:
        """Return the checkpoint of this size.

        None before the first, and where a run died after storing a part: the next addition, or
        `append` of nothing, signs it.
        """
        return self._known.checkpoint

    @property
    def entries(self) -> list[str]:
        """The exact texts of all entries, in their order."""
        return [text for part in self.parts() for text in part.entries]

    def parts(self) -> Sequence[PlacedPart]:
        """Return all parts, compared with the tree's root.

        Raises:
            RollbackError: This host's copy is damaged, and the store is not what it was.
        """
        parts = self._kept()
        if parts is None:
            log.warning("local copy of the ledger is damaged", extra={"size": self.size})
            with self._copy.alone():
                self._start_anew()
                self._catch_up()
                self._copy.save(self.archive, self._known)
            parts = self._kept()
        if parts is None:
            said = Said("the copy on this host changes while it is read", "本机副本在读取时被改动")
            raise TamperedError(key=str(self._copy.folder), detail=said)
        return parts

    def part_with(self, number: int) -> PlacedPart:
        """Return the part that holds an entry.

        Raises:
            ValueError: There is no such entry.
        """
        if not 0 <= number < self.size:
            message = f"the ledger has no entry {number}"
            raise ValueError(message)
        near = self._copy.stretch(self._known, number, number + 1)
        parts = self.parts() if near is None else near.parts
        return next(part for part in parts if part.first <= number < part.size)

    def entry_of(self, key: str) -> LedgerEntry | None:
        """Return the entry of a document, None if it is not in the ledger."""
        named = f'"key":"{key}"'  # keys have no character that JSON would write otherwise
        near = self._copy.part_that_says(self._known, named)
        if near is not None and near.first < self.size and near == self.part_with(near.first):
            return _entry_in(near, named)
        found = (part for part in reversed(self.parts()) if _entry_in(part, named))
        part = next(found, None)
        return None if part is None else _entry_in(part, named)

    def inclusion(self, number: int, size: int) -> list[bytes]:
        """Return the path from an entry to the root of the first `size` entries."""
        return self._tree(number, size).inclusion(number, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return what shows that the first `new` entries continue the first `old`."""
        return self._tree(old, new).consistency(old, new)

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        return self._tree(size, size).root(size)

    # --- reading on ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what was added since; all of it where this host knows nothing.

        Raises:
            RollbackError: The store contradicts what was seen before.
            StoreError: The store did not answer; what was read stays.
        """
        with self._copy.alone():
            self._catch_up()
            self._fresh = True
            self.taken.shorten()
            self._copy.save(self.archive, self._known)

    def recall(self) -> None:
        """Take this host's copy as it is: what it has seen last. The store is not asked."""
        with self._copy.alone():
            self._adopt()

    def _adopt(self) -> None:
        """Go on from what another process of this host has read or added since."""
        if (changed := self._copy.changed(self.archive)) is not None:
            self._known, self._whole = changed, None
            if not self._copy.is_whole(changed):
                self._start_anew()

    def _catch_up(self) -> None:
        self._adopt()
        if self._known.last is not None:
            self._require_still_there(self._known.last)
        self._read_on()
        self._require_remembered()
        if self.size and self._known.checkpoint is None:
            self._known.checkpoint = find_checkpoint(self.archive, self.size, self.root)

    def _start_anew(self) -> None:
        if self._remembered is None or self._remembered.size <= self.size:
            self._remembered = self._known
        self._known, self._whole = Known(), None
        self._copy.forget_parts()

    def _require_still_there(self, last: PlacedPart) -> None:
        """Look whether the store still has the last part that was seen, and nothing before it."""
        found = part_versions(self.archive, layout.ledger_stem(last.first))
        versions = found.get(last.first, [])
        if [(one.key, one.version_id) for one in versions] == [(last.key, last.version_id)]:
            return
        contents = read_versions(self.archive, versions)
        counting = counting_part(self.archive, contents, self._known.before)
        if counting is None or counting.sha256 != last.sha256:
            raise _set_back(last)

    def _require_remembered(self) -> None:
        """Compare what was read anew with what this host knew before."""
        before = self._remembered
        if before is None or before.last is None:
            return
        if self.size < before.size or self._kept() is None or self._whole is None:
            raise _set_back(before.last)
        if self._whole.root(before.size) != before.root:
            raise _set_back(before.last)
        if before.taken.sightings_from is not None:
            self._known.taken.look_from(before.taken.sightings_from)
        self._remembered = None

    def _read_on(self) -> None:
        later: dict[int, Sequence[VersionEntry]] = {}
        size = -1
        while size < self.size:
            size, listed = self.size, self._listed()
            later.update(listed)
            self._take(listed)
            if size == self.size and self._is_continued(later):
                # A listing of many pages is of no one instant: look once more.
                self._take(part_versions(self.archive, layout.ledger_stem(self.size)))
                if size == self.size:
                    missing = layout.ledger_key(self.size)
                    said = Said(f"{missing} is missing, later parts exist", f"缺失 {missing}")
                    raise RollbackError(detail=said)

    def _listed(self) -> _Listed:
        if self.size == 0:
            return part_versions(self.archive, layout.LEDGER_PARTS)
        stem = layout.ledger_stem(self.size)
        following = part_versions(self.archive, stem)
        if self.size not in following:
            return {}
        return {**part_versions(self.archive, stem[:-BLOCK]), **following}

    def _take(self, listed: _Listed) -> None:
        """Take in the parts that continue the ledger, as far as they do."""
        firsts = sorted(first for first in listed if first >= self.size)
        shown = self.progress if len(firsts) >= SHOWN else None
        if shown is not None:
            shown.start("", len(firsts))
        try:
            with ThreadPoolExecutor(READERS, "ledger") as executor:
                for start in range(0, len(firsts), AHEAD):
                    portion = firsts[start : start + AHEAD]
                    versions = [one for first in portion for one in listed[first]]
                    contents = dict(zip(versions, executor.map(self._get, versions), strict=True))
                    for first in portion:
                        here = [(one, contents[one]) for one in listed[first]]
                        if first == self.size and not self._continued_by(here):
                            return
                        if first > self.size:
                            return
                        if shown is not None:
                            shown.advance()
                    if self._remembered is None:
                        self._copy.save(self.archive, self._known)
        finally:
            if shown is not None:
                shown.finish()

    def _get(self, version: VersionEntry) -> bytes:
        return document_bytes(self.archive.store, version)

    def _continued_by(self, contents: Sequence[tuple[VersionEntry, bytes]]) -> bool:
        part = counting_part(self.archive, contents, self._known.frontier)
        if part is not None:
            self._absorb(part)
        return part is not None

    def _is_continued(self, listed: _Listed) -> bool:
        """Return whether something of ours lies behind a place where nothing is."""
        beyond = (listed[first] for first in sorted(listed) if first > self.size)
        return any(self._is_ours(version) for versions in beyond for version in versions)

    def _is_ours(self, version: VersionEntry) -> bool:
        try:
            verify_part(self.archive, version, self._get(version))
        except TamperedError:
            return False
        return True

    def _absorb(self, stored: StoredPart) -> None:
        known, part = self._known, PlacedPart.of(stored)
        for entry in stored.entries:
            known.taken.add(entry)
        known.before, known.frontier = known.frontier, stored.tail.frontier_at(stored.size)
        known.size, known.last, known.checkpoint = stored.size, part, None
        self._copy.add(part, known)
        self._whole = None

    # --- adding --------------------------------------------------------------------------------

    def append(self, noted: Sequence[Noted]) -> StoredCheckpoint | None:
        """Add documents that are not in it yet, and sign the checkpoint behind them.

        A second call with the same adds nothing. Where others add at the same time, what they
        have entered is left out.

        Args:
            noted: In the order in which they are to stand.

        Returns:
            The checkpoint of the ledger as it is now; None if it is empty.

        Raises:
            KeyUnavailableError: This host has no signing key.
            RollbackError: The store contradicts what was seen before.
            AnotherRunError: Others take every place.
            StoreError: Nothing is known; calling again is safe.
        """
        for _ in range(ATTEMPTS):
            with self._copy.alone():
                if self._fresh:
                    self._adopt()
                else:
                    self._catch_up()
                self._fresh = False
                if self.size and self._known.checkpoint is None:
                    self._sign()  # what a dead run has left undone
                if self.taken.sightings_from is None and any(
                    one.kind == "sighting" for one in noted
                ):
                    self.recall_sightings()
                done = self._add(self.taken.without(noted))
                self._copy.save(self.archive, self._known)
            if done:
                return self.checkpoint()
        raise AnotherRunError(detail=Said("it adds to the ledger, too", "它也在写入账本"))

    def _add(self, noted: Sequence[Noted]) -> bool:
        """Add as much as goes until another writer takes a place; tell whether that is all."""
        for start in range(0, len(noted), LARGEST):
            portion = noted[start : start + LARGEST]
            first = self.size
            part = LedgerPart(
                archive=self.archive.id,
                created_at=self.archive.clock.now(),
                first=first,
                frontier=[node.hex() for node in self._known.frontier],
                entries=[one.numbered(first + place) for place, one in enumerate(portion)],
            )
            stored = put_part(self.archive, part, self._known.frontier)
            self._absorb(stored)
            if stored.document != part:
                return False
            self._sign()
            log.info("ledger has grown", extra={"size": self.size, "entries": len(portion)})
        return True

    def _sign(self) -> None:
        self._known.checkpoint = put_checkpoint(self.archive, self.size, self.root)

    def recall_sightings(self) -> None:
        """Remember all sightings there are in it, to find those that are not."""
        self.taken.recall(self.iterate())

    def look_from(self, day: date) -> None:
        """Remember that all sightings of days before `day` are in the ledger."""
        with self._copy.alone():
            self._adopt()
            self.taken.look_from(day)
            self._copy.save(self.archive, self._known)

    # --- whole ---------------------------------------------------------------------------------

    def _tree(self, first: int, size: int) -> Tail:
        """Return a tree that knows its leaves from `first` to `size`, at least."""
        if self._known.last is not None and self._known.last.first <= first:
            return self._known.tail
        if self._whole is None:
            near = self._copy.stretch(self._known, first, size)
            if near is not None:
                return near.tail
            self.parts()  # which sets it
        return self._whole or Tail(0, [], [])

    def _kept(self) -> list[PlacedPart] | None:
        """Return the parts in this host's copy, None if they are not those of the tree."""
        try:
            parts = list(self._copy.parts(self._known))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        leaves = [leaf_hash(text.encode()) for part in parts for text in part.entries]
        whole = Tail(0, [], leaves)
        if whole.size != self.size or whole.root() != self.root:
            return None
        self._whole = whole
        return parts

    def iterate(self) -> Iterator[LedgerEntry]:
        """Yield all entries, parsed."""
        for text in self.entries:
            yield LedgerEntry.model_validate_json(text)


def _entry_in(part: PlacedPart, named: str) -> LedgerEntry | None:
    found = (text for text in part.entries if named in text)
    text = next(found, None)
    return None if text is None else LedgerEntry.model_validate_json(text)


def _set_back(last: PlacedPart) -> RollbackError:
    return RollbackError(
        detail=Said(
            f"{last.key}, up to entry {last.size}, is no longer what counts in the store; this "
            "host has seen it",
            f"本机曾见过的 {last.key}（至第 {last.size} 条）在存储中已不复存在或不再有效",
        )
    )
