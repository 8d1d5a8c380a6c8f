"""Which days of years past are sealed by which pass of a backfill.

Responsible for passes that are made at the same time and do not meet, and for what of a range
costs no manifests. Asks the source how many rows its days have, and reads nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from archiver import retention, spans
from archiver.archive import Rules
from archiver.capture import Span
from archiver.ports import Source, Window
from archiver.spans import days_from, groups_of, midnight

BACKFILL_ROWS_PER_PASS: Final = 300_000
"""A shop whose end times have no index is scanned by each pass: of years, few passes are made.
Some 200 MB wait in a worker."""
PASSES_PER_WORKER: Final = 2
"""One would leave workers without work at the end. Each further one is a scan of the whole table:
with four, an eighth of what two workers took for 900,000 orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a backfill has to do for one source."""

    spans: Sequence[Span] = ()
    sealed_before: int = 0
    """Days of the range that have a manifest already."""
    expired: Span | None = None
    """Where nothing of the range need be kept any more: rows to count, none to seal."""
    older: Mapping[date, int] = field(default_factory=dict)
    """Days before the range whose orders must be kept and which no night would seal."""


def plan_backfill(
    source: Source,
    rules: Rules,
    sealed: Collection[date],
    asked: tuple[date, date],
    *,
    closed: date,
    workers: int,
) -> History:
    """Plan the passes of a backfill, which are made at the same time, unaware of each other.

    An order belongs to the pass of the day on which it ended; what ended on a day that is still
    to be sealed, by another pass or a later run, is left to that. A pass behind a sealed day looks
    back, as the night would have done that did not run then. Days that lie before everything that
    is sealed begin with the source's first order, and what need not be kept any more is counted
    by the first pass, so that neither costs a manifest for each day.

    Args:
        source: Whose orders.
        rules: The archive's.
        sealed: The source's days that are sealed.
        asked: The first and the last day, both closed and not before `since`.
        closed: The last closed day.
        workers: How many there are to share the passes.
    """
    first, last = asked
    zone = rules.zone
    oldest = retention.first_kept_day(closed, rules.retention)
    before = sum(day in sealed for day in days_from(first, last))
    if last < oldest:
        reach = Window(start=midnight(first, zone), end=midnight(last, zone, 1))
        return History(
            sealed_before=before,
            expired=Span(days=[last], window=reach, earliest=rules.since or date.min),
        )
    begin = max(first, oldest)
    new_ground = rules.since is None and begin < min(sealed, default=date.max)
    if not new_ground and all(day in sealed for day in days_from(begin, last)):
        return History(sealed_before=before)
    start = datetime.min.replace(tzinfo=UTC) if new_ground else midnight(first, zone, -2)
    sizes = source.days(Window(start=start, end=midnight(last, zone, 1)))
    older: dict[date, int] = {}
    if new_ground:
        # The source counts days by its own calendar, which may be two off.
        older = {d: n for d, n in sizes.items() if oldest <= d < begin - timedelta(days=2)}
        begin = min((d for d in sizes if begin <= d <= last), default=last + timedelta(days=1))
    missing = [day for day in days_from(begin, last) if day not in sealed]
    due = days_from(min([begin, rules.since or begin, *sealed]), closed)
    strays = first < oldest and any(first <= day < oldest for day in sizes)
    planned = []
    share = sum(sizes.get(day, 0) for day in missing) // (PASSES_PER_WORKER * workers)
    rows = max(spans.ROWS_PER_PASS, min(BACKFILL_ROWS_PER_PASS, share))
    for days in groups_of(missing, sizes, rows):
        start, end = midnight(days[0], zone), midnight(days[-1], zone, 1)
        if days[0] - timedelta(days=1) in sealed:
            start = min(start, midnight(days[0], zone, 1) - rules.lookback)
        if days[0] == missing[0]:
            if new_ground and not older:
                start = min(start, midnight(days[0], zone, -2))
            if strays:
                start = min(start, midnight(first, zone))
        span = Span(
            days=days,
            window=Window(start=start, end=end),
            earliest=rules.since or (begin if older else date.min),
            expected=sum(sizes.get(day, 0) for day in days),
            elsewhere=frozenset(d for d in due if d < days[0] and d not in sealed),
        )
        planned.append(span)
    return History(spans=planned, sealed_before=before, older=older)
