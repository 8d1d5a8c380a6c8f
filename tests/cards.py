"""A little card shop: rows that a test writes by hand, and what they mean.

`OWN` has an end time of its own; in `PROXY` the change time stands for it, as in dujiaoka.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from archiver.mapping import OrderMapping, parse_mapping

Row = dict[str, Any]

_MAPPING: Final = """
name = "cards"
version = 1
key = "id"
order_id = "no"
changed_at = "updated"
query = "SELECT * FROM orders"

[status]
column = "state"
completed = ["done"]
refunded = ["refunded"]
failed = ["failed"]
open = ["paid"]
ignored = ["unpaid"]

[times]
{times}
updated = {{ column = "touched_at", zone = "UTC" }}

[completion]
{completion}

[fields]
"buyer.contact" = "contact"
"product.category" = "category"
"money.paid" = "paid"
"money.currency" = "currency"

[[payments]]
when = [{{ column = "channel", present = true }}]
columns = {{ method = "channel", amount = "paid" }}

[[deliveries]]
split_lines = true
columns = {{ kind = {{ const = "card" }}, secret = "secret" }}

[[lookups]]
query = "SELECT id, name FROM categories"
key = "id"
on = "category_id"
columns = {{ category = "name" }}

[[children]]
field = "events"
query = "SELECT order_id, kind, at FROM events"
key = "order_id"
columns = {{ kind = "kind", at = {{ column = "at", zone = "UTC" }} }}
"""

OWN: Final[OrderMapping] = parse_mapping(
    _MAPPING.format(
        times="""
completed = { column = "done_at", zone = "UTC" }
closed = { column = "closed_at", zone = "UTC" }""",
        completion='latest_of = ["completed", "closed"]\notherwise = "updated"',
    )
)
BORN: Final[OrderMapping] = parse_mapping(
    _MAPPING.format(
        times="""
created = { column = "begun_at", zone = "UTC" }
completed = { column = "done_at", zone = "UTC" }
closed = { column = "closed_at", zone = "UTC" }""",
        completion='latest_of = ["completed", "closed"]',
    )
)
"""As `OWN`, and the shop knows when an order was created."""
PROXY: Final[OrderMapping] = parse_mapping(
    _MAPPING.format(times="", completion='latest_of = ["updated"]')
)


def text(instant: datetime) -> str:
    """Return an instant as the shop writes it."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def order(number: int, ended: datetime, **columns: object) -> Row:
    """Return a finished order's row; `columns` change what they name.

    Args:
        number: Its key, from which everything else is made.
        ended: When it ended and was last touched.
        columns: Other columns; instants become text.
    """
    row: Row = {
        "id": number,
        "no": f"N{number}",
        "state": "done",
        "done_at": ended,
        "closed_at": None,
        "touched_at": columns.get("done_at", ended),
        "contact": f"buyer-{number}@example.com",
        "category_id": 1,
        "category": "点卡",
        "paid": f"{number % 90 + 10}.50",
        "currency": "CNY",
        "channel": ("alipay", "wechat", None)[number % 3],
        "secret": f"CARD-{number:06d}-A\nCARD-{number:06d}-B" if number % 2 else None,
    }
    return shown(row | columns)


def touch(row: Mapping[str, Any], at: datetime, **columns: object) -> Row:
    """Return a row after somebody saved it again, with other `columns` perhaps."""
    return shown({**row, "touched_at": at, **columns})


def shown(row: Mapping[str, Any]) -> Row:
    """Return a row with its instants as text."""
    return {
        name: text(value) if isinstance(value, datetime) else value for name, value in row.items()
    }
