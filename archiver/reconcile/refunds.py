"""Which refunds of a statement the shop knows of. Pure.

Providers know refunds by numbers, shops often by nothing but an amount. A refund is known if
the order has an after-sale with its number, else one of its amount that no other refund has
taken, else if all refunds together are what all after-sales together say. An order that ended
as refunded without any after-sale knows of refunds up to what was paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund of a statement, of one order."""

    line: int
    amount: Decimal
    numbers: tuple[str, ...]
    """The shop's and the provider's number of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSale:
    """What the order says of a refund."""

    amount: Decimal | None
    number: str | None


def unknown_refunds(
    refunds: Sequence[Refund],
    after_sales: Sequence[AfterSale],
    *,
    outcome: str,
    paid: Decimal | None,
) -> list[int]:
    """Return the lines of those refunds of one order that the order does not know of."""
    total = sum((refund.amount for refund in refunds), Decimal(0))
    if not after_sales:
        known = outcome == "refunded" and (paid is None or total <= paid)
        return [] if known else [refund.line for refund in refunds]
    amounts = [one.amount for one in after_sales]
    if None not in amounts and sum(a for a in amounts if a is not None) == total:
        return []
    left = list(after_sales)
    unknown = []
    for refund in sorted(refunds, key=lambda one: not _by_number(one, after_sales)):
        match = _by_number(refund, left) or _by_amount(refund, left)
        if match is None:
            unknown.append(refund.line)
        else:
            left.remove(match)
    return sorted(unknown)


def _by_number(refund: Refund, known: Sequence[AfterSale]) -> AfterSale | None:
    for one in known:
        if one.number in refund.numbers and one.amount in (None, refund.amount):
            return one
    return None


def _by_amount(refund: Refund, known: Sequence[AfterSale]) -> AfterSale | None:
    for one in known:
        if one.amount == refund.amount:
            return one
    # A shop that notes a refund without its amount knows of it all the same.
    return next((one for one in known if one.amount is None), None)
