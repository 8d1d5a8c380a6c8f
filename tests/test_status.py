"""A day that is not sealed by the configured hour of the archive's zone is overdue."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.status import due_day
from tests.archives import RULES

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SIX = time(6)


def shanghai(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=RULES.zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (shanghai(5, 5, 59), date(2026, 3, 3)),
        (shanghai(5, 6), date(2026, 3, 4)),
        (shanghai(5, 23, 59), date(2026, 3, 4)),
        (shanghai(6, 0, 1), date(2026, 3, 4)),
    ],
)
def test_yesterday_is_due_from_the_hour_on(now: datetime, due: date) -> None:
    assert due_day(RULES, now, SIX, LONG_AGO) == due


def test_the_hour_before_the_grace_has_ended_is_the_next_days() -> None:
    assert due_day(RULES, shanghai(5, 5), time(1), LONG_AGO) == date(2026, 3, 3)


def test_an_archive_owes_nothing_of_the_time_before_it_was_founded() -> None:
    founded = shanghai(5, 9)
    assert due_day(RULES, shanghai(5, 10), SIX, founded) == date.min
    assert due_day(RULES, shanghai(6, 6), SIX, founded) == date(2026, 3, 5)


@given(
    now=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  zone below
    sealed_by=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
)
def test_what_is_due_is_closed_and_never_older_than_two_days(
    now: datetime, sealed_by: time, zone: str
) -> None:
    rules, at = replace(RULES, zone=ZoneInfo(zone)), now.replace(tzinfo=UTC)
    due = due_day(rules, at, sealed_by, LONG_AGO)
    last = rules.last_closed_day(at)
    assert last - timedelta(days=2) <= due <= last
