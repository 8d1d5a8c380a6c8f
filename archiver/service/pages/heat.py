"""The calendar of a source's sealed days: a row for each month, darker where more was sealed. Pure.

One row is one month, not a week: it fits a telephone, and "which days of March are missing" is
what people ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from archiver.service.pages.words import Words
from archiver.status import SealedDay, SourceStatus

MONTHS: Final = 13
"""A year and the month in which it began."""
DAYS: Final = 31
SHADES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day; nothing for one that does not exist or is to come."""

    kind: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One row."""

    name: str
    cells: Sequence[Cell]
    orders: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The calendar."""

    source: str
    sealed: int
    months: Sequence[Month]
    """Newest first."""
    earlier: int
    """How many months lie before them."""


def heat(one: SourceStatus, last_closed: date, words: Words) -> Heat | None:
    """Return the calendar of a source; None while nothing of it is sealed or due."""
    known = [*one.sealed, *one.missing]
    if not known:
        return None
    months = _months(min(known), last_closed + timedelta(days=1))
    most = max((_weight(day) for day in one.sealed.values()), default=0)
    return Heat(
        source=one.source,
        sealed=len(one.sealed),
        months=[
            _month(first, one, most, last_closed, words) for first in months[: -MONTHS - 1 : -1]
        ],
        earlier=max(0, len(months) - MONTHS),
    )


def spans(days: Sequence[date]) -> Sequence[str]:
    """Return days, given oldest first, as unbroken stretches: `2026-03-04 – 2026-03-09`."""
    ends: list[list[date]] = []
    for day in days:
        if ends and day - ends[-1][1] == timedelta(days=1):
            ends[-1][1] = day
        else:
            ends.append([day, day])
    return [str(first) if first == last else f"{first} – {last}" for first, last in ends]


def _months(first: date, last: date) -> list[date]:
    months = [first.replace(day=1)]
    while (following := (months[-1] + timedelta(days=DAYS)).replace(day=1)) <= last:
        months.append(following)
    return months


def _month(first: date, one: SourceStatus, most: int, last_closed: date, words: Words) -> Month:
    days = [first + timedelta(days=n) for n in range(DAYS)]
    inside = [day for day in days if day.month == first.month]
    orders = sum(one.sealed[day].orders for day in inside if day in one.sealed)
    cells = [_cell(day, one, most, last_closed, words) for day in inside]
    cells += [Cell()] * (DAYS - len(cells))
    return Month(name=f"{first:%Y-%m}", cells=cells, orders=f"{orders:,}" if orders else "")


def _cell(day: date, one: SourceStatus, most: int, last_closed: date, words: Words) -> Cell:
    if (sealed := one.sealed.get(day)) is not None:
        weight = _weight(sealed)
        shade = min(SHADES, 1 + SHADES * weight // (most + 1)) if weight else 0
        return Cell(
            kind=f"h{shade}", said=words("status.cell", day=day, orders=f"{sealed.orders:,}")
        )
    if day in one.missing:
        return Cell(kind="gap", said=words("status.cell-missing", day=day))
    if day == last_closed + timedelta(days=1):
        return Cell(kind="now", said=words("status.cell-open", day=day))
    return Cell()


def _weight(day: SealedDay) -> int:
    return day.orders + day.revisions
