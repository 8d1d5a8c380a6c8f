"""The sql preset on MariaDB and SQLite: odd column types, text keys, several end times."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import MappingError
from archiver.mapping import OrderMapping, parse_mapping
from archiver.sources.database import DatabaseSource
from tests.servers.mariadb import ShopDatabase
from tests.sources.shops import EVER, orders, rejects, window

MAPPING: dict[str, Any] = {
    "name": "odd",
    "version": 1,
    "query": "SELECT no, state, paid_ms, done, shop, amount FROM odd",
    "key": "no",
    "key_kind": "text",
    "order_id": "no",
    "status": {"column": "state", "completed": ["ok"], "ignored": ["new", "Gone"]},
    "times": {
        "paid": {"column": "paid_ms", "zone": "epoch_ms", "zero_is_null": True},
        "delivered": {"column": "done", "zone": "Asia/Shanghai"},
    },
    "completion": {"latest_of": ["delivered", "paid"]},
    "fields": {"money.paid": "amount", "seller.name": "shop_name", "seller.merchant_id": "shop"},
    "lookups": [
        {
            "query": "SELECT code, name FROM shops",
            "key": "code",
            "on": "shop",
            "columns": {"shop_name": "name"},
        }
    ],
}
ROWS = (
    # number, state, paid (2026-09-01 08:00 UTC = 1788249600000), done, shop, amount
    ("a1", "ok", 1788249600000, "2026-09-01 16:05:00", "s1", "1.50"),
    ("B2", "ok", 1788249600000, None, "7", "2"),
    ("c3", "new", 1788249600000, None, "s1", "3"),
    ("d4", "Gone", 1788249600000, None, "s1", "3"),
    ("e5", "gone", 1788249600000, None, "s1", "3"),  # another state, though not to a collation
    ("f6", None, 1788249600000, None, "s1", "3"),
    ("g7", "ok", 0, "2026/09/01 16:05:00", "s1", "3"),
    ("h8", "ok", 0, None, None, "3"),
    ("i9", "ok", 1788336000000, "2026-09-01 16:05:00", "none", "3.00"),
    ("j'\\10", "ok", 1788249600000, "2026-09-03 16:05:00", "s1", "3"),
)
ODD = """CREATE TABLE odd (no VARCHAR(20) PRIMARY KEY, state VARCHAR(9), paid_ms BIGINT,
  done VARCHAR(30), shop VARCHAR(9), amount VARCHAR(12))"""
DDL = (
    ODD,
    "CREATE TABLE shops (code VARCHAR(9), name TEXT)",
    "INSERT INTO shops VALUES ('s1', '小店'), ('7', 'seven')",
)


@dataclass(frozen=True)
class Shop:
    """A shop of either kind."""

    url: str
    password: str | None
    connect: Any

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Change it."""
        connection = self.connect()
        try:
            yield connection.cursor()
            connection.commit()
        finally:
            connection.close()  # an open transaction would hold up the end of the test

    def source(self, **changes: Any) -> DatabaseSource:  # noqa: ANN401 (of the mapping)
        """Return a source with a changed mapping, in small pages."""
        mapping: OrderMapping = parse_mapping({**MAPPING, **changes})
        return DatabaseSource(
            "odd", self.url, self.password, mapping, timezone="Asia/Shanghai", page_rows=2
        )


@pytest.fixture(params=["mariadb", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """The same odd rows in both databases."""
    if request.param == "sqlite":
        file = tmp_path / "odd.db"
        found = Shop(f"sqlite:///{file}", None, lambda: sqlite3.connect(file))
        mark = "?"
    else:
        database: ShopDatabase = request.getfixturevalue("shop_database")
        found = Shop(database.url, database.reader_password, database.connect)
        mark = "%s"
    with found.cursor() as cursor:
        for statement in DDL:
            cursor.execute(statement)
        cursor.executemany(f"INSERT INTO odd VALUES ({', '.join([mark] * 6)})", ROWS)
    return found


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_odd_types_read_alike(shop: Shop) -> None:
    source = shop.source()

    found = {order["order_id"]: order for order in orders(source)}

    assert found.keys() == {"a1", "B2", "i9", "j'\\10"}
    assert [found[n]["seller"]["name"] for n in ("a1", "B2", "i9")] == ["小店", "seven", None]
    bases = {number: order["completed_basis"] for number, order in found.items()}
    assert bases == {"a1": "delivered", "B2": "paid", "i9": "paid", "j'\\10": "delivered"}
    assert rejects(source) == {
        b"e5": "unknown-status",
        b"f6": "unknown-status",
        b"g7": "bad-time",
        b"h8": "missing-end-time",
    }


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_rows_without_a_usable_end_time_are_read_in_every_window(shop: Shop) -> None:
    past = window("2021-01-01T00:00Z", "2021-01-02T00:00Z")

    assert rejects(shop.source(), past) == {b"g7": "bad-time", b"h8": "missing-end-time"}


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_days_take_the_latest_of_the_rules_times(shop: Shop) -> None:
    span = window("2026-09-01T00:00+08:00", "2026-09-05T00:00+08:00")

    counted = shop.source().days(span)

    # e5 and f6 count as well: their state may still turn out to be archivable.
    assert counted[date(2026, 9, 2)] == counted[date(2026, 9, 3)] == 1
    assert counted[date(2026, 9, 1)] == 4


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_key_of_the_wrong_kind_is_refused(shop: Shop) -> None:
    with pytest.raises(MappingError, match="key_kind"):
        list(shop.source(key_kind="integer").pages(EVER))
    with shop.cursor() as cursor:
        cursor.execute(ODD.replace("odd", "keyless").replace(" PRIMARY KEY", ""))
        cursor.execute("INSERT INTO keyless SELECT * FROM odd")
        cursor.execute("UPDATE keyless SET no = NULL WHERE no = 'B2'")
    query = MAPPING["query"].replace("odd", "keyless")
    with pytest.raises(MappingError, match="NULL"):
        list(shop.source(query=query).pages(EVER))


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_shop_without_orders_gives_no_pages(shop: Shop) -> None:
    with shop.cursor() as cursor:
        cursor.execute("DELETE FROM odd")

    assert list(shop.source().pages(EVER)) == []
    assert shop.source().days(EVER) == {}
    assert list(shop.source().sample(10)) == []


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_query_that_is_no_sql_is_told_as_the_mappings_fault(shop: Shop) -> None:
    with pytest.raises(MappingError) as caught:
        list(shop.source(query="SELECT no FROM WHERE 'canary'").pages(EVER))

    assert "canary" not in str(caught.value)
