"""Where an order stands, as whoever answers a buyer asks it: four heaps that may overlap. Pure.

`outcome` says how the shop ended an order; a standing says what there is to do about it. An order
that is completed for the shop and was never delivered stands under `undelivered`.
"""

from collections.abc import Mapping
from typing import Any, Final

from archiver.lookup.diagnosis import diagnose

STANDINGS: Final = ("completed", "undelivered", "after-sales", "odd")
"""已完成, 已付未发, 退款售后, 异常."""
LEAVES: Final = (
    *("outcome", "quantity", "paid_at", "paid_basis", "delivered_at", "delivered_basis"),
    *("money.total", "money.paid", "payments.list.element.method"),
    *(f"deliveries.list.element.{name}" for name in ("kind", "placeholder", "reusable")),
    *(f"after_sales.list.element.{name}" for name in ("amount", "paid_at")),
)
"""What it takes to tell."""
_OWED: Final = frozenset({"paid-not-received", "placeholder"})
"""Oddities in which the buyer has paid and has nothing."""


def standings(order: Mapping[str, Any]) -> frozenset[str]:
    """Return where an order stands: some of `STANDINGS`.

    An order in which anything is odd stands under `odd` as well, except where the only oddity is
    that it is open: that is what `undelivered` says.

    Args:
        order: A row of ORDER_V1, at least `LEAVES`.
    """
    outcome = order["outcome"]
    odd = {finding.code for finding in diagnose(order)}
    found = set()
    if outcome == "open" or odd & _OWED:
        found.add("undelivered")
    elif outcome == "completed":
        found.add("completed")
    if outcome == "refunded" or order["after_sales"]:
        found.add("after-sales")
    if outcome == "failed" or (odd if outcome != "open" else odd - _OWED):
        found.add("odd")
    return frozenset(found)
