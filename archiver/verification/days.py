"""Days that should be sealed and are not: because nobody has yet, or because somebody took them.

Pure. A hole between sealed days may be honest (a backfill at work on years past, a source that
failed); it is an alarm where something is known to have been there: a manifest that this host or
the ledger has seen, or a number in the chain that is gone and that left data objects of the day.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from archiver import layout
from archiver.verification.chain import Chain
from archiver.verification.findings import Finding, Touched, found

_SHOWN: Final = 5


def missing_days(
    chain: Chain,
    unnamed: Collection[str],
    due: Mapping[str, date] | None,
    *,
    last: date | None,
    known_days: Mapping[int, date | None],
) -> Iterator[Finding]:
    """Yield what is missing, by source.

    Args:
        chain: The manifests.
        unnamed: Keys of data objects that no manifest names.
        due: The configured sources, each with the day from which on it must be sealed
            (`date.max`: from its first sealed one); None where nobody knows.
        last: The last closed day; None in a copy, which is of some time.
        known_days: Days of manifests by number, as the ledger has them.
    """
    sealed: dict[str, set[date]] = {}
    for paper in chain.papers:
        sealed.setdefault(paper.document.source, set()).add(paper.document.day)
    taken = _taken(chain, sealed, unnamed)
    for source, days in sorted(taken.items()):
        orders = sum(
            one.counts.orders + one.counts.revisions
            for one in chain.lost.values()
            if one.source == source and one.day in days
        )
        touched = Touched(days=tuple(sorted(days)), orders=orders)
        yield found("missing-day", touched=touched, source=source, days=_told(touched.days))
    told = {day for days in taken.values() for day in days}
    gone = [n for n in known_days if n in chain.missing or n > chain.last]
    others = {day for n in gone if n not in chain.lost and (day := known_days[n])} - told
    if others:
        touched = Touched(days=tuple(sorted(others)))
        yield found("missing-day", touched=touched, source="*", days=_told(touched.days))
    for source in sorted({*sealed, *(due or {})}):
        days = sealed.get(source, set())
        since = (due or {}).get(source, date.max)
        first = min([*days, *([since] if since != date.max else [])], default=None)
        end = last if last is not None and due is not None and source in due else None
        if first is None:
            continue
        newest = max([*days, *([end] if end else [])], default=first)
        every = (first + timedelta(days=n) for n in range((newest - first).days + 1))
        open_ones = [day for day in every if day not in days and day not in told | others]
        if open_ones:
            touched = Touched(days=tuple(open_ones))
            yield found("day-not-sealed", touched=touched, source=source, days=_told(open_ones))


def _taken(
    chain: Chain, sealed: Mapping[str, Collection[date]], unnamed: Collection[str]
) -> dict[str, set[date]]:
    """Return the days, by source, of which something is known to have been sealed."""
    taken: dict[str, set[date]] = {}
    for one in chain.lost.values():
        if one.day not in sealed.get(one.source, ()):
            taken.setdefault(one.source, set()).add(one.day)
    if [number for number in chain.missing if number not in chain.lost]:
        for key in unnamed:
            place = layout.data_place(key)
            if place and place.day not in sealed.get(place.source, ()):
                taken.setdefault(place.source, set()).add(place.day)
    return taken


def _told(days: Sequence[date]) -> str:
    named = ", ".join(str(day) for day in days[:_SHOWN])
    return f"{named}, …" if len(days) > _SHOWN else named
