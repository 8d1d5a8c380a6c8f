"""The shop that other tests archive looks like the real one."""

import re
import sqlite3
from contextlib import closing
from datetime import date

import pytest

from tests.servers.mariadb import ShopDatabase
from tests.shops import dujiaoka


def test_sqlite_and_mariadb_hold_the_same_orders(shop_database: ShopDatabase) -> None:
    with closing(sqlite3.connect(":memory:")) as lite, shop_database.connect() as maria:
        made = dujiaoka.fill(lite, orders=500, prefix="dj_")
        assert dujiaoka.fill(maria, orders=500, prefix="dj_") == made
        question = (
            "SELECT id, order_sn, info, email, actual_price, created_at, updated_at, deleted_at "
            "FROM dj_orders ORDER BY id"
        )
        with maria.cursor() as cursor:
            cursor.execute(question)
            in_maria = [(*row[:4], float(row[4]), *map(str, row[5:])) for row in cursor.fetchall()]
        in_lite = [(*row[:4], float(row[4]), *map(str, row[5:])) for row in lite.execute(question)]
    assert in_maria == in_lite


def test_times_are_shop_time_whatever_the_zone_of_the_session(shop_database: ShopDatabase) -> None:
    with shop_database.connect() as maria, maria.cursor() as cursor:
        made = dujiaoka.fill(maria, orders=1)
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SELECT CONVERT_TZ(created_at, '+00:00', '+08:00') FROM orders")
        assert str(cursor.fetchall()[0][0]) == made.orders[0].created_at


def test_orders_show_the_habits_of_the_shop() -> None:
    made = dujiaoka.Filled(orders=list(dujiaoka.make_orders(orders=5_000)))
    orders = made.orders

    assert set(made.by_status) == {-1, 1, 2, 3, 4, 5, 6}
    assert len({order.order_sn for order in orders}) == 5_000
    assert all(order.created_at <= order.updated_at < "2026-10-31" for order in orders)
    assert [order.created_at for order in orders] == sorted(order.created_at for order in orders)
    assert any(order.info.count("\n") == 24 for order in orders)  # a card on each line
    assert {order.type for order in orders if "密码" in order.info and "账号" in order.info} == {2}
    assert sum(order.info.startswith(dujiaoka.LOOP_CARD) for order in orders) > 10
    numbers = [order.trade_no for order in orders]
    for form in (r"2026\d{4}2200\d{16}", r"4200\d{24}", r"2026\d{15}", r"[A-Z0-9]{16}", r""):
        assert any(re.fullmatch(form, number) for number in numbers), form
    assert not any(order.trade_no for order in orders if order.status in (-1, 1))
    assert any(":" in order.buy_ip for order in orders)
    assert any("." in order.buy_ip for order in orders)
    assert any(order.deleted_at for order in orders)
    assert any(order.coupon_id for order in orders)
    assert any(order.wholesale_discount_price != "0.00" for order in orders)


@pytest.mark.parametrize("canary", dujiaoka.CANARIES_NEVER_KEPT + dujiaoka.CANARIES_NEVER_PLAIN)
def test_every_canary_is_planted(canary: str) -> None:
    with closing(sqlite3.connect(":memory:")) as shop:
        dujiaoka.fill(shop, orders=300)
        assert canary in "\n".join(shop.iterdump())


def test_bulk_orders_are_finished_on_their_day_and_all_different(
    shop_database: ShopDatabase,
) -> None:
    with shop_database.connect() as maria, maria.cursor() as cursor:
        dujiaoka.bulk_fill(maria, orders=10_000, day=date(2026, 10, 1))
        cursor.execute(
            "SELECT COUNT(*), COUNT(DISTINCT order_sn), MIN(status), MAX(status), "
            "MIN(updated_at), MAX(DATE(updated_at)), SUM(created_at < updated_at), "
            "COUNT(DISTINCT info) > 9900, SUM(actual_price = goods_price * buy_amount), "
            "SUM(trade_no = '') FROM orders"
        )
        (row,) = cursor.fetchall()
    assert [str(value) for value in row] == [
        *("10000", "10000", "4", "4", "2026-10-01 00:00:00", "2026-10-01"),
        *("10000", "1", "10000", "0"),
    ]
