"""The orders of an answer as rows of a list. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from archiver.service.pages.shapes import Amount, At, amount, at

Shown = Mapping[str, Any]
"""An order as a role sees it (`archiver.lookup.shown`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One order in a list."""

    href: str
    order_id: str
    source: str
    product: str
    contact: str
    at: At | None
    """Its completion; while it is unfinished, its creation."""
    outcome: str
    paid: Amount | None


def lines(orders: Iterable[Shown], zone: ZoneInfo, href: Callable[[Shown], str]) -> Sequence[Line]:
    """Return the rows of orders, in their order."""
    return [_line(one, zone, href(one)) for one in orders]


def _line(order: Shown, zone: ZoneInfo, href: str) -> Line:
    money, buyer = order.get("money") or {}, order.get("buyer") or {}
    return Line(
        href=href,
        order_id=order["order_id"],
        source=order["source"],
        product=(order.get("product") or {}).get("name") or "",
        contact=buyer.get("contact") or buyer.get("account") or "",
        at=at(order.get("completed_at") or order.get("created_at"), zone),
        outcome=order["outcome"],
        paid=amount(money.get("paid"), money.get("currency")),
    )
