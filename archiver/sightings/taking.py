"""Taking a sighting: what has ended or changed since the last one, as digests in the store.

Responsible for looking at each such row once, whatever happens: where the last sighting ended is
read from the store, so that any host can go on; the windows of two sightings overlap, for rows
commit late and clocks differ; and what has been sighted with the same content is not stored
again. Dying on any line leaves sightings that stand, or none. Where nothing is new nothing is
stored. Rows that cannot be mapped are left to the night, which seals them as rejects.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archiver import layout, retention
from archiver.archive import Archive
from archiver.batch import day_number, day_of, local_days
from archiver.capture import MappedSource
from archiver.errors import SourceRetiredError
from archiver.mapping import CLOCK_SLACK, MappedPage
from archiver.ports import Progress, StoredObject, Window
from archiver.retired import read_retirements
from archiver.rows import Ints, Mask, instants_of, within
from archiver.sightings.entries import ENTRY, Entries, Observer, joined, versions
from archiver.sightings.reading import Sightings
from archiver.sightings.sealed import sealed
from archiver.spans import days_from, midnight
from schemas.documents import Sighting

OVERLAP: Final = timedelta(minutes=15)
"""Looked at again: a transaction shows its rows when it commits, with times of before, and the
shop's clock may be behind ours."""
ROWS: Final = 20_000
"""In one sighting: some 2 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One sighting that was stored."""

    day: date
    rows: int
    stored: StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look at one source came to."""

    source: str
    window: Window
    read: int
    """Finished orders that were looked at."""
    sightings: Sequence[Taken]

    @property
    def sighted(self) -> int:
        """How many of them were new, or had changed."""
        return sum(one.rows for one in self.sightings)


def sight(archive: Archive, mapped: MappedSource, progress: Progress) -> Sight:
    """Store what has ended or changed in a source since it was last sighted.

    Args:
        archive: Opened to seal.
        mapped: The source.
        progress: Shown the rows as they come.

    Raises:
        SourceRetiredError: Another source continues this one.
        SourceUnavailableError: It is down, slow or died half-way; what was stored stands.
        StoreError: The store did not take it; calling again is safe.
    """
    name = mapped.source.name
    _require_in_use(archive, name)
    taker = _Taker(archive, mapped)
    began = archive.clock.now()
    window = Window(start=taker.start(), end=began + CLOCK_SLACK)
    taken: list[Taken] = []
    read = 0
    for page in mapped.source.pages(window, window, exact=True):
        progress.advance(len(page.rows))
        found = mapped.map_page(page, archive.id, began, facets=True)
        chosen, days = taker.chosen(found, window)
        read += int(chosen.sum())
        entries = taker.observer.entries(found)[chosen]
        for number in np.unique(days[chosen]).tolist():
            taken += taker.store(day_of(number), entries[days[chosen] == number], window.start)
    taken += taker.finish(window.start, began)
    return Sight(source=name, window=window, read=read, sightings=taken)


def _require_in_use(archive: Archive, source: str) -> None:
    if retirement := read_retirements(archive).get(source):
        raise SourceRetiredError(
            source=source, successor=retirement.successor, day=retirement.created_at.date()
        )


@dataclass(slots=True)
class _Taker:
    """Chooses rows and stores them."""

    archive: Archive
    mapped: MappedSource
    observer: Observer = field(init=False)
    waiting: dict[date, Entries] = field(default_factory=dict)
    """Entries by the day under which they are filed, fewer than a sighting takes."""
    _first: date = field(init=False)
    """The first day that is not closed yet: what was done by then is, or will be, sealed."""
    _last: date = field(init=False)
    """Tomorrow: an end may lie some hours ahead of us."""
    _before: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """What was sighted under these days or the one before, and need not be again; sorted."""

    def __post_init__(self) -> None:
        """Look at the clock, and derive keys."""
        rules, now = self.archive.rules, self.archive.clock.now()
        name = self.mapped.source.name
        self.observer = Observer.of(name, self.archive.night_keys().token_key)
        self._first = rules.last_closed_day(now) + timedelta(days=1)
        self._last = now.astimezone(rules.zone).date() + timedelta(days=1)

    def start(self) -> datetime:
        """Return from when on a sighting has to look."""
        now = self.archive.clock.now()
        # Also the day before: it was sighted until it closed, and the next look begins there.
        days = days_from(self._first - timedelta(days=1), self._last)
        last, seen = None, [self._before]
        for one in Sightings(self.archive).of(self.mapped.source.name, days):
            seen.append(versions(one.entries))
            last = max(last or one.document.until, one.document.until)
        self._before = np.unique(np.concatenate(seen))
        # A clock that was ahead must not leave a gap.
        found = None if last is None else min(last, now) - OVERLAP
        return (found or midnight(self._first, self.archive.rules.zone)).astimezone(UTC)

    def chosen(self, page: MappedPage, window: Window) -> tuple[Mask, Ints]:
        """Return which orders of a page are looked at, and under which day each is filed.

        That of its end, or the first one that is not closed yet: when that is sealed the archive
        must have the order as it is now.
        """
        rules, orders = self.archive.rules, page.orders
        inside = within(orders["completed_at"], window) | within(page.changed_at, window)
        ended = local_days(instants_of(orders["completed_at"], 0), rules.zone)
        floor = retention.first_kept_day(self._first, rules.retention)
        inside &= ended >= day_number(max(floor, rules.since or floor))
        return inside, ended.clip(day_number(self._first), day_number(self._last))

    def store(self, day: date, entries: Entries, since: datetime) -> list[Taken]:
        """Take what was not sighted before; store as much as fills sightings."""
        fresh = entries[~np.isin(versions(entries), self._before)]
        self.waiting[day] = joined([self.waiting.get(day, np.zeros(0, ENTRY)), fresh])
        taken = []
        while len(self.waiting[day]) >= ROWS:
            # Only the last one says that all was seen: the process may die before it.
            taken.append(self._put(day, self.waiting[day][:ROWS], since, since))
            self.waiting[day] = self.waiting[day][ROWS:]
        return taken

    def finish(self, since: datetime, until: datetime) -> list[Taken]:
        """Store what is left; the last sighting says until when everything was looked at."""
        left = [(day, self.waiting[day]) for day in sorted(self.waiting) if len(self.waiting[day])]
        self.waiting.clear()
        return [
            self._put(day, entries, since, until if place == len(left) else since)
            for place, (day, entries) in enumerate(left, 1)
        ]

    def _put(self, day: date, entries: Entries, since: datetime, until: datetime) -> Taken:
        archive, name = self.archive, self.mapped.source.name
        key = layout.sighting_key(name, day, os.urandom(16).hex())
        document = Sighting(
            archive=archive.id,
            source=name,
            day=day,
            created_at=archive.clock.now(),
            since=since,
            until=until,
            mapping_digest=self.mapped.mapping.digest,
            rows=len(entries),
            sealed=sealed(archive.night_keys().token_key, key, entries),
        )
        stored, _ = archive.put_document(
            key, document, "sighting", retain_until=archive.evidence_until()
        )
        return Taken(day=day, rows=len(entries), stored=stored)
