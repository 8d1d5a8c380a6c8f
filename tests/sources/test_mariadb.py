"""The dujiaoka preset on a real MariaDB."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from archiver.errors import MappingError, SourceAccessError, SourceUnavailableError
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.servers.mariadb import ShopDatabase
from tests.servers.shared import free_port
from tests.shops import dujiaoka as shop
from tests.sources.shops import EVER, dujiaoka, keys, mapped, orders, rejects, window


def fill(database: ShopDatabase, orders: int = 300, prefix: str = "") -> shop.Filled:
    connection = database.connect()
    filled = shop.fill(connection, orders=orders, prefix=prefix)
    connection.close()
    return filled


def execute(database: ShopDatabase, *statements: str) -> None:
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for statement in statements:
            cursor.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("prefix", ["", "djk_"])
def test_every_finished_order_of_the_shop_is_read_as_it_is(
    shop_database: ShopDatabase, prefix: str
) -> None:
    filled = fill(shop_database, prefix=prefix)
    source = dujiaoka(shop_database, prefix=prefix, page_rows=70)

    found = {order["order_id"]: order for order in orders(source)}

    expected = {o.order_sn: o for o in filled.orders if o.status in (shop.COMPLETED, shop.FAILED)}
    assert found.keys() == expected.keys()
    names = dict(enumerate(shop.GROUPS, 1))
    products = {product.id: product for product in shop.PRODUCTS}
    pays = {pay[0]: pay for pay in shop.PAYS}
    for number, order in expected.items():
        row = found[number]
        assert row["product"]["name"] == order.title
        assert row["product"]["category"] == names[products[order.goods_id].group_id]
        assert row["money"]["paid"] == Decimal(order.actual_price)
        assert row["buyer"]["contact"] == order.email
        assert row["completed_at"].strftime("%F %T") == _utc(order.updated_at)
        assert row["created_at"].strftime("%F %T") == _utc(order.created_at)
        assert row["completed_basis"] == "updated"
        assert [p["method"] for p in row["payments"]] == (
            [pays[order.pay_id][1]] if order.pay_id else []
        )
        if order.pay_id:
            (payment,) = row["payments"]
            told = {payment["provider_no"], payment["aggregator_no"], payment["merchant_no"]}
            assert {order.trade_no, order.order_sn} <= told
        if order.type == shop.AUTOMATIC and order.status == shop.COMPLETED:
            assert [d["secret"] for d in row["deliveries"]] == order.info.split("\n")


def _utc(local: str) -> str:
    return datetime.fromisoformat(f"{local}+08:00").astimezone(UTC).strftime("%F %T")


def test_what_must_never_leave_the_shop_does_not(shop_database: ShopDatabase) -> None:
    fill(shop_database)
    source = dujiaoka(shop_database)

    for page in mapped(source, source.pages(EVER)):
        told = repr(page.orders.to_pylist()) + repr(page.content.to_pylist())
        assert not [word for word in shop.CANARIES_NEVER_KEPT if word in told]


def test_a_window_narrows_what_is_read_and_nothing_at_its_edges_is_lost(
    shop_database: ShopDatabase,
) -> None:
    filled = fill(shop_database, orders=2000)
    span = window("2026-09-10T00:00+08:00", "2026-09-12T00:00+08:00")

    read = set(keys(dujiaoka(shop_database).pages(span)))

    wanted = {
        order.id for order in filled.finished() if "2026-09-10" <= order.updated_at < "2026-09-12"
    }
    assert wanted <= read
    assert len(read) < len(filled.orders) / 10


def test_the_change_window_is_read_as_well(shop_database: ShopDatabase) -> None:
    filled = fill(shop_database, orders=500)
    past = window("2021-01-01T00:00+08:00", "2021-01-02T00:00+08:00")
    changed = window("2026-09-10T00:00+08:00", "2026-09-12T00:00+08:00")

    read = set(keys(dujiaoka(shop_database).pages(past, changed)))

    assert {o.id for o in filled.finished_on(changed.start.date())} <= read


def test_pages_come_in_key_order_each_row_once_however_small_they_are(
    shop_database: ShopDatabase,
) -> None:
    filled = fill(shop_database)

    read = keys(dujiaoka(shop_database, page_rows=7).pages(EVER))

    assert read == [o.id for o in filled.orders if o.status in (shop.COMPLETED, shop.FAILED)]
    assert keys(dujiaoka(shop_database, page_rows=7).pages(EVER, limit=17)) == read[:17]


def test_bad_rows_are_rejects_and_the_others_are_orders(shop_database: ShopDatabase) -> None:
    filled = fill(shop_database, orders=200)
    ids = [order.id for order in filled.finished()]
    update = "UPDATE orders SET {} WHERE id = {}"
    execute(
        shop_database,
        update.format("updated_at = '0000-00-00 00:00:00'", ids[0]),
        update.format("updated_at = NULL", ids[1]),
        update.format("actual_price = -5, updated_at = updated_at", ids[2]),
        update.format("info = CONCAT('a', CHAR(0)), updated_at = updated_at", ids[3]),
        update.format("order_sn = '', updated_at = updated_at", ids[4]),
        update.format("status = 9, updated_at = updated_at", ids[5]),
        update.format("info = REPEAT('💎', 2500000), updated_at = updated_at", ids[7]),
    )
    # What a stricter type would refuse: broken text and over-wide money, as other shops have.
    execute(
        shop_database,
        "ALTER TABLE orders MODIFY title VARBINARY(800), MODIFY total_price DECIMAL(40,3)",
        update.format("title = x'FFFE41', updated_at = updated_at", ids[8]),
        update.format("total_price = '9e30', updated_at = updated_at", ids[9]),
        "ALTER TABLE orders MODIFY info LONGTEXT CHARACTER SET utf8mb4",
        update.format("info = REPEAT('💎', 2500000), updated_at = updated_at", ids[7]),
    )
    source = dujiaoka(shop_database)

    assert rejects(source) == {
        str(ids[n]).encode(): reason
        for n, reason in {
            0: "bad-time",
            1: "missing-end-time",
            2: "negative-money",
            3: "nul-byte",
            4: "null-order-id",
            5: "unknown-status",
            8: "broken-utf8",
            9: "money-too-wide",
        }.items()
    }
    found = {order["order_id"]: order for order in orders(source)}
    large = next(order for order in filled.orders if order.id == ids[7])
    assert len(found[large.order_sn]["deliveries"][0]["secret"]) == 2_500_000
    # Rows without a usable end time are read in every window.
    assert rejects(source, window("2021-01-01T00:00Z", "2021-01-02T00:00Z")).keys() == {
        str(ids[0]).encode(),
        str(ids[1]).encode(),
    }


def test_text_in_old_character_sets_arrives_as_utf8(shop_database: ShopDatabase) -> None:
    filled = fill(shop_database, orders=20)
    execute(shop_database, "ALTER TABLE orders MODIFY title VARCHAR(200) CHARACTER SET gbk")

    titles = {order["product"]["name"] for order in orders(dujiaoka(shop_database))}

    assert titles >= {order.title for order in filled.finished() if "“" not in order.title}


def test_days_count_by_the_shops_calendar(shop_database: ShopDatabase) -> None:
    filled = fill(shop_database, orders=1000)
    source = dujiaoka(shop_database, timezone="Asia/Shanghai")
    span = window("2026-09-05T00:00+08:00", "2026-09-08T00:00+08:00")

    counted = source.days(span)

    assert {f"{day}": count for day, count in counted.items()} == {
        day: sum(
            order.updated_at.startswith(day) and order.status in (shop.COMPLETED, shop.FAILED)
            for order in filled.orders
        )
        for day in ("2026-09-05", "2026-09-06", "2026-09-07")
    }


def test_a_wrong_password_is_told_at_once_and_never_repeated(shop_database: ShopDatabase) -> None:
    source = dujiaoka(shop_database, password="canary-wrong-5512")

    with pytest.raises(SourceAccessError) as caught:
        list(source.pages(EVER))

    assert "user name or password is wrong" in str(caught.value)
    assert "canary" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


def test_what_cannot_be_reached_or_found_is_told_apart(shop_database: ShopDatabase) -> None:
    mapping = load_mapping("dujiaoka")
    password = shop_database.reader_password
    nobody = DatabaseSource(
        "main", f"mysql://reader@127.0.0.1:{free_port()}/shop", password, mapping
    )
    nowhere = DatabaseSource(
        "main", shop_database.url.rpartition("/")[0] + "/unknown", password, mapping
    )

    with pytest.raises(SourceUnavailableError, match="nobody listens"):
        list(nobody.pages(EVER))
    with pytest.raises(SourceAccessError):
        list(nowhere.pages(EVER))
    with pytest.raises(SourceAccessError, match="no table"):
        list(dujiaoka(shop_database).pages(EVER))


def test_a_missing_column_is_named(shop_database: ShopDatabase) -> None:
    fill(shop_database, orders=5)
    execute(shop_database, "ALTER TABLE orders DROP COLUMN buy_ip")

    with pytest.raises(MappingError, match="buy_ip"):
        list(dujiaoka(shop_database).pages(EVER))


def test_a_query_that_returns_what_must_never_be_kept_is_refused(
    shop_database: ShopDatabase,
) -> None:
    fill(shop_database, orders=5)
    mapping = load_mapping("dujiaoka")
    greedy = mapping.model_copy(update={"query": "SELECT * FROM orders"})
    source = DatabaseSource("main", shop_database.url, shop_database.reader_password, greedy)

    with pytest.raises(MappingError, match="search_pwd, which must never be kept"):
        list(source.pages(EVER))


def test_a_key_that_is_not_unique_is_refused(shop_database: ShopDatabase) -> None:
    fill(shop_database, orders=50)
    twice = load_mapping("dujiaoka").model_copy(update={"key": "goods_id"})
    source = DatabaseSource("main", shop_database.url, shop_database.reader_password, twice)

    with pytest.raises(MappingError, match="not unique"):
        list(source.pages(EVER))


def test_a_text_key_pages_in_the_databases_own_order(shop_database: ShopDatabase) -> None:
    filled = fill(shop_database, orders=100)
    mapping = load_mapping("dujiaoka").model_copy(update={"key": "order_sn", "key_kind": "text"})
    source = DatabaseSource(
        "main", shop_database.url, shop_database.reader_password, mapping, page_rows=9
    )

    read = [key for page in source.pages(EVER) for key in page.rows["order_sn"].to_pylist()]

    wanted = {o.order_sn for o in filled.orders if o.status in (shop.COMPLETED, shop.FAILED)}
    assert sorted(read) == sorted(number.encode() for number in wanted)


def test_a_slow_server_is_given_up(shop_database: ShopDatabase) -> None:
    fill(shop_database, orders=5)
    mapping = load_mapping("dujiaoka")
    slow = mapping.model_copy(
        update={"query": mapping.query.replace("deleted_at", "deleted_at + SLEEP(2) AS deleted_at")}
    )
    source = DatabaseSource(
        "main",
        shop_database.url,
        shop_database.reader_password,
        slow,
        timeout=timedelta(seconds=3),
    )
    with pytest.raises(SourceUnavailableError, match="nothing came within 3 s"):
        list(source.pages(EVER))
