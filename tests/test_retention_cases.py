"""A million ends of orders: no lock ends before the law's period does.

What a night does is asked, not the rule alone: days by the legal zone's calendar, one date a
day, kept in microseconds. The oracle knows which local day each end lies on because it made it
there, and counts months and days with numpy's calendar.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from archiver.archive import Rules
from archiver.batch import day_number, day_of
from archiver.capture import Capture, MappedSource, Span
from archiver.known import KnownOrders
from archiver.ports import Window
from archiver.retention import LEGAL_ZONE, Rule, retain_until
from tests.archives import RULES, Silent
from tests.desk import Desk, founded, march
from tests.tally import RETENTION, tally

Ints = NDArray[np.int64]
CASES = 1_000_000
SCALAR_CASES = 500
"""Of each zone and class, asked of the rule itself in that zone."""
ZONES = (
    "Asia/Shanghai",
    "Asia/Urumqi",
    "UTC",
    "America/New_York",
    "America/St_Johns",  # half an hour
    "Australia/Lord_Howe",  # summer time of half an hour
    "Pacific/Apia",  # a day that never was: 2011-12-30
    "Pacific/Kiritimati",  # 14 hours ahead
)
CLASSES = ((3, 7), (3, 10), (5, 30), (10, 10))
"""Years and days of margin."""
FIRST, LAST = date(1992, 1, 1), date(2044, 12, 31)
"""Shanghai's clocks have stood still since 1992: the oracle's eight hours are the law's."""
SECOND = 1_000_000
EIGHT_HOURS, A_DAY = 8 * 3600 * SECOND, 86_400 * SECOND


@cache
def midnights(zone: str) -> Ints:
    """Return when each day begins in a zone, in microseconds, the day behind the last as well."""
    start, end = day_number(FIRST), day_number(LAST)
    local = ZoneInfo(zone)
    return np.array(
        [
            int(datetime.combine(day_of(n), time(), local).timestamp()) * SECOND
            for n in range(start, end + 2)
        ],
        np.int64,
    )


def ends(zone: str, count: int, chance: np.random.Generator) -> tuple[Ints, Ints]:
    """Return local days and instants on them: anywhere, and many at their very edges."""
    begin = midnights(zone)
    which = chance.integers(0, len(begin) - 1, count)
    length = begin[which + 1] - begin[which]
    which, length = which[length > 0], length[length > 0]  # not the day that never was
    anywhere = (chance.random(len(which)) * length).astype(np.int64)
    edges = np.stack([np.zeros_like(length), np.ones_like(length), length - 1])
    edge = edges[chance.integers(0, len(edges), len(which)), np.arange(len(which))]
    inside = np.where(chance.random(len(which)) < 0.5, anywhere, edge)
    return day_number(FIRST) + which, begin[which] + inside


def lawful_days(end_days: Ints, years: int) -> Ints:
    """Return the first free day of ends on given days: Civil Code 201-203 in numpy's calendar.

    The corresponding day of the month so many years later, or that month's last one where it
    does not exist; it counts whole, so the next day is free.
    """
    days = end_days.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day_of_month = (days - months.astype("datetime64[D]")).astype(np.int64)
    then = months + 12 * years
    length = ((then + 1).astype("datetime64[D]") - then.astype("datetime64[D]")).astype(np.int64)
    first_of_month = then.astype("datetime64[D]").astype(np.int64)
    free: Ints = first_of_month + np.minimum(day_of_month, length - 1) + 1
    return free


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return founded(tmp_path_factory.mktemp("archive"))


@pytest.mark.parametrize("zone", ZONES)
def test_no_lock_of_a_million_ends_before_the_law_says(desk: Desk, zone: str) -> None:
    chance = np.random.default_rng([2026, ZONES.index(zone)])
    for years, margin in CLASSES:
        local_days, instants = ends(zone, CASES // len(ZONES) // len(CLASSES) + 100, chance)
        rule = Rule(years=years, margin=timedelta(days=margin))

        _, free = capture_under(desk, rule)._retention(instants)

        legal_days = (instants + EIGHT_HOURS) // A_DAY
        lawful = lawful_days(legal_days, years) * A_DAY - EIGHT_HOURS
        assert (free >= lawful).all()
        assert (free - lawful == margin * A_DAY).all()
        tally(RETENTION, "a night's pass", len(instants))

        # The rule itself, where the law's calendar would be this zone's.
        local = ZoneInfo(zone)
        first_free = lawful_days(local_days, years)
        for at, lawful_day in zip(instants[:SCALAR_CASES], first_free.tolist(), strict=False):
            end = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at))
            until = retain_until(end, rule, local)
            midnight = datetime.combine(day_of(lawful_day + margin), time(), local)
            assert until == midnight.astimezone(UTC), (end, zone, years)
        tally(RETENTION, "the rule by another zone's calendar", SCALAR_CASES)


def capture_under(desk: Desk, rule: Rule) -> Capture:
    """Return a night's pass under a rule, before it has read anything."""
    rules = Rules(
        retention=rule,
        zone=LEGAL_ZONE,
        grace=RULES.grace,
        lookback=timedelta(days=7),
        max_bytes_per_night=RULES.max_bytes_per_night,
    )
    archive = desk.place.open(desk.store, desk.clock, rules)
    now = desk.clock.now()
    return Capture(
        archive=archive,
        mapped=MappedSource(source=desk.source, mapping=desk.source.mapping, session_zone="UTC"),
        known=KnownOrders.open(archive, desk.place.folder / "index" / "known"),
        span=Span(days=[march(4)], window=Window(start=now, end=now), earliest=march(1)),
        progress=Silent(),
    )
