"""A small mapping that uses everything, and pages for it."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from archiver.mapping import MapContext, MappedPage, OrderMapping, apply, parse_mapping
from archiver.ports import RawPage

SEEN = datetime(2026, 11, 22, 12, tzinfo=UTC)

MAPPING = """
name = "test"
version = 1
query = "SELECT * FROM {prefix}orders"
key = "id"
order_id = "no"
changed_at = "updated"
[parameters]
prefix = ""
[status]
column = "state"
completed = ["done"]
refunded = ["back"]
failed = ["broken"]
open = ["paid"]
ignored = ["new"]
[times]
created = { column = "created", zone = "Asia/Shanghai" }
paid = { column = "paid", zone = "epoch_s", zero_is_null = true }
delivered = { column = "delivered", zone = "session", zero_is_null = true }
updated = { column = "updated", zone = "UTC" }
[completion]
latest_of = ["delivered", "paid"]
otherwise = "updated"
[fields]
"buyer.contact" = { column = "contact", html_unescape = true }
"buyer.client_port" = "port"
"buyer.guest" = "guest"
"product.name" = "title"
"product.category" = "category"
"quantity" = "pieces"
"money.paid" = "amount"
"money.fees" = { column = "fee_cents", scale = 2 }
"money.currency" = { const = "CNY" }
"seller.own" = { const = "true" }
[extra]
race = "race"
[[payments]]
when = [{ column = "pay", present = true }]
[payments.columns]
method = "pay"
provider_no = "pay_no"
amount = "amount"
callback_at = { column = "paid", zone = "epoch_s", zero_is_null = true }
[[deliveries]]
when = [{ column = "kind", in = ["auto"] }]
split_lines = true
placeholders = ["^很抱歉"]
columns = { kind = { const = "card" }, secret = "info" }
[[forms]]
column = "info"
when = [{ column = "kind", not_in = ["auto"] }]
target = ["账号", "UID"]
extra = ["大区"]
[[lookups]]
query = "SELECT id, name FROM groups"
key = "id"
on = "group_id"
columns = { category = "name" }
[[children]]
field = "after_sales"
query = "SELECT id, order_no, amount, note, at FROM refunds"
key = "order_no"
on = "no"
order = "id"
[children.columns]
amount = "amount"
note = "note"
decided_at = { column = "at", zone = "UTC" }
"""

GOOD: Mapping[str, str | bytes | None] = {
    "id": "1",
    "no": "A1",
    "state": "done",
    "created": "2026-11-01 20:00:00",
    "paid": "1793534700",  # 2026-11-01 12:05:00 UTC
    "delivered": "2026-11-01 20:06:00",
    "updated": "2026-11-02 00:00:00.123456",
    "contact": "a&amp;b@example.com",
    "port": "443",
    "guest": "1",
    "title": "月卡 ✨",
    "category": "会员",
    "group_id": "7",
    "pieces": "2",
    "amount": "19.90",
    "fee_cents": "35",
    "race": "",
    "pay": "alipay",
    "pay_no": "2026110122001",
    "kind": "auto",
    "info": "CARD-1111-2222-3333\r\n\r\nCARD-4444-5555-6666",
}


REFUND = ("order_no", "amount", "note", "at")


def mapping(**changes: Any) -> OrderMapping:  # noqa: ANN401 (a TOML value)
    """Return the mapping, with top-level keys replaced."""
    return parse_mapping({**tomllib.loads(MAPPING), **changes}, source="test")


def page(
    *rows: Mapping[str, str | bytes | None], refunds: tuple[Mapping[str, str | None], ...] = ()
) -> RawPage:
    """Return a page of rows that differ from GOOD as said."""
    full = [{**GOOD, **row} for row in rows]
    children = {
        "after_sales": _table(
            [
                {"order_no": None, "amount": None, "note": None, "at": None, **row}
                for row in refunds
            ],
            ("order_no", "amount", "note", "at"),
        )
    }
    return RawPage(rows=_table(full, tuple(GOOD)), children=children)


def _table(rows: list[Any], names: tuple[str, ...]) -> pa.Table:
    def raw(value: str | bytes | None) -> bytes | None:
        return value.encode() if isinstance(value, str) else value

    columns = {
        name: pa.array([raw(row[name]) for row in rows], pa.large_binary()) for name in names
    }
    return pa.table(columns)


def context(*, include_open: bool = False) -> MapContext:
    """Return a context with a fixed moment."""
    return MapContext(
        archive="shop-1",
        source="main",
        observed_at=SEEN,
        session_zone="Asia/Shanghai",
        include_open=include_open,
    )


def mapped(
    *rows: Mapping[str, str | bytes | None], refunds: tuple[Mapping[str, str | None], ...] = ()
) -> MappedPage:
    """Return the mapped page of such rows."""
    return apply(page(*rows, refunds=refunds), mapping(), context())


def order(**row: str | bytes | None) -> dict[str, Any]:
    """Return the one order of one row."""
    result = mapped(row)
    assert result.orders.num_rows == 1, result.rejects.to_pylist()
    found: dict[str, Any] = result.orders.to_pylist()[0]
    return found


def reason(**row: str | bytes | None) -> tuple[str, str]:
    """Return reason and column of the one reject of one row."""
    result = mapped(row)
    assert (result.orders.num_rows, result.rejects.num_rows) == (0, 1)
    found = result.rejects.to_pylist()[0]
    return found["reason"], found["column"]
