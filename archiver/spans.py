"""Which days are sealed by which pass over a source, and how far each pass looks back.

Responsible for what is due and for passes that memory can hold. Asks the source how many rows
its days have, and reads nothing else.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from archiver import retention
from archiver.archive import Rules
from archiver.capture import Span
from archiver.errors import AnotherRunError, ConfigurationError, Said
from archiver.ports import Source, Window

ROWS_PER_PASS: Final = 100_000
"""Days of a catch-up are read together until about this many rows: each pass reads the
source's table once, and holds what it has read of every day that is not full."""


def plan_night(
    source: Source,
    rules: Rules,
    sealed: Collection[date],
    last: date,
    reserved: Collection[date] = (),
) -> Iterator[Span]:
    """Plan the passes of a night: missing days, oldest first.

    The first and the last pass look back: the last one from the newest day, the first one
    from the oldest that is due, as the night would have done that did not run then. What
    came late meanwhile is found however long no night ran, also when a catch-up breaks off.

    Args:
        source: Whose orders.
        rules: The archive's.
        sealed: The source's days that are sealed.
        last: The last day to seal.
        reserved: Days that a backfill is sealing just now: they are left to it.

    Raises:
        ConfigurationError: `since` says that sealed days are not this archive's.
        AnotherRunError: A backfill is about to seal the first day of all.
    """
    zone = rules.zone
    elsewhere = frozenset(reserved).difference(sealed)
    oldest = retention.first_kept_day(last, rules.retention)
    first, sizes = _first_day(source, rules, sealed, last, oldest)
    if not sealed:
        _require_unreserved(source.name, first, elsewhere)
    strays = not sealed and rules.since is None and min(sizes, default=oldest) < oldest
    if first > last or last in elsewhere:
        return
    missing = [d for d in days_from(first, last) if d not in sealed and d not in elsewhere]
    if not sizes and len(missing) > 1:
        # After an outage of months one pass over all of it would not fit into memory.
        reach = Window(start=midnight(missing[0], zone), end=midnight(missing[-1], zone, 1))
        sizes = source.days(reach)
    groups = list(groups_of(missing, sizes)) or [[last]]
    if groups[-1][-1] != last:
        # The newest day is sealed already, older ones are not: look back from it as well.
        groups.append([last])
    for days in groups:
        start, end = midnight(days[0], zone), midnight(days[-1], zone, 1)
        if days is groups[0]:
            start = min(start, midnight(days[0], zone, 1) - rules.lookback)
            if not sealed:
                # The source counts days by its own calendar, which may be two off.
                start = min(start, midnight(days[0], zone, -2))
            if strays:
                # What need not be kept any more is counted once, as expired. One stray date
                # of 1991 must not cost a manifest for each day since.
                start = datetime.min.replace(tzinfo=UTC)
        if days is groups[-1]:
            start = min(start, end - rules.lookback)
        yield Span(
            days=days,
            window=Window(start=start, end=end),
            earliest=rules.since or date.min,
            newest=days is groups[-1],
            expected=sum(sizes.get(day, 0) for day in days) if sizes else None,
            elsewhere=elsewhere,
        )


def _first_day(
    source: Source, rules: Rules, sealed: Collection[date], last: date, oldest: date
) -> tuple[date, Mapping[date, int]]:
    """Return the day on which a source begins; the sizes of its days where it had to be asked."""
    if sealed:
        _require_sealed_since(source.name, rules.since, min(sealed))
        return rules.since or min(sealed), {}
    if rules.since is not None:
        return rules.since, {}
    reach = Window(start=datetime.min.replace(tzinfo=UTC), end=midnight(last, rules.zone, 1))
    sizes = source.days(reach)
    return min((day for day in sizes if oldest <= day <= last), default=last), sizes


def midnight(day: date, zone: ZoneInfo, plus_days: int = 0) -> datetime:
    """Return the instant at which a day begins, or another one so many days away."""
    after = day + timedelta(days=plus_days)
    return datetime(after.year, after.month, after.day, tzinfo=zone)


def days_from(first: date, last: date) -> list[date]:
    """Return the days from the first to the last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def groups_of(
    missing: Sequence[date], sizes: Mapping[date, int], rows_per_pass: int | None = None
) -> Iterator[list[date]]:
    """Cut missing days into runs of consecutive days that one pass can hold."""
    most = rows_per_pass or ROWS_PER_PASS
    run: list[date] = []
    rows = 0
    for day in missing:
        size = sizes.get(day, 0)
        if run and (day - run[-1] > timedelta(days=1) or rows + size > most):
            yield run
            run, rows = [], 0
        run.append(day)
        rows += size
    if run:
        yield run


def _require_unreserved(source: str, first: date, reserved: Collection[date]) -> None:
    """Refuse to seal behind a beginning that may never come.

    What is sealed first is where a source begins: no night looks for days before that.
    """
    if first in reserved:
        raise AnotherRunError(
            detail=Said(
                f"a backfill is about to seal {first}, where source {source} begins",
                f"历史补封正在封存数据源 {source} 的首日 {first}",
            )
        )


def _require_sealed_since(source: str, since: date | None, first: date) -> None:
    """Refuse a `since` that was moved later: days would go missing and nobody would be told."""
    if since is not None and since > first:
        raise ConfigurationError(
            detail=Said(
                f"[archive] since = {since}, but source {source} is sealed from {first} on; "
                "it can be moved back only",
                f"[archive] since = {since}，但数据源 {source} 自 {first} 起已封存；只能向前移动",
            )
        )
