"""The retention date against an oracle that counts days instead of computing them."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ConfigurationError
from archiver.retention import (
    Rule,
    cohort_end,
    cohort_of,
    first_kept_day,
    require_lawful,
    retain_until,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NO_MARGIN = Rule(years=3, margin=timedelta(0))
RULE = Rule(years=3, margin=timedelta(days=10))
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def in_shanghai(year: int, month: int, day: int, clock: time = time(0)) -> datetime:
    return datetime.combine(date(year, month, day), clock, SHANGHAI)


def free_day(end: date, years: int) -> date:
    """Civil Code 200-203 by hand: walk day by day to the corresponding day, then one more.

    Walking, the calendar itself says whether the corresponding day exists; the last day of
    the month that was reached before it does not is the last day of the period.
    """
    here = end
    while here.year < end.year + years or here.month < end.month:
        here += DAY
    while here.day < end.day and (here + DAY).month == end.month:
        here += DAY
    return here + DAY


def test_every_day_of_four_years_ends_on_its_corresponding_day() -> None:
    first = date(2024, 1, 1)
    for number in range(1461):
        end = first + number * DAY
        at_noon = datetime.combine(end, time(12), SHANGHAI)
        free = datetime.combine(free_day(end, 3), time(0), SHANGHAI)
        assert retain_until(at_noon, NO_MARGIN) == free, end
        assert retain_until(at_noon, RULE) == free + 10 * DAY, end


@given(
    st.dates(date(2020, 1, 1), date(2060, 1, 1)),
    st.integers(3, 30),
    st.integers(0, 366),
    st.sampled_from(["Asia/Shanghai", "America/St_Johns", "Pacific/Kiritimati", "UTC"]),
)
def test_what_ended_before_the_first_kept_day_is_free_and_little_else_is(
    last: date, years: int, margin: int, zone: str
) -> None:
    rule, local = Rule(years=years, margin=timedelta(days=margin)), ZoneInfo(zone)
    over = datetime.combine(last + DAY, time(0), local)
    first = datetime.combine(first_kept_day(last, rule), time(0), local)
    assert retain_until(first - timedelta(microseconds=1), rule) <= over
    assert retain_until(first + 5 * DAY, rule) > over


def test_the_period_has_1096_days_or_1095_as_the_calendar_has_it() -> None:
    lengths = {
        retain_until(in_shanghai(2025, 1, 1) + number * DAY, NO_MARGIN)
        - (in_shanghai(2025, 1, 1) + number * DAY)
        for number in range(1461)
    }
    # To the end of the last day, so one more than three years' 1,095 or 1,096 days.
    assert lengths == {timedelta(days=1096), timedelta(days=1097)}


@pytest.mark.parametrize(
    ("end", "free"),
    [
        (in_shanghai(2026, 3, 5, time(13, 14)), in_shanghai(2029, 3, 6)),  # the docstring's example
        (in_shanghai(2024, 2, 28), in_shanghai(2027, 3, 1)),
        (in_shanghai(2024, 2, 29), in_shanghai(2027, 3, 1)),  # 29 February ends on the 28th
        (in_shanghai(2024, 3, 1), in_shanghai(2027, 3, 2)),
        (in_shanghai(2025, 2, 28), in_shanghai(2028, 2, 29)),  # 28 February 2028 counts whole
        (in_shanghai(2025, 12, 31), in_shanghai(2029, 1, 1)),
        (in_shanghai(2097, 2, 28), in_shanghai(2100, 3, 1)),  # 2100 is no leap year
    ],
)
def test_leap_days_and_the_ends_of_months_and_years(end: datetime, free: datetime) -> None:
    assert retain_until(end, NO_MARGIN) == free


def test_a_leap_day_kept_four_years_ends_on_a_leap_day() -> None:
    four = Rule(years=4, margin=timedelta(0))
    assert retain_until(in_shanghai(2024, 2, 29), four) == in_shanghai(2028, 3, 1)


@pytest.mark.parametrize(
    ("end", "free"),
    [
        # The last microsecond of a day in Shanghai, and the first of the next one.
        (in_shanghai(2026, 3, 5, time.max), in_shanghai(2029, 3, 6)),
        (in_shanghai(2026, 3, 6), in_shanghai(2029, 3, 7)),
        # The same two, told in UTC: Shanghai's midnight is 16:00 there.
        (datetime(2026, 3, 5, 15, 59, 59, 999_999, UTC), in_shanghai(2029, 3, 6)),
        (datetime(2026, 3, 5, 16, tzinfo=UTC), in_shanghai(2029, 3, 7)),
        # UTC's own midnight changes nothing.
        (datetime(2026, 3, 5, 23, 59, 59, 999_999, UTC), in_shanghai(2029, 3, 7)),
        (datetime(2026, 3, 6, tzinfo=UTC), in_shanghai(2029, 3, 7)),
        # A leap day in Shanghai that is still 28 February in UTC.
        (datetime(2024, 2, 28, 16, tzinfo=UTC), in_shanghai(2027, 3, 1)),
        # A year that has begun in Shanghai and not in UTC.
        (datetime(2025, 12, 31, 16, tzinfo=UTC), in_shanghai(2029, 1, 2)),
    ],
)
def test_the_legal_zone_says_which_day_it_was(end: datetime, free: datetime) -> None:
    assert retain_until(end, NO_MARGIN) == free


def test_the_zone_is_an_argument() -> None:
    end = datetime(2026, 3, 5, 23, tzinfo=UTC)
    new_york = ZoneInfo("America/New_York")
    assert retain_until(end, NO_MARGIN, new_york) == datetime(2029, 3, 6, tzinfo=new_york)
    assert retain_until(end, NO_MARGIN, new_york) == datetime(2029, 3, 6, 5, tzinfo=UTC)


def test_a_day_that_begins_in_daylight_saving_time_begins_at_its_own_midnight() -> None:
    # Shanghai had it from 1986 to 1991; 1988-06-06 00:00 there was 15:00 UTC the day before.
    assert retain_until(in_shanghai(1985, 6, 5, time(12)), NO_MARGIN) == datetime(
        1988, 6, 5, 15, tzinfo=UTC
    )


instants = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001  hypothesis wants bounds without a zone
    datetime(2090, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, SHANGHAI, ZoneInfo("America/New_York")]),
)
rules = st.builds(
    Rule, years=st.integers(3, 10), margin=st.integers(0, 60).map(lambda days: days * DAY)
)


@given(instants, rules)
def test_it_is_midnight_in_the_legal_zone_told_in_utc(end: datetime, rule: Rule) -> None:
    free = retain_until(end, rule)
    assert free.tzinfo is UTC
    assert free.astimezone(SHANGHAI).time() == time(0)


@given(instants, rules)
def test_it_is_never_before_the_law_s_end(end: datetime, rule: Rule) -> None:
    local = end.astimezone(SHANGHAI).date()
    lawful = datetime.combine(free_day(local, rule.years), time(0), SHANGHAI)
    assert retain_until(end, rule) - lawful == rule.margin


@given(st.tuples(instants, instants).map(sorted), rules)
def test_what_ended_later_is_never_free_earlier(pair: list[datetime], rule: Rule) -> None:
    assert retain_until(pair[0], rule) <= retain_until(pair[1], rule)


def test_a_naive_time_is_a_bug() -> None:
    with pytest.raises(ValueError, match="aware"):
        retain_until(datetime(2026, 3, 5), RULE)  # noqa: DTZ001


# --- rules ---------------------------------------------------------------------------------------


def test_three_years_with_a_margin_that_covers_the_look_back_are_lawful() -> None:
    require_lawful(RULE, WEEK)
    require_lawful(Rule(years=3, margin=WEEK), WEEK)
    require_lawful(Rule(years=10, margin=WEEK), WEEK)


@pytest.mark.parametrize("years", [0, 1, 2])
def test_fewer_than_three_years_are_refused(years: int) -> None:
    with pytest.raises(ConfigurationError, match=f"years = {years};.*Art. 31"):
        require_lawful(Rule(years=years, margin=timedelta(days=10)), WEEK)


def test_a_margin_below_the_look_back_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="margin_days = 6 is less than lookback_days = 7"):
        require_lawful(Rule(years=3, margin=timedelta(days=6)), WEEK)


@pytest.mark.parametrize(("years", "margin"), [(-1, timedelta(0)), (3, timedelta(days=-1))])
def test_a_negative_period_is_refused(years: int, margin: timedelta) -> None:
    with pytest.raises(ConfigurationError, match="negative"):
        Rule(years=years, margin=margin)


# --- cohorts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "cohort"),
    [
        (in_shanghai(2029, 3, 1), "orders-2029-03"),
        (in_shanghai(2029, 2, 28, time.max), "orders-2029-02"),
        (datetime(2029, 2, 28, 16, tzinfo=UTC), "orders-2029-03"),  # March in Shanghai
        (datetime(2029, 2, 28, 15, 59, 59, tzinfo=UTC), "orders-2029-02"),
        (datetime(2028, 12, 31, 16, tzinfo=UTC), "orders-2029-01"),
        (in_shanghai(2029, 12, 31), "orders-2029-12"),
    ],
)
def test_a_cohort_is_a_month_of_the_legal_zone(free: datetime, cohort: str) -> None:
    assert cohort_of(free, "orders") == cohort


@pytest.mark.parametrize(
    ("cohort", "end"),
    [
        ("orders-2029-03", in_shanghai(2029, 4, 1)),
        ("orders-2029-12", in_shanghai(2030, 1, 1)),
        ("orders-2028-02", in_shanghai(2028, 3, 1)),
        ("rejects-2029-11", in_shanghai(2029, 12, 1)),
    ],
)
def test_a_cohort_s_keys_are_locked_until_the_next_month_begins(cohort: str, end: datetime) -> None:
    assert cohort_end(cohort) == end


@given(instants, rules)
def test_keys_outlive_every_partition_by_a_month_at_most(end: datetime, rule: Rule) -> None:
    free = retain_until(end, rule)
    cohort = cohort_of(free, "orders")
    # The first of a month begins a cohort of its own, so keys end strictly later.
    assert timedelta(0) < cohort_end(cohort) - free <= timedelta(days=31)
    assert cohort_of(cohort_end(cohort) - timedelta(microseconds=1), "orders") == cohort
