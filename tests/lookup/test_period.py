from datetime import UTC, date, datetime, timedelta

from archiver.lookup.period import period_of
from archiver.retention import LEGAL_ZONE, Rule
from tests.lookup.orders import an_order

RULE = Rule(years=3, margin=timedelta(days=10))
LOCKED = datetime(2029, 3, 16, 16, tzinfo=UTC)


def test_the_arithmetic_is_shown_step_by_step() -> None:
    ended = datetime(2026, 3, 5, 12, tzinfo=LEGAL_ZONE)
    period = period_of(an_order(completed_at=ended), RULE, LOCKED)
    assert period.ended_on == date(2026, 3, 5)
    assert period.last_day == date(2029, 3, 5)
    assert period.margin_until == date(2029, 3, 15)
    assert period.free_at == datetime(2029, 3, 16, tzinfo=LEGAL_ZONE)
    assert period.locked_until == LOCKED


def test_a_leap_day_ends_on_the_last_of_february() -> None:
    ended = datetime(2028, 2, 29, 1, tzinfo=LEGAL_ZONE)
    assert period_of(an_order(completed_at=ended), RULE, LOCKED).last_day == date(2031, 2, 28)


def test_an_unfinished_order_has_a_lock_and_no_period() -> None:
    period = period_of(an_order(outcome="open", completed_at=None), RULE, LOCKED)
    assert period.free_at is None
    assert period.last_day is None
    assert period.locked_until == LOCKED
