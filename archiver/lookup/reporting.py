"""What a merchant sold in a quarter, for the tax office: sums and counts, and no buyer.

Asked of the latest revisions of orders that ended in the quarter. Refunds are what after-sales say
was given back; of an order that ended as refunded, and whose source records no amount, all that
was paid.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from archiver.errors import RequestError, Said
from archiver.index import Hit
from archiver.lookup.finding import Finder, Found
from archiver.lookup.opening import Row
from archiver.lookup.question import Fact, midnight
from archiver.lookup.scanning import ScanTooLargeError
from archiver.ports import Progress

MOST_ORDERS: Final = 1_000_000
LEAVES: Final = (
    *("source", "order_id", "revision", "outcome", "completed_at"),
    *("seller.merchant_id", "seller.name", "money.paid", "money.currency"),
    "after_sales.list.element.amount",
)
"""What is decrypted: nothing of a buyer is among it."""
AT_ONCE: Final = 8
"""Row groups."""
_QUARTER: Final = re.compile(r"([0-9]{4})[- ]?[Qq]([1-4])")
NOTHING: Final = Decimal(0)


@dataclass(slots=True)
class Sum:
    """Sums of one month and currency."""

    count: int = 0
    gross: Decimal = NOTHING
    refunds: Decimal = NOTHING
    refunded_orders: int = 0

    @property
    def net(self) -> Decimal:
        """What was kept."""
        return self.gross - self.refunds

    def add(self, order: Row) -> None:
        """Count an order."""
        paid = (order["money"] or {}).get("paid") or NOTHING
        amounts = [one["amount"] for one in order["after_sales"] or () if one["amount"]]
        back = sum(amounts, NOTHING)
        if order["outcome"] == "refunded" and not amounts:
            back = paid
        self.count += 1
        self.gross += paid
        self.refunds += back
        self.refunded_orders += bool(back)


@dataclass(slots=True)
class Sales:
    """What a merchant sold."""

    months: dict[tuple[str, str], Sum] = field(default_factory=dict)
    """By month (`2026-03`) and currency."""
    objects: list[str] = field(default_factory=list)

    @property
    def totals(self) -> Mapping[str, Sum]:
        """By currency."""
        found: dict[str, Sum] = {}
        for (_, currency), one in self.months.items():
            total = found.setdefault(currency, Sum())
            total.count += one.count
            total.gross += one.gross
            total.refunds += one.refunds
            total.refunded_orders += one.refunded_orders
        return found


def quarter(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants between which a quarter lies, `2026Q1` for instance.

    Raises:
        RequestError: It is none.
    """
    match = _QUARTER.fullmatch(text.strip())
    if match is None:
        raise RequestError(
            detail=Said("--quarter: a quarter such as 2026Q1", "--quarter：形如 2026Q1 的季度")
        )
    year, number = int(match[1]), int(match[2])
    start = midnight(date(max(year, 1), 3 * number - 2, 1), zone, "--quarter")
    end = date(year + number // 4, 3 * number % 12 + 1, 1)
    return start, midnight(end, zone, "--quarter")


def sales(
    finder: Finder,
    merchant: Fact,
    between: tuple[datetime, datetime],
    zone: ZoneInfo,
    progress: Progress,
) -> Sales:
    """Return what a merchant, by id or name, sold between two instants.

    Raises:
        ScanTooLargeError: It has more orders than one report takes.
    """
    (fact,), (start, end) = finder.sought([merchant]), between
    made, found = Sales(), Found()
    if fact is None:
        return made
    hits = finder.index.find([fact.criterion], since=start, until=end, limit=MOST_ORDERS + 1)
    if len(hits) > MOST_ORDERS:
        most = f"{MOST_ORDERS:,}"
        raise ScanTooLargeError(detail=Said(f"more than {most} orders", f"超过 {most} 笔订单"))
    hits = [hit for hit in hits if hit.completed_at is not None]
    progress.start("", len(hits))
    for part in _portions(hits):
        orders = [row for _, row in finder.read(found, part, LEAVES) if fact.confirms(row)]
        orders = [row for row in orders if start <= row["completed_at"] < end]
        for order in finder.latest_of(found, orders):
            month = f"{order['completed_at'].astimezone(zone):%Y-%m}"
            currency = (order["money"] or {}).get("currency") or ""
            made.months.setdefault((month, currency), Sum()).add(order)
        progress.advance(len(part))
    progress.finish()
    made.months = dict(sorted(made.months.items()))
    made.objects = found.objects
    return made


def _portions(hits: Sequence[Hit]) -> Iterator[list[Hit]]:
    """Yield all hits, those of one row group together, some row groups at once."""

    def group(hit: Hit) -> tuple[str, int]:
        return hit.partition.key, hit.row_group

    part: list[Hit] = []
    for number, (_, same) in enumerate(groupby(sorted(hits, key=group), key=group), 1):
        part += same
        if number % AT_ONCE == 0:
            yield part
            part = []
    if part:
        yield part


def sales_fields(made: Sales) -> dict[str, Any]:
    """Return it for a document."""

    def amounts(one: Sum) -> dict[str, Any]:
        return {
            "count": one.count,
            "gross": str(one.gross),
            "refunds": str(one.refunds),
            "net": str(one.net),
            "refunded_orders": one.refunded_orders,
        }

    return {
        "months": [
            {"month": month, "currency": currency, **amounts(one)}
            for (month, currency), one in made.months.items()
        ],
        "totals": [{"currency": currency, **amounts(one)} for currency, one in made.totals.items()],
    }
