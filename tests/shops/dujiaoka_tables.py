"""The tables of 独角数卡 (dujiaoka 2.x), for MariaDB and for SQLite, under any prefix."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from pymysql.connections import Connection as MariaConnection
from pymysql.cursors import Cursor

Connection: TypeAlias = "sqlite3.Connection | MariaConnection[Cursor]"

TIMES = {
    "created_at": "timestamp NULL DEFAULT NULL",
    "updated_at": "timestamp NULL DEFAULT NULL",
    "deleted_at": "timestamp NULL DEFAULT NULL",
}
# The shop's tables are utf8mb3 but for the columns in which its authors met an emoji.
_WIDE = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
_MONEY = "decimal(10,2) NOT NULL DEFAULT '0.00'"

_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "orders": {
        "id": "bigint",
        "order_sn": "varchar(150) NOT NULL",
        "goods_id": "int NOT NULL",
        "coupon_id": "int DEFAULT '0'",
        "title": f"varchar(200) {_WIDE} NOT NULL",
        "type": "tinyint(1) NOT NULL DEFAULT '1'",
        "goods_price": _MONEY,
        "buy_amount": "int NOT NULL DEFAULT '1'",
        "coupon_discount_price": _MONEY,
        "wholesale_discount_price": _MONEY,
        "total_price": _MONEY,
        "actual_price": _MONEY,
        "search_pwd": "varchar(200) DEFAULT ''",
        "email": "varchar(200) NOT NULL",
        "info": f"text {_WIDE}",
        "pay_id": "int DEFAULT NULL",
        "buy_ip": "varchar(50) NOT NULL",
        "trade_no": "varchar(200) DEFAULT ''",
        "status": "tinyint(1) NOT NULL DEFAULT '1'",
        "coupon_ret_back": "tinyint(1) NOT NULL DEFAULT '0'",
        **TIMES,
    },
    "goods": {
        "id": "int",
        "group_id": "int NOT NULL",
        "gd_name": f"varchar(200) {_WIDE} NOT NULL",
        "gd_description": f"varchar(200) {_WIDE} NOT NULL",
        "gd_keywords": f"varchar(200) {_WIDE} NOT NULL",
        "picture": "text",
        "retail_price": "decimal(10,2) DEFAULT '0.00'",
        "actual_price": _MONEY,
        "in_stock": "int NOT NULL DEFAULT '0'",
        "sales_volume": "int DEFAULT '0'",
        "ord": "int DEFAULT '1'",
        "buy_limit_num": "int NOT NULL DEFAULT '0'",
        "buy_prompt": f"text {_WIDE}",
        "description": f"text {_WIDE}",
        "type": "tinyint(1) NOT NULL DEFAULT '1'",
        "wholesale_price_cnf": f"text {_WIDE}",
        "other_ipu_cnf": f"text {_WIDE}",
        "api_hook": f"text {_WIDE}",
        "is_open": "tinyint(1) NOT NULL DEFAULT '1'",
        **TIMES,
    },
    "goods_group": {
        "id": "int",
        "gp_name": "varchar(200) NOT NULL",
        "is_open": "tinyint(1) NOT NULL DEFAULT '1'",
        "ord": "int NOT NULL DEFAULT '1'",
        **TIMES,
    },
    "pays": {
        "id": "int",
        "pay_name": f"varchar(200) {_WIDE} NOT NULL",
        "pay_check": "varchar(50) NOT NULL",
        "pay_method": "tinyint(1) NOT NULL",
        "pay_client": "tinyint(1) NOT NULL DEFAULT '1'",
        "merchant_id": "varchar(200) DEFAULT NULL",
        "merchant_key": "text",
        "merchant_pem": "text NOT NULL",
        "pay_handleroute": "varchar(200) NOT NULL",
        "is_open": "tinyint(1) NOT NULL DEFAULT '1'",
        **TIMES,
    },
    "coupons": {
        "id": "int",
        "discount": _MONEY,
        "is_use": "tinyint(1) NOT NULL DEFAULT '1'",
        "is_open": "tinyint(1) NOT NULL DEFAULT '1'",
        "coupon": "varchar(150) NOT NULL",
        "ret": "int NOT NULL DEFAULT '0'",
        **TIMES,
    },
    "carmis": {
        "id": "bigint",
        "goods_id": "int NOT NULL",
        "status": "tinyint(1) NOT NULL DEFAULT '1'",
        "is_loop": "tinyint(1) NOT NULL DEFAULT '0'",
        "carmi": "text NOT NULL",
        **TIMES,
    },
}
# As in the shop: there is none on `updated_at`, by which a night has to look.
_INDEXES: Final[Mapping[str, str]] = {
    "orders": "UNIQUE KEY (`order_sn`), KEY (`goods_id`), KEY (`email`)",
    "pays": "UNIQUE KEY (`pay_check`)",
    "coupons": "UNIQUE KEY (`coupon`)",
    "carmis": "KEY (`goods_id`)",
}
ORDER_COLUMNS: Final = tuple(_TABLES["orders"])


def create_tables(connection: Connection, *, prefix: str = "") -> None:
    """Create the shop's tables, empty."""
    for table, columns in _TABLES.items():
        execute(connection, _ddl(table, columns, prefix, sqlite=_is_sqlite(connection)))
    connection.commit()


def _ddl(table: str, columns: Mapping[str, str], prefix: str, *, sqlite: bool) -> str:
    lines = [f"`{name}` {kind}" for name, kind in columns.items() if name != "id"]
    if sqlite:
        lines = [line.replace(f" {_WIDE}", "") for line in lines]
        lines.insert(0, "`id` INTEGER PRIMARY KEY AUTOINCREMENT")
        if table == "orders":
            lines.append("UNIQUE (`order_sn`)")
        return f"CREATE TABLE `{prefix}{table}` ({', '.join(lines)})"
    lines.insert(0, f"`id` {columns['id']} NOT NULL AUTO_INCREMENT PRIMARY KEY")
    if table in _INDEXES:
        lines.append(_INDEXES[table])
    return (
        f"CREATE TABLE `{prefix}{table}` ({', '.join(lines)}) ENGINE=InnoDB "
        "DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_unicode_ci"
    )


def _is_sqlite(connection: Connection) -> bool:
    return isinstance(connection, sqlite3.Connection)


def execute(connection: Connection, statement: str) -> None:
    """Run one statement whose result does not matter."""
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


def has_orders_table(connection: Connection, prefix: str) -> bool:
    """Return whether the shop is set up already."""
    cursor = connection.cursor()
    try:
        if isinstance(connection, sqlite3.Connection):
            cursor.execute(
                f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{prefix}orders'"
            )
        else:
            cursor.execute(
                "SELECT 1 FROM information_schema.tables "
                f"WHERE table_schema = DATABASE() AND table_name = '{prefix}orders'"
            )
        return cursor.fetchone() is not None
    finally:
        cursor.close()


def insert_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Add rows; the caller commits. Times are the shop's: the MariaDB session is set to them."""
    names = ", ".join(f"`{name}`" for name in columns)
    if isinstance(connection, sqlite3.Connection):
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO `{table}` ({names}) VALUES ({marks})", rows)
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+08:00'")
        cursor.executemany(f"INSERT INTO `{table}` ({names}) VALUES ({marks})", rows)
