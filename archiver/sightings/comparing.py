"""Comparing what was sighted with what was sealed, each night, for the days sealed lately.

Responsible for naming every order that was sighted and is not what it was. Nearly all of them are
known with exactly the content that was sighted, which this host can tell by itself; only for the
others the source is asked, by a roll call. Remembers nothing: every night compares all days that
were sealed in the look-back, so that a night that died before it could tell leaves it to the next
one, on whatever host.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from archiver.archive import Archive, Rules
from archiver.batch import local_days
from archiver.capture import NAMED, MappedSource
from archiver.catalog import Catalog
from archiver.census import may_be_purged
from archiver.errors import ArchiverError, Said, SightedAlteredError, SightedGoneError
from archiver.known import KnownOrders, Match
from archiver.recognition import microseconds
from archiver.rows import Ints, Mask
from archiver.sightings.entries import Entries, joined
from archiver.sightings.judging import Change, Finding, changes, finding_of, is_finished, named
from archiver.sightings.reading import Sighted, Sightings
from archiver.sightings.roll import Roll, call_roll

PATIENCE: Final = timedelta(hours=36)
"""From the sealing of its day to the alarm that a sighted order is not sealed: the next night has
passed. Its end may have moved behind midnight, or it appeared while its night was running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What became of the orders that were sighted; each sighting of an order counts."""

    sealed: int = 0
    """Sealed exactly as they were sighted."""
    progressed: int = 0
    """Changed since as orders may."""
    waiting: int = 0
    """Not sealed yet, and no reason to worry."""
    explained: int = 0
    """Gone, as the source may let them go."""
    findings: Sequence[Finding] = ()


def days_sealed(catalog: Catalog, source: str) -> dict[date, datetime]:
    """Return the days of a source that are sealed, and when each was for the first time."""
    days: dict[date, datetime] = {}
    for manifest in (entry.document for entry in catalog.entries):
        if manifest.source == source:
            days.setdefault(manifest.day, manifest.created_at)
    return days


def sealed_lately(
    catalog: Catalog, source: str, rules: Rules, now: datetime
) -> dict[date, datetime]:
    """Return the days of a source that were sealed in the look-back, and when they were.

    By the time of their sealing, not by the calendar: what a night catches up with after an
    outage is compared, too.
    """
    since = now - rules.lookback
    return {day: at for day, at in days_sealed(catalog, source).items() if at >= since}


def compare(
    archive: Archive,
    mapped: MappedSource,
    known: KnownOrders,
    days: Mapping[date, datetime],
) -> Compared:
    """Compare the sightings of some days with what is known, and with the source.

    Args:
        archive: Opened to seal.
        mapped: The source.
        known: Everything that manifests name.
        days: When each was sealed; at least one.

    Raises:
        SourceUnavailableError: It is down, slow or died half-way; likewise what else
            `ports.Source.pages` raises.
        StoreError: The store did not answer.
    """
    found = Sightings(archive).of(mapped.source.name, days)
    if not found:
        return Compared()
    return _Comparison(archive, mapped, known, days, _Seen.of(found, mapped)).run()


def told(source: str, compared: Compared) -> Iterator[ArchiverError]:
    """Yield the alarms that a comparison comes to."""
    gone = [one for one in compared.findings if Change.GONE in one.changes]
    altered = [one for one in compared.findings if Change.GONE not in one.changes]
    if altered:
        orders = Said(
            _some(named(one, "en") for one in altered), _some(named(one, "zh") for one in altered)
        )
        yield SightedAlteredError(source=source, count=len(altered), orders=orders)
    if gone:
        days = Counter(one.day for one in gone)
        yield SightedGoneError(
            source=source,
            count=len(gone),
            days=_some(f"{day} ({count})" for day, count in sorted(days.items())),
            orders=_some(one.order for one in gone),
        )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (", …" if len(listed) > NAMED else "")


def _one_each(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return one finding for each order: an order may have been sighted more than once."""
    return list({one.token: one for one in reversed(findings)}.values())[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The entries of some sightings side by side."""

    entries: Entries
    documents: Sequence[Sighted]
    sighting: Ints
    """Which of the documents an entry is from."""
    comparable: Mask
    """Made by the mapping of today."""
    at: Ints
    """When it was sighted, in microseconds."""

    @classmethod
    def of(cls, found: Sequence[Sighted], mapped: MappedSource) -> "_Seen":
        entries = joined([one.entries for one in found])
        sighting = np.repeat(np.arange(len(found)), [len(one.entries) for one in found])
        same = [one.document.mapping_digest == mapped.mapping.digest for one in found]
        at = [microseconds(one.document.created_at) for one in found]
        return cls(
            entries=entries,
            documents=found,
            sighting=sighting,
            comparable=np.array(same)[sighting],
            at=np.array(at)[sighting],
        )


@dataclass(slots=True)
class _Comparison:
    """One comparison of one source."""

    archive: Archive
    mapped: MappedSource
    known: KnownOrders
    days: Mapping[date, datetime]
    seen: _Seen
    _now: datetime = field(init=False)
    _count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._now = self.archive.clock.now()

    def run(self) -> Compared:
        seen = self.seen
        tokens = np.ascontiguousarray(seen.entries["token"])
        match = self.known.match(tokens)
        same = self.known.sealed_with(tokens, np.ascontiguousarray(seen.entries["digest"])) != 0
        # Another mapping makes other digests: all that can be told is whether it is sealed.
        settled = same | (~seen.comparable & match.found)
        early = settled & self._sealed_early(match)
        findings = [self._finding(row, Change.BACK_DATED) for row in np.flatnonzero(early).tolist()]
        self._count["sealed"] = int((settled & ~early).sum())
        rest = np.flatnonzero(~settled)
        if len(rest):
            roll = call_roll(self.archive, self.mapped, tokens[rest])
            for row in rest.tolist():
                findings += self._judge(row, roll, known=bool(match.found[row]))
        return Compared(**self._count, findings=_one_each(findings))

    def _sealed_early(self, match: Match) -> Mask:
        """Return which orders were sealed, after their sighting, with an earlier end.

        The end is no content where the change time stands for it, and the first one stands. What
        had been sealed before it was sighted has its end from then.
        """
        since = match.first_seen_at > self.seen.at
        ended = match.completed_at
        early: Mask = since & (ended != 0) & (ended < self.seen.entries["ended"])
        return early

    def _judge(self, row: int, roll: Roll, *, known: bool) -> list[Finding]:
        """Return what is wrong with an order that is not sealed as it was sighted."""
        entry = self.seen.entries[row]
        token = entry["token"].tobytes()
        if token in roll.ignored:
            return [self._finding(row, Change.PARKED)]
        if token in roll.unreadable:
            return [self._finding(row, Change.REJECTED)]
        if several := roll.several.get(token):
            # As rejects they are sealed and told; what was sighted must be among them.
            still = any((one["digest"] == entry["digest"]).all() for one in several)
            self._count["progressed"] += still
            return [] if still else [self._finding(row, Change.REJECTED)]
        found = roll.orders.get(token)
        if found is None:
            return self._missing(row)
        wrong = []
        if is_finished(found):
            wrong = changes(entry, found, comparable=bool(self.seen.comparable[row]))
        elif not known:
            wrong = [Change.UNFINISHED]
        if not wrong and not known:
            if self._due(row):
                wrong = [Change.UNSEALED]
            else:
                self._count["waiting"] += 1
                return []
        if not wrong:
            self._count["progressed"] += 1
        return [self._finding(row, *wrong)] if wrong else []

    def _missing(self, row: int) -> list[Finding]:
        """Return a finding for an order that is gone, if the source may not let it go."""
        ended = np.array([self.seen.entries["ended"][row]], np.int64)
        local = local_days(ended, self.archive.rules.zone)
        if may_be_purged(self.mapped.purged, ended, local, self._now)[0]:
            self._count["explained"] += 1
            return []
        return [self._finding(row, Change.GONE)]

    def _due(self, row: int) -> bool:
        """Return whether an order should have been sealed by now."""
        sealed = self.days[self._document(row).document.day]
        sighted = self._document(row).document.created_at
        return self._now - max(sealed, sighted) >= PATIENCE

    def _finding(self, row: int, *wrong: Change) -> Finding:
        one = self._document(row)
        return finding_of(
            self.seen.entries[row],
            *wrong,
            day=one.document.day,
            at=one.document.created_at,
            key=one.key,
        )

    def _document(self, row: int) -> Sighted:
        return self.seen.documents[int(self.seen.sighting[row])]
