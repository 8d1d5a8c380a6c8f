"""A small dujiaoka shop whose tables tests may bend, in MariaDB or in SQLite.

Everything that keeps bad values out of a real shop's columns is taken away first: types,
uniqueness, NOT NULL. What a night meets then is what years of patches, imports and hand-made
SQL leave behind.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from tests.nights.site import source
from tests.servers.mariadb import ShopDatabase
from tests.shops import dujiaoka
from tests.shops.dujiaoka import Order
from tests.shops.dujiaoka_tables import ORDER_COLUMNS, create_tables

PASSWORD = 'password_env = "SHOP_DB_PASSWORD"\n'


class BentShop(Protocol):
    """A shop without constraints."""

    kind: str

    def source(self, more: str = "") -> str:
        """Return its `[[source]]`."""

    def run(self, statement: str, *values: object) -> None:
        """Run a statement as the shop's administrator; `?` marks values."""

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return rows."""

    def add(self, orders: Sequence[Order]) -> None:
        """Add orders."""

    def raw(self, key: int) -> dict[str, bytes | None]:
        """Return the bytes of an order's columns as the archive's session shows them."""


@dataclass(slots=True)
class MariaShop:
    """In MariaDB."""

    database: ShopDatabase
    kind: str = "mariadb"
    bent: bool = False

    def source(self, more: str = "") -> str:
        """Return its `[[source]]`."""
        return source(self.database.url, more=PASSWORD + more)

    def run(self, statement: str, *values: object) -> None:
        """Run a statement; lenient about values, in shop time."""
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = '', time_zone = '+00:00'")
            cursor.execute(statement.replace("%", "%%").replace("?", "%s"), values)
            connection.commit()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return rows."""
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(statement)
            return list(cursor.fetchall())

    def add(self, orders: Sequence[Order]) -> None:
        """Add orders."""
        with self.database.connect() as connection:
            dujiaoka.insert_orders(connection, orders)
        if self.bent:
            # A `datetime` has no zone; the mapping takes it for the session's, which is UTC.
            keys = ", ".join(str(order.id) for order in orders)
            earlier = "updated_at = updated_at - INTERVAL 8 HOUR"
            self.run(f"UPDATE orders SET {earlier} WHERE id IN ({keys})")

    def raw(self, key: int) -> dict[str, bytes | None]:
        """Return the bytes of an order's columns."""
        chosen = ", ".join(f"CAST(`{name}` AS BINARY)" for name in ORDER_COLUMNS)
        [row] = self.ask(f"SELECT {chosen} FROM orders WHERE id = {key}")
        return dict(zip(ORDER_COLUMNS, row, strict=True))

    def bend(self) -> None:
        """Take constraints and types away."""
        money = ("goods_price", "total_price", "actual_price", "coupon_discount_price")
        for change in (
            "MODIFY updated_at datetime NULL",
            "MODIFY order_sn varchar(10000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL",
            "MODIFY info longblob NULL",
            "MODIFY email varchar(400) CHARACTER SET utf8mb4 NULL",
            "MODIFY status varchar(20) NULL",
            "MODIFY buy_amount varchar(40) CHARACTER SET utf8mb4 NULL",
            *(f"MODIFY {name} decimal(30,10) NULL" for name in money),
            "DROP INDEX order_sn",
        ):
            self.run(f"ALTER TABLE orders {change}")
        self.bent = True


@dataclass(slots=True)
class SqliteShop:
    """In a SQLite file."""

    path: Path
    kind: str = "sqlite"

    def source(self, more: str = "") -> str:
        """Return its `[[source]]`."""
        return source(f"sqlite:///{self.path}", more=more)

    def run(self, statement: str, *values: object) -> None:
        """Run a statement."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return rows."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.text_factory = bytes
            return connection.execute(statement).fetchall()

    def add(self, orders: Sequence[Order]) -> None:
        """Add orders."""
        with closing(sqlite3.connect(self.path)) as connection:
            dujiaoka.insert_orders(connection, orders)

    def raw(self, key: int) -> dict[str, bytes | None]:
        """Return the bytes of an order's columns."""
        chosen = ", ".join(f"CAST(`{name}` AS BLOB)" for name in ORDER_COLUMNS)
        [row] = self.ask(f"SELECT {chosen} FROM orders WHERE id = {key}")
        return dict(zip(ORDER_COLUMNS, row, strict=True))

    def bend(self) -> None:
        """Take constraints and types away."""
        columns = ", ".join(ORDER_COLUMNS[1:])
        self.run("ALTER TABLE orders RENAME TO strict_orders")
        self.run(f"CREATE TABLE orders (id INTEGER PRIMARY KEY, {columns})")
        self.run("INSERT INTO orders SELECT * FROM strict_orders")
        self.run("DROP TABLE strict_orders")


def new_sqlite_shop(path: Path) -> SqliteShop:
    """Create a shop without orders."""
    with closing(sqlite3.connect(path)) as connection:
        create_tables(connection)
        dujiaoka.fill_catalogue(connection)
    return SqliteShop(path)


def good_orders(day: date, count: int, *, first_id: int = 1, seed: int = 5) -> list[Order]:
    """Return completed automatic orders of one day, with unlike numbers and cards."""
    made = dujiaoka.make_orders(
        orders=count, days=1, start=day, seed=seed + first_id, first_id=first_id
    )
    return [
        order._replace(
            status=dujiaoka.COMPLETED,
            type=dujiaoka.AUTOMATIC,
            info=f"CANARYCARD-{order.id}-A\nCANARYCARD-{order.id}-B",
            updated_at=order.created_at,
            deleted_at=None,
        )
        for order in made
    ]
