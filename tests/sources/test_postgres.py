"""The sql preset on a real PostgreSQL: a shop of its own kind, and its traps."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from archiver.errors import MappingError, SourceAccessError, SourceUnavailableError
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.servers.postgres import Postgres, PostgresDatabase
from tests.servers.shared import free_port
from tests.sources.shops import EVER, orders, rejects, window

MAPPING = Path(__file__).with_name("cards.toml")
"""A worked example of a mapping."""

TABLES = """
CREATE TABLE merchants (id uuid PRIMARY KEY, name text);
CREATE TABLE orders (
  id bigserial PRIMARY KEY, number varchar(40), merchant_id uuid, buyer jsonb, ip inet,
  product text, pieces smallint, amount_fen bigint, gateway text, gateway_no text,
  state text, created timestamptz, paid timestamptz, delivered timestamp, touched timestamptz
);
CREATE TABLE cards (id bigserial PRIMARY KEY, order_id bigint, secret text, reusable boolean);
CREATE TABLE refunds (id bigserial PRIMARY KEY, order_id bigint, amount_fen bigint,
  reason text, decided date);
INSERT INTO merchants VALUES ('5f0c9a3e-0000-4000-8000-000000000001', '点卡小店');
INSERT INTO orders
SELECT n, 'PG' || lpad(n::text, 8, '0'), '5f0c9a3e-0000-4000-8000-000000000001',
  jsonb_build_object('mail', 'b' || n || '@example.com', 'vip', n % 2 = 0),
  ('10.0.0.' || n % 250)::inet, '月卡 ✨', 1 + n % 3, 1990 * n, 'alipay', '2026' || n,
  (ARRAY['DONE', 'REFUNDED', 'NEW', 'PAID'])[1 + n % 4],
  '2026-09-01 10:00+08'::timestamptz + n * interval '1 hour',
  '2026-09-01 10:01+08'::timestamptz + n * interval '1 hour',
  '2026-09-01 10:02'::timestamp + n * interval '1 hour',
  '2026-09-01 10:03+08'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 200) AS n;
