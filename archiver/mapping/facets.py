"""What of a row must stay as it is once an order has ended, and what may lawfully go on.

A refund comes after the end, a ticket is opened, a status moves; who bought what for how much,
and what was delivered, does not change any more. Whoever compares an order with what it was
earlier must tell the two apart: so a row's own columns (never look-ups, never the change time) are
divided by what the mapping makes of them. `sale` is order id, seller, buyer, product, money,
payments and when it was created and paid; `goods` is what was delivered and when. Everything else
(state, end and closing, after-sales, events, leftovers) may go on.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from archiver.mapping.model import OrderMapping
from archiver.mapping.parts import Entry, Leaf, Texts, TimeName, columns_of

Facet: TypeAlias = Literal["sale", "goods"]
FACETS: Final[tuple[Facet, ...]] = ("sale", "goods")
CHILD_FACET: Final[Mapping[str, Facet]] = {"payments": "sale", "deliveries": "goods"}
"""Of which facet the rows of a child table are."""


def facet_columns(mapping: OrderMapping) -> Mapping[Facet, Texts]:
    """Return the own columns of each facet, sorted; a column may be in both."""
    sale = {mapping.order_id, *(lookup.on for lookup in mapping.lookups)}
    sale |= {child.on for child in mapping.children if child.on}
    sale |= _times(mapping, "created", "paid") | _of(mapping.fields.values())
    sale |= _of_entries(mapping.payments)
    goods = _times(mapping, "delivered") | _of_entries(mapping.deliveries)
    goods |= {form.column for form in mapping.forms}
    goods |= {condition.column for form in mapping.forms for condition in form.when}
    kept = set(mapping.digest_columns) - {mapping.status.column}
    return {"sale": tuple(sorted(sale & kept)), "goods": tuple(sorted(goods & kept))}


def _times(mapping: OrderMapping, *names: TimeName) -> set[str]:
    return {mapping.times[name].column for name in names if name in mapping.times}


def _of(leaves: Iterable[Leaf]) -> set[str]:
    return {name for leaf in leaves for name in columns_of(leaf)}


def _of_entries(entries: Iterable[Entry]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        found |= _of(entry.columns.values()) | {condition.column for condition in entry.when}
    return found
