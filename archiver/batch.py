"""What capture hands to sealing, and the sums that both sides take of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

EPOCH: Final = date(1970, 1, 1)

Paid = Mapping[tuple[date, str, str], tuple[int, Decimal]]
"""Orders and amount paid by (day, channel, currency)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that become one partition."""

    kind: Literal["orders", "rejects"]
    source: str
    day: date
    rows: pa.Table
    """ORDER_V1 with card tokens and commitments still to fill in, or REJECT_V1."""
    known: pa.Table
    """KNOWN_V1, one row per row."""
    retain_until: datetime
    """Of the row that is kept longest."""
    cohort: str


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day that is `number` days after 1970-01-01."""
    return EPOCH + timedelta(days=number)


def paid_by_channel(orders: pa.Table, days: date | NDArray[np.int64]) -> Paid:
    """Return number and paid amount of orders by day, payment channel and currency.

    The channel is the method of an order's first payment, empty where there is none.

    Args:
        orders: ORDER_V1 rows.
        days: The day of all of them, or a day number for each.
    """
    numbers = np.full(len(orders), day_number(days)) if isinstance(days, date) else days
    payments = orders["payments"].combine_chunks()
    first = pc.list_flatten(pc.list_slice(payments, 0, 1, return_fixed_size_list=True))
    money = orders["money"].combine_chunks()
    # 18 digits hold one order; a sum of many needs more.
    paid = pc.fill_null(pc.struct_field(money, "paid"), Decimal("0.00"))
    grouped = (
        pa.table(
            {
                "day": pa.array(numbers),
                "channel": pc.fill_null(pc.struct_field(first, "method"), ""),
                "currency": pc.fill_null(pc.struct_field(money, "currency"), ""),
                "paid": paid.cast(pa.decimal128(38, 2)),
            }
        )
        .group_by(["day", "channel", "currency"])
        .aggregate([("paid", "count"), ("paid", "sum")])
    )
    return {
        (day_of(row["day"]), row["channel"], row["currency"]): (row["paid_count"], row["paid_sum"])
        for row in grouped.to_pylist()
    }


def added(sums: Iterable[Paid]) -> dict[tuple[date, str, str], tuple[int, Decimal]]:
    """Return the total of several sums."""
    total: dict[tuple[date, str, str], tuple[int, Decimal]] = {}
    for one in sums:
        for key, (count, amount) in one.items():
            before_count, before_amount = total.get(key, (0, Decimal("0.00")))
            total[key] = (before_count + count, before_amount + amount)
    return total
