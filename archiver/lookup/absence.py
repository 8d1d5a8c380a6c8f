"""Why nothing was found: never archived, not yet archived, or disposed of. Pure.

A "no" is an answer like any other, and as easily wrong: it says which days it covers, and it is
`never_archived` only where every day that was asked about is sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

Answer = Literal["found", "never_archived", "not_yet_archived", "disposed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDays:
    """What is sealed of one source, as far as the index has it."""

    source: str
    first: date
    last: date
    missing: Sequence[date]
    """Between the two, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What an answer rests on."""

    sources: Sequence[SourceDays]
    manifest: int
    """The last one that the index has."""
    last_closed: date
    """The last day that could be sealed by now."""
    stale: bool = False
    """The store has manifests that the index lacks."""

    @property
    def as_of(self) -> date | None:
        """The last day up to which something is archived of every source."""
        return min((one.last for one in self.sources), default=None)

    def unsealed(self, source: str | None, first: date | None, last: date | None) -> list[date]:
        """Return days that were asked about and are not sealed, oldest first.

        Args:
            source: The one that was asked about; None: all.
            first: The first day asked about; None: since the beginning.
            last: The last one; None: every closed day. An open day counts if it was named.
        """
        until = last or self.last_closed
        days: set[date] = set()
        for one in self.sources:
            if source not in (None, one.source):
                continue
            days.update(day for day in one.missing if (first or date.min) <= day <= until)
            begin = max(one.last + timedelta(days=1), first or date.min)
            # A far future is one open stretch: its first days say it all.
            stop = min(until, max(self.last_closed, begin) + timedelta(days=1))
            days.update(begin + timedelta(days=n) for n in range((stop - begin).days + 1))
        return sorted(days)


def coverage_of(
    days: Mapping[str, Sequence[tuple[date, date]]],
    *,
    manifest: int,
    last_closed: date,
    stale: bool = False,
) -> Coverage:
    """Return coverage from the sealed days of each source, given as unbroken stretches."""
    sources = []
    for source, stretches in sorted(days.items()):
        ordered = sorted(stretches)
        missing = [
            before + timedelta(days=n)
            for (_, before), (after, _) in pairwise(ordered)
            for n in range(1, (after - before).days)
        ]
        if ordered:
            first, last = ordered[0][0], ordered[-1][1]
            sources.append(SourceDays(source=source, first=first, last=last, missing=missing))
    return Coverage(sources=sources, manifest=manifest, last_closed=last_closed, stale=stale)


def absence(
    coverage: Coverage,
    *,
    disposed: bool,
    source: str | None,
    start: datetime | None,
    end: datetime | None,
    zone: ZoneInfo,
) -> tuple[Answer, list[date]]:
    """Return what a "no" means, and the days that could change it.

    Args:
        coverage: What is sealed.
        disposed: The index knew it, and its keys or its partition are gone after their time.
        source: Which one was asked about.
        start: From when on.
        end: Until when, exclusive.
        zone: The archive's.
    """
    first = start.astimezone(zone).date() if start else None
    last = (end - timedelta(microseconds=1)).astimezone(zone).date() if end else None
    unsealed = coverage.unsealed(source, first, last)
    if disposed:
        return "disposed", unsealed
    if unsealed or coverage.stale or not coverage.sources:
        return "not_yet_archived", unsealed
    return "never_archived", unsealed
