"""Broken rows on every preset: each is a reject with its bytes, its neighbours are sealed.

`test_bad_input.py` does it on dujiaoka's own tables in two databases. What a database hands over
is bytes, so the other presets get theirs from memory, through the whole night.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archiver.mapping import OrderMapping
from archiver.sources.mappings import load_mapping
from tests.archives import Row
from tests.desk import Desk, at, founded, totals
from tests.nights import test_files, test_own_shop

DONE = "2026-03-04 10:00:00"


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset, a sound row of it, and what its columns are for."""

    mapping: OrderMapping
    sound: Row
    roles: Mapping[str, str]
    """Columns by what they hold: order id, end, created, paid, quantity, status, secret."""
    whole_fen: bool = False
    children: Mapping[str, Row] = field(default_factory=dict)
    """A child row by field; its parent's key is filled in."""

    def row(self, number: int, **changes: object) -> dict[str, Any]:
        """Return a sound row with a key and an order id of its own, and changes by role."""
        row = {
            **dict.fromkeys(self.mapping.page_columns),
            **self.sound,
            self.mapping.key: number,
            self.roles["order_id"]: f"{number}" if self._key_is_id else f"N{number}",
        }
        row.update({self.roles[role]: value for role, value in changes.items()})
        return row

    def with_children(self, rows: list[dict[str, Any]]) -> dict[str, list[Row]]:
        """Return a child row for each row."""
        return {
            child.field: [
                {**self.children[child.field], child.key: row[child.on or self.mapping.key]}
                for row in rows
                if child.field in self.children
            ]
            for child in self.mapping.children
        }

    @property
    def _key_is_id(self) -> bool:
        return self.mapping.key == self.mapping.order_id


def own(text: str) -> OrderMapping:
    """Return the mapping in a configuration's text."""
    return load_mapping(tomllib.loads(f"[source]\n{text}")["source"]["mapping"])


@cache
def preset(name: str) -> Preset:
    """Return a preset by its name."""
    match name:
        case "dujiaoka":
            return Preset(
                load_mapping(name),
                {
                    "status": "4",
                    "type": "1",
                    "title": "点卡",
                    "actual_price": "9.90",
                    "buy_amount": "1",
                    "created_at": DONE,
                    "updated_at": DONE,
                    "info": "CANARYCARD",
                    "email": "a@example.com",
                },
                {
                    "order_id": "order_sn",
                    "end": "updated_at",
                    "created": "created_at",
                    "paid": "actual_price",
                    "quantity": "buy_amount",
                    "status": "status",
                    "secret": "info",
                },
            )
        case "acg-faka":
            return Preset(
                load_mapping(name),
                {
                    "state": "1-1",
                    "amount": "9.90",
                    "card_num": "1",
                    "create_time": DONE,
                    "pay_time": DONE,
                    "secret": "CANARYCARD",
                    "contact": "&lt;a&gt;",
                    "is_guest": "1",
                    "is_own": "1",
                    "owner": "0",
                    "user_id": "0",
                    "create_device": "0",
                    "delivery_way": "0",
                    "shares": "0.00",
                },
                {
                    "order_id": "trade_no",
                    "end": "pay_time",
                    "created": "create_time",
                    "paid": "amount",
                    "quantity": "card_num",
                    "status": "state",
                    "secret": "secret",
                },
            )
        case "card-system":
            return Preset(
                load_mapping(name),
                {
                    "status": "2",
                    "paid": "990",
                    "price": "990",
                    "count": "1",
                    "created_at": DONE,
                    "updated_at": DONE,
                    "paid_at": DONE,
                    "delivery": "0",
                    "remark": "CANARYCARD",
                },
                {
                    "order_id": "order_no",
                    "end": "updated_at",
                    "created": "created_at",
                    "paid": "paid",
                    "quantity": "count",
                    "status": "status",
                    "secret": "remark",
                },
                whole_fen=True,
                children={
                    "deliveries": {"card": "CANARYCARD", "card_id": "7", "reusable": "0"},
                },
            )
        case "files":
            return Preset(
                own(test_files.MAPPING),
                {"状态": "已完成", "完成时间": DONE, "实付": "9.90", "卡密": "CANARYCARD"},
                {
                    "order_id": "订单号",
                    "end": "完成时间",
                    "paid": "实付",
                    "status": "状态",
                    "secret": "卡密",
                },
            )
        case _:
            return Preset(
                own(test_own_shop.SQL_MAPPING),
                {
                    "state": "done",
                    "done_at": DONE,
                    "paid": "990",
                    "qty": "1",
                    "account": "CANARYCARD",
                    "touched_at": "1772588400",
                },
                {
                    "order_id": "no",
                    "end": "done_at",
                    "created": "paid_at",
                    "paid": "paid",
                    "quantity": "qty",
                    "status": "state",
                    "secret": "account",
                },
                whole_fen=True,
                children={"deliveries": {"card": "CANARYCARD"}},
            )


