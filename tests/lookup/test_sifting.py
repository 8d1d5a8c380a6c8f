import unicodedata
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from archiver.lookup.question import Conditions
from archiver.lookup.sifting import caged, sift
from schemas.orders import ORDER_V1
from tests.lookup.orders import NOON, a_payment, an_order


def named(name: str | None) -> dict[str, Any]:
    product: dict[str, Any] = an_order()["product"] | {"name": name}
    return an_order(product=product)


def sifted(orders: list[dict[str, Any]], **asked: Any) -> list[int]:  # noqa: ANN401
    table = pa.Table.from_pylist(orders, schema=ORDER_V1)
    with caged() as connection:
        return list(sift(connection, table, Conditions(**asked)))


def test_without_conditions_every_row_stays() -> None:
    assert sifted([an_order(), an_order()]) == [0, 1]


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        ("点卡", [0]),
        ("q币", [1]),
        ("%", [1]),
        ("_", []),
        ("' OR 1=1 --", []),
        ("\\", []),
        ("Ｑ币", [1]),  # full-width
        (unicodedata.normalize("NFD", "café"), [2]),
        ("CAFÉ", [2]),
    ],
)
def test_a_keyword_is_taken_literally_whatever_its_case_and_composition(
    keyword: str, found: list[int]
) -> None:
    orders = [named("魔兽点卡"), named("Q币 5% 折扣"), named("Café 会员"), named(None)]
    assert sifted(orders, product=keyword) == found


def test_a_channel_is_a_whole_name_of_any_payment() -> None:
    orders = [
        an_order(payments=[a_payment(), a_payment(method="wechat")]),
        an_order(payments=None),
        an_order(payments=[a_payment(method=None, channel="balance")]),
    ]
    assert sifted(orders, channel="WeChat") == [0]
    assert sifted(orders, channel="chat") == []
    assert sifted(orders, channel="balance") == [2]


def test_an_amount_is_what_was_paid_or_one_of_the_payments() -> None:
    part = an_order(payments=[a_payment(amount=Decimal("4.00"))])
    assert sifted([part, an_order()], amount=Decimal("4.00")) == [0]
    assert sifted([part, an_order()], amount=Decimal("10.00")) == [0, 1]


def test_a_time_is_the_completion_or_of_an_unfinished_order_the_creation() -> None:
    orders = [
        an_order(),
        an_order(completed_at=None, created_at=NOON + timedelta(days=1)),
        an_order(completed_at=None, created_at=None, first_seen_at=NOON + timedelta(days=2)),
    ]
    day = timedelta(days=1)
    assert sifted(orders, start=NOON, end=NOON + day) == [0]
    assert sifted(orders, start=NOON + day, end=NOON + 2 * day) == [1]
    assert sifted(orders, start=NOON + 2 * day) == [2]


def test_conditions_all_hold_together() -> None:
    orders = [an_order(), an_order(outcome="refunded"), an_order(source="other")]
    assert sifted(orders, outcomes=["completed", "failed"], source="main") == [0]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/hosts')",
        "COPY (SELECT 1) TO '/tmp/never'",
        "ATTACH '/tmp/never.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '1TB'",
    ],
)
def test_the_cage_is_closed(query: str) -> None:
    with caged() as connection, pytest.raises(duckdb.Error):
        connection.execute(query)