INSERT INTO cards (order_id, secret, reusable)
SELECT n, 'CARD-' || n || '-' || part, part = 2
FROM generate_series(1, 200) AS n, generate_series(1, 2) AS part;
INSERT INTO refunds (order_id, amount_fen, reason, decided)
SELECT n, 500, '不想要了', '2026-10-01' FROM generate_series(1, 200) AS n WHERE n % 4 = 1;
"""


@pytest.fixture
def shop(postgres_database: PostgresDatabase) -> PostgresDatabase:
    """A shop with 200 orders."""
    execute(postgres_database, TABLES)
    return postgres_database


def execute(database: PostgresDatabase, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def source(database: PostgresDatabase, *, page_rows: int = 30) -> DatabaseSource:
    return DatabaseSource(
        "pg",
        database.url,
        database.reader_password,
        load_mapping(MAPPING),
        timezone="Asia/Shanghai",
        page_rows=page_rows,
    )


def test_a_shop_in_postgres_is_read_by_its_own_mapping(shop: PostgresDatabase) -> None:
    found = {order["order_id"]: order for order in orders(source(shop))}

    assert found.keys() == {f"PG{n:08}" for n in range(1, 201) if n % 4 in (0, 1)}
    four = found["PG00000004"]
    assert four["outcome"] == "completed"
    assert four["seller"]["name"] == "点卡小店"
    assert four["buyer"]["contact"] == "b4@example.com"
    assert four["buyer"]["client_ip"] == "10.0.0.4/32"
    assert four["money"]["paid"] == Decimal("79.60")
    assert four["quantity"] == 2
    assert four["delivered_at"] == datetime(2026, 9, 1, 6, 2, tzinfo=UTC)
    assert (four["completed_at"], four["completed_basis"]) == (four["delivered_at"], "delivered")
    assert [d["secret"] for d in four["deliveries"]] == ["CARD-4-1", "CARD-4-2"]
    assert [d["reusable"] for d in four["deliveries"]] == [False, True]
    five = found["PG00000005"]
    assert five["outcome"] == "refunded"
    assert five["after_sales"][0]["amount"] == Decimal("5.00")
    assert five["after_sales"][0]["decided_at"] == datetime(2026, 9, 30, 16, tzinfo=UTC)


def test_what_postgres_allows_and_an_order_does_not_is_a_reject(shop: PostgresDatabase) -> None:
    execute(
        shop,
        "UPDATE orders SET touched = 'infinity' WHERE id = 4",
        "UPDATE orders SET created = '0044-03-15 BC' WHERE id = 8",
        "UPDATE orders SET delivered = NULL, paid = NULL WHERE id = 12",
        "UPDATE orders SET amount_fen = -1 WHERE id = 16",
        "UPDATE orders SET number = '' WHERE id = 20",
        "UPDATE orders SET state = 'done' WHERE id = 24",
        "UPDATE orders SET product = repeat('💎', 2500000) WHERE id = 28",
    )
    here = source(shop)

    assert rejects(here) == {
        b"4": "bad-time",
        b"8": "bad-time",
        b"12": "missing-end-time",
        b"16": "negative-money",
        b"20": "null-order-id",
        b"24": "unknown-status",
    }
    large = next(o for o in orders(here) if o["order_id"] == "PG00000028")
    assert len(large["product"]["name"]) == 2_500_000
    assert [d["secret"] for d in large["deliveries"]] == ["CARD-28-1", "CARD-28-2"]


def test_days_and_windows_follow_the_shops_calendar(shop: PostgresDatabase) -> None:
    here = source(shop)
    span = window("2026-09-03T00:00+08:00", "2026-09-05T00:00+08:00")

    counted = {str(day): count for day, count in here.days(span).items()}

    # Hours 38 to 61 after the first of September, 10:02, are the third; half are archived.
    assert counted == {"2026-09-03": 12, "2026-09-04": 12}
    read = {order["order_id"] for order in orders(here, span)}
    assert {f"PG{n:08}" for n in range(38, 86) if n % 4 in (0, 1)} <= read
    assert len(read) < 60


def test_refusals_are_told_at_once_and_never_repeat_the_password(shop: PostgresDatabase) -> None:
    mapping = load_mapping(MAPPING)
    with pytest.raises(SourceAccessError) as caught:
        list(DatabaseSource("pg", shop.url, "canary-wrong-77", mapping).pages(EVER))
    assert "canary" not in str(caught.value)
    nowhere = shop.url.rpartition("/")[0] + "/unknown"
    with pytest.raises(SourceAccessError):
        list(DatabaseSource("pg", nowhere, shop.reader_password, mapping).pages(EVER))
    nobody = f"postgresql://reader@127.0.0.1:{free_port()}/shop"
    with pytest.raises(SourceUnavailableError):
        list(DatabaseSource("pg", nobody, shop.reader_password, mapping).pages(EVER))
    execute(shop, "ALTER TABLE refunds DROP COLUMN reason")
    with pytest.raises(MappingError, match="reason"):
        list(source(shop).pages(EVER))
    execute(shop, "REVOKE SELECT ON orders FROM reader")
    with pytest.raises(SourceAccessError, match="may not read"):
        list(source(shop).pages(EVER))


def test_the_session_cannot_write(shop: PostgresDatabase) -> None:
    execute(
        shop,
        "CREATE FUNCTION meddle() RETURNS int LANGUAGE sql AS "
        "'INSERT INTO merchants VALUES (gen_random_uuid(), NULL) RETURNING 1'",
        "GRANT INSERT ON merchants TO reader",
    )
    meddling = load_mapping(MAPPING).model_copy(
        update={"query": "SELECT o.*, meddle() AS m FROM orders o"}
    )
    with pytest.raises(MappingError):
        list(DatabaseSource("pg", shop.url, shop.reader_password, meddling).pages(EVER))


@pytest.mark.usefixtures("postgres_database")  # it creates the reader's role
def test_a_database_without_an_encoding_may_hold_any_bytes(postgres: Postgres) -> None:
    name = f"ascii_{os.getpid()}"
    with postgres._connect("postgres") as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'".encode()
        )
    database = PostgresDatabase(name=name, host=postgres.host, port=postgres.port)
    execute(database, TABLES, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    execute(
        database,
        r"UPDATE orders SET product = E'\xd4\xc2\xbf\xa8' WHERE id = 4",  # GBK
        r"UPDATE orders SET product = 'back\slash' WHERE id = 8",
    )
    here = source(database)

    assert rejects(here) == {b"4": "broken-utf8"}
    found = {order["order_id"]: order["product"]["name"] for order in orders(here)}
    assert found["PG00000008"] == "back\\slash"
    assert found["PG00000012"] == "月卡 ✨"
    postgres.drop(database)
