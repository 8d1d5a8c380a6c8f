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
from archiver.rows import Mask
from archiver.sightings.judging import Change, Finding, changes, finding_of, is_finished, named
from archiver.sightings.reading import Sighted, Sightings
from archiver.sightings.roll import Roll, call_roll
from schemas.documents import Sighting

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
    comparison = _Comparison(archive, mapped, known, days)
    for one in Sightings(archive).of(mapped.source.name, days):
        comparison.take(one)
    return comparison.result()


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
class _Open:
    """An entry that cannot be told without asking the source."""

    entry: np.void
    document: Sighting
    key: str
    known: bool
    """Some revision of the order is sealed."""

    @property
    def token(self) -> bytes:
        """Of the order."""
        token: bytes = self.entry["token"].tobytes()
        return token


@dataclass(slots=True)
class _Comparison:
    """One comparison of one source."""

    archive: Archive
    mapped: MappedSource
    known: KnownOrders
    days: Mapping[date, datetime]
    _now: datetime = field(init=False)
    _count: Counter[str] = field(default_factory=Counter)
    _findings: list[Finding] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._now = self.archive.clock.now()

    def take(self, one: Sighted) -> None:
        """Take a sighting: nearly all of its orders are known as they were sighted."""
        entries = one.entries
        tokens = np.ascontiguousarray(entries["token"])
        match = self.known.match(tokens)
        settled = self.known.sealed_with(tokens, np.ascontiguousarray(entries["digest"])) != 0
        if not self._is_comparable(one.document):
            # Another mapping makes other digests: all that can be told is whether it is sealed.
            settled |= match.found
        early = settled & _sealed_early(one, match)
        self._count["sealed"] += int((settled & ~early).sum())
        for row in np.flatnonzero(early).tolist():
            found = _Open(entry=entries[row], document=one.document, key=one.key, known=True)
            self._findings.append(_finding(found, Change.BACK_DATED))
        for row in np.flatnonzero(~settled).tolist():
            # Copied: the sighting itself must go.
            entry, known = entries[row].copy(), bool(match.found[row])
            self._open.append(_Open(entry=entry, document=one.document, key=one.key, known=known))

    def result(self) -> Compared:
        """Ask the source about what is left, and return what became of everything."""
        if self._open:
            asked = np.frombuffer(b"".join(one.token for one in self._open), np.uint8)
            roll = call_roll(self.archive, self.mapped, asked.reshape(-1, 16))
            for one in sorted(self._open, key=lambda one: one.document.created_at):
                if wrong := self._judge(one, roll):
                    self._findings.append(_finding(one, *wrong))
        return Compared(**self._count, findings=_one_each(self._findings))

    def _judge(self, one: _Open, roll: Roll) -> Sequence[Change]:
        """Return what is wrong with an order that is not sealed as it was sighted."""
        if one.token in roll.ignored:
            return [Change.PARKED]
        if one.token in roll.unreadable or one.token in roll.several:
            # Several are sealed as rejects, and told: what was sighted must be among them.
            several = roll.several.get(one.token, ())
            still = any((row["digest"] == one.entry["digest"]).all() for row in several)
            return self._counted("progressed") if still else [Change.REJECTED]
        found = roll.orders.get(one.token)
        if found is None:
            return self._counted("explained") if self._may_go(one) else [Change.GONE]
        if is_finished(found):
            comparable = self._is_comparable(one.document)
            wrong = changes(one.entry, found, comparable=comparable)
        else:
            wrong = [] if one.known else [Change.UNFINISHED]
        return wrong or self._fine(one)

    def _fine(self, one: _Open) -> Sequence[Change]:
        """Count an order with which nothing is wrong, unless it should have been sealed by now."""
        if one.known:
            return self._counted("progressed")
        return [Change.UNSEALED] if self._is_due(one.document) else self._counted("waiting")

    def _counted(self, name: str) -> Sequence[Change]:
        self._count[name] += 1
        return ()

    def _is_comparable(self, document: Sighting) -> bool:
        return document.mapping_digest == self.mapped.mapping.digest

    def _may_go(self, one: _Open) -> bool:
        """Return whether the source is allowed to have let an order go."""
        ended = np.array([one.entry["ended"]], np.int64)
        local = local_days(ended, self.archive.rules.zone)
        return bool(may_be_purged(self.mapped.purged, ended, local, self._now)[0])

    def _is_due(self, document: Sighting) -> bool:
        """Return whether what was sighted should have been sealed by now."""
        return self._now - max(self.days[document.day], document.created_at) >= PATIENCE


def _sealed_early(one: Sighted, match: Match) -> Mask:
    """Return which orders were sealed, after their sighting, with an earlier end.

    The end is no content where the change time stands for it, and the first one stands. What had
    been sealed before it was sighted has its end from then.
    """
    since = match.first_seen_at > microseconds(one.document.created_at)
    ended = match.completed_at
    early: Mask = since & (ended != 0) & (ended < one.entries["ended"])
    return early


def _finding(one: _Open, *wrong: Change) -> Finding:
    document = one.document
    return finding_of(one.entry, *wrong, day=document.day, at=document.created_at, key=one.key)
