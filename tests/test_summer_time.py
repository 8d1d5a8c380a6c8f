"""Nights in zones whose clocks change: each order is sealed once, under its own local day.

New York skips an hour and repeats one; on Lord Howe it is half an hour, at the other end of the
year. The days by which orders are cut have 23, 25, 23.5 and 24.5 hours then.
"""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests import cards
from tests.archives import RULES
from tests.auditor import lawful_date
from tests.clock import FrozenClock
from tests.desk import founded, sealed_days, totals

CHANGES = (
    ("America/New_York", date(2026, 3, 8), 23.0),
    ("America/New_York", date(2026, 11, 1), 25.0),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("America/Havana", date(2026, 3, 8), 23.0),  # its day begins at 01:00
)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_a_day_on_which_clocks_change_is_sealed_whole_and_its_neighbours_as_well(
    tmp_path: Path, zone: str, day: date, hours: float
) -> None:
    local = ZoneInfo(zone)
    days = [day + n * DAY for n in (-1, 0, 1)]
    edges = [midnight(one, local) for one in (*days, days[-1] + DAY)]
    assert (edges[2] - edges[1]).total_seconds() == hours * 3600
    # Every half hour, and the first and the last microsecond of each day.
    tick = timedelta(microseconds=1)
    ends = {
        end
        for begin, close in itertools.pairwise(edges)
        for end in (begin, close - tick, *half_hours(begin, close))
    }
    rows = [cards.order(number, end) for number, end in enumerate(sorted(ends), 1)]
    clock = FrozenClock(edges[0])
    desk = founded(tmp_path, rows, clock=clock, rules=replace(RULES, zone=local, since=days[0]))

    for one, close in zip(days, edges[1:], strict=True):
        clock.instant = close + RULES.grace - tick
        assert one not in sealed_days(desk.night())  # its grace is not over
        clock.instant = close + RULES.grace
        report = desk.night()
        assert report.failures == []
        assert sealed_days(report) == [one]
        due = [row for row in rows if local_day(row, local) == one]
        assert totals(report)["orders"] == len(due)

    found = desk.audit()
    assert set(found.names.values()) == {1}
    assert len(found.orders) == len(rows)
    for named in found.of("orders"):
        assert {row["completed_at"].astimezone(local).date() for row in named.rows} == {named.day}
        # The law counts by Shanghai's calendar, wherever the shop is.
        ends_here = [row["completed_at"] for row in named.rows]
        assert datetime.fromisoformat(named.about["retain_until"]) == max(
            map(lawful_date, ends_here)
        )


@pytest.mark.parametrize(("zone", "day"), [change[:2] for change in CHANGES])
def test_a_catch_up_over_a_change_of_clocks_misses_no_day_and_seals_none_twice(
    tmp_path: Path, zone: str, day: date
) -> None:
    local = ZoneInfo(zone)
    first, last = day - 5 * DAY, day + 5 * DAY
    begin, close = midnight(first, local), midnight(last + DAY, local)
    rows = [cards.order(number, end) for number, end in enumerate(half_hours(begin, close)[::5], 1)]
    clock = FrozenClock(midnight(first + DAY, local) + RULES.grace)
    desk = founded(tmp_path, rows, clock=clock, rules=replace(RULES, zone=local, since=first))
    assert sealed_days(desk.night()) == [first]

    clock.instant = close + RULES.grace
    report = desk.night()

    assert report.failures == []
    assert sealed_days(report) == [first + n * DAY for n in range(1, 11)]
    for one in report.days:
        assert one.counts["orders"] == len([r for r in rows if local_day(r, local) == one.day])
    assert totals(desk.night()).get("orders", 0) == 0
    assert sum(named.about["rows"] for named in desk.audit().of("orders")) == len(rows)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins: where its midnight is skipped, at the first instant behind it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def half_hours(begin: datetime, end: datetime) -> list[datetime]:
    step = timedelta(minutes=30)
    return [begin + n * step for n in range((end - begin) // step)]


def local_day(row: cards.Row, zone: ZoneInfo) -> date:
    return datetime.fromisoformat(row["done_at"]).replace(tzinfo=UTC).astimezone(zone).date()
