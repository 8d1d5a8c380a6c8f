"""When an order may be destroyed: calendar arithmetic, nothing else (FORMAT.md 4).

Pure. Relies on `zoneinfo` for the legal zone; refuses periods below the law's minimum.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from archiver.errors import ConfigurationError, Said

LEGAL_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""The zone whose calendar the law counts in, wherever the shop or the archive is."""

MINIMUM_YEARS: Final = 3
"""E-Commerce Law Art. 31: not less than three years from completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long a record class is kept: `years` by the calendar, then `margin` on top."""

    years: int
    margin: timedelta

    def __post_init__(self) -> None:
        """Refuse what no record class may have.

        Raises:
            ConfigurationError: Fewer than zero years or a negative margin.
        """
        if self.years < 0 or self.margin < timedelta(0):
            raise ConfigurationError(
                detail=Said("a retention period cannot be negative", "保存期限不能为负")
            )


def require_lawful(rule: Rule, lookback: timedelta) -> None:
    """Refuse a rule for orders that the law or the capture does not allow.

    Raises:
        ConfigurationError: Fewer than three years (E-Commerce Law Art. 31), or a margin
            shorter than the look-back, which must cover end times known only by proxy.
    """
    if rule.years < MINIMUM_YEARS:
        raise ConfigurationError(
            detail=Said(
                f"[retention] years = {rule.years}; the E-Commerce Law (Art. 31) "
                f"demands at least {MINIMUM_YEARS}",
                f"[retention] years = {rule.years}；《电子商务法》第三十一条"
                f"要求至少 {MINIMUM_YEARS} 年",
            )
        )
    if rule.margin < lookback:
        raise ConfigurationError(
            detail=Said(
                f"[retention] margin_days = {rule.margin.days} is less than "
                f"lookback_days = {lookback.days}",
                f"[retention] margin_days = {rule.margin.days} 小于 "
                f"lookback_days = {lookback.days}",
            )
        )


def retain_until(completed_at: datetime, rule: Rule, zone: ZoneInfo = LEGAL_ZONE) -> datetime:
    """Return the first instant at which an order may be destroyed.

    The day of completion is not counted and the last day counts whole (Civil Code
    201-203), so an order completed on 2026-03-05 in Shanghai is free at 00:00 there
    on 2029-03-06, plus the rule's margin. 29 February ends on 28 February.

    Args:
        completed_at: When the transaction was completed, aware.
        rule: Years (calendar) and margin (days).
        zone: The zone whose calendar counts.

    Returns:
        UTC, whole seconds, never earlier than the law's end of the period.
    """
    if completed_at.tzinfo is None:
        message = "completed_at must be aware"
        raise ValueError(message)
    return _retain_until_day(completed_at.astimezone(zone).date(), rule, zone)


def _retain_until_day(end: date, rule: Rule, zone: ZoneInfo) -> datetime:
    year = end.year + rule.years
    last_day = min(end.day, calendar.monthrange(year, end.month)[1])
    free = date(year, end.month, last_day) + timedelta(days=1) + rule.margin
    return datetime(free.year, free.month, free.day, tzinfo=zone).astimezone(UTC)


def first_kept_day(last: date, rule: Rule) -> date:
    """Return the first day of which orders may still have to be kept once `last` is over.

    What ended before, by any zone's calendar, is free as soon as `last` is over in that zone.
    """
    year = last.year - rule.years
    same_day = min(last.day, calendar.monthrange(year, last.month)[1])
    return date(year, last.month, same_day) - rule.margin - timedelta(days=1)


def cohort_of(retain: datetime, record_class: str, zone: ZoneInfo = LEGAL_ZONE) -> str:
    """Return the cohort of what may be destroyed from `retain` on: `<class>-<YYYY-MM>`.

    A cohort is one month of ends of retention in one record class.
    """
    return f"{record_class}-{retain.astimezone(zone):%Y-%m}"


def cohort_end(cohort: str, zone: ZoneInfo = LEGAL_ZONE) -> datetime:
    """Return the instant until which a cohort's keys are locked.

    The first of the following month at 00:00 in `zone`: not before any of its partitions.
    """
    year, month = int(cohort[-7:-3]), int(cohort[-2:])
    following = date(year + month // 12, month % 12 + 1, 1)
    return datetime(following.year, following.month, 1, tzinfo=zone).astimezone(UTC)