PRESETS = ("dujiaoka", "acg-faka", "card-system", "files", "sql")
BROKEN = (
    *(("order_id", value, "null-order-id") for value in (None, "", " \t　")),
    *(
        (role, value, "bad-time")
        for role in ("end", "created")
        for value in ("0000-00-00 00:00:00", "9999-12-31 23:59:59", "yesterday", "１２-03-05")
    ),
    *(("paid", value, "bad-number") for value in ("ten", "１２", "NaN", "1,000.00")),
    ("paid", "-1", "negative-money"),
    ("paid", "12345678901234567890123.45", "money-too-wide"),
    *(("quantity", value, "bad-number") for value in ("many", "３", "9223372036854775808", "1.5")),
    ("secret", b"CANARYCARD\x00-1", "nul-byte"),
    ("secret", b"CANARYCARD\xc3\x28\xff\xfe", "broken-utf8"),
    ("secret", "卡密CANARYCARD".encode("gb18030"), "broken-utf8"),
    ("secret", b"CANARYCARD" * 1_800_000, "too-large"),
    *(("status", value, "unknown-status") for value in ("9", None, "４", " 4", "")),
)


@pytest.mark.parametrize("name", PRESETS)
def test_every_kind_of_broken_row_is_a_reject_with_its_bytes_on_every_preset(
    tmp_path: Path, name: str
) -> None:
    shop = preset(name)
    cases = [case for case in BROKEN if case[0] in shop.roles]
    # Key and order id are one column in some shops; a row without it cannot even be fetched.
    if shop.mapping.key == shop.mapping.order_id:
        cases = [case for case in cases if case[0] != "order_id"]
    broken = [shop.row(n, **{role: value}) for n, (role, value, _) in enumerate(cases, 1)]
    sound = [shop.row(n) for n in range(101, 121)]
    desk = founded_over(tmp_path, shop, [*broken, *sound])

    report = desk.night()

    assert report.failures == []
    assert totals(report) == {
        "read": len(broken) + len(sound),
        "orders": len(sound),
        "rejects": len(broken),
    }
    found = desk.audit()
    assert {row["order_id"] for row in found.orders} == {ids(shop, row) for row in sound}
    rejects = {int(row["row_key"]): row for row in found.rejects}
    for number, (role, value, reason) in enumerate(cases, 1):
        reject = rejects[number]
        assert (reject["reason"], reject["column"]) == (reason, shop.roles[role]), (role, value)
        values = {one["name"]: one["value"] for one in reject["values"]}
        assert values[shop.roles[role]] == raw(value), (role, value)
    # Nothing has changed: they are told and not sealed again. Repaired, they are orders.
    assert totals(desk.night())["rejected_before"] == len(broken)
    desk.rows[: len(broken)] = [shop.row(number) for number in range(1, len(broken) + 1)]
    assert totals(desk.night())["orders"] == len(broken)
    assert len(desk.audit().orders) == len(broken) + len(sound)


@pytest.mark.parametrize("name", PRESETS)
def test_repeated_ids_count_once_or_not_at_all_on_every_preset(tmp_path: Path, name: str) -> None:
    shop = preset(name)
    if shop.mapping.key == shop.mapping.order_id:
        pytest.skip("the order id is the key of this shop's table: it cannot repeat")
    order_id = shop.roles["order_id"]
    equal, unlike = shop.row(3) | {order_id: "N1"}, shop.row(4, paid="777") | {order_id: "N2"}
    desk = founded_over(tmp_path, shop, [shop.row(1), shop.row(2), equal, unlike, shop.row(5)])

    report = desk.night()

    assert totals(report) == {"read": 5, "orders": 2, "duplicates": 1, "rejects": 2}
    found = desk.audit()
    assert {row["order_id"] for row in found.orders} == {"N1", "N5"}
    assert {(int(row["row_key"]), row["reason"]) for row in found.rejects} == {
        (2, "duplicate-id"),
        (4, "duplicate-id"),
    }


@pytest.mark.parametrize("name", PRESETS)
def test_odd_but_valid_texts_are_sealed_as_they_are_on_every_preset(
    tmp_path: Path, name: str
) -> None:
    shop = preset(name)
    texts = ("😀" + "卡" * 3_000_000, "'; DROP TABLE orders; --", "e\u0301 \u202e\u200b", "%_\\")
    rows = [shop.row(n, secret=text) for n, text in enumerate(texts, 1)]
    desk = founded_over(tmp_path, shop, rows)

    report = desk.night()

    assert totals(report) == {"read": len(texts), "orders": len(texts)}
    sealed = "\n".join(repr(row) for row in desk.audit().orders)
    for text in texts:
        assert repr(text)[1:-1] in sealed


def founded_over(folder: Path, shop: Preset, rows: list[dict[str, Any]]) -> Desk:
    """Found an archive over rows of a preset."""
    desk = founded(folder, rows, mapping=shop.mapping, now=at(5, 3), exact=False)
    desk.source.children = shop.with_children(rows)
    return desk


def ids(shop: Preset, row: Mapping[str, Any]) -> str:
    """Return a row's order id."""
    return str(row[shop.mapping.order_id])


def raw(value: object) -> bytes | None:
    """Return a value as a source gives it."""
    return value if value is None or isinstance(value, bytes) else str(value).encode()
