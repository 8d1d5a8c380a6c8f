"""The tables of 异次元发卡 (acg-faka 3.5) in MariaDB, as far as orders touch them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from pymysql.connections import Connection as MariaConnection
from pymysql.cursors import Cursor

from tests.shops.dujiaoka_tables import execute

Connection: TypeAlias = "MariaConnection[Cursor]"

_ID = "int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY"
_COUNT = "int unsigned NOT NULL DEFAULT 0"
_FLAG = "tinyint unsigned NOT NULL DEFAULT 0"
_MONEY = "decimal(10,2) unsigned NOT NULL DEFAULT 0.00"
_AT = "datetime DEFAULT NULL"
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "order": {
        "id": _ID,
        "owner": _COUNT,
        "user_id": _COUNT,
        "trade_no": "char(19) NOT NULL UNIQUE",
        "amount": _MONEY,
        "commodity_id": "int unsigned NOT NULL",
        "card_id": "int unsigned DEFAULT NULL",
        "card_num": _COUNT,
        "pay_id": "int unsigned NOT NULL",
        "create_time": "datetime NOT NULL",
        "create_ip": "varchar(64) NOT NULL",
        "create_device": "tinyint unsigned NOT NULL",
        "pay_time": _AT,
        "status": _FLAG,
        "secret": "longtext",
        "password": "varchar(32) DEFAULT NULL",
        "contact": "varchar(32) DEFAULT NULL",
        "delivery_status": _FLAG,
        "pay_url": "varchar(1024) DEFAULT NULL",
        "coupon_id": "int unsigned DEFAULT NULL",
        "cost": _MONEY,
        "from": "int unsigned DEFAULT NULL",
        "premium": "decimal(10,2) unsigned DEFAULT 0.00",
        "widget": "text",
        "rent": _MONEY,
        "race": "varchar(32) DEFAULT NULL",
        "rebate": "decimal(10,2) unsigned DEFAULT 0.00",
        "pay_cost": "decimal(10,2) unsigned DEFAULT 0.00",
        "sku": "json DEFAULT NULL",
        "divide_amount": "decimal(10,2) DEFAULT NULL",
        "substation_user_id": "int unsigned DEFAULT NULL",
        "request_no": "char(19) DEFAULT NULL UNIQUE",
    },
    "commodity": {
        "id": _ID,
        "category_id": "int unsigned NOT NULL",
        "name": "varchar(255) NOT NULL",
        "description": "text",
        "price": _MONEY,
        "delivery_way": _FLAG,
        "shared_id": "int unsigned DEFAULT NULL",
    },
    "category": {"id": _ID, "name": "varchar(255) NOT NULL"},
    "card": {
        "id": _ID,
        "commodity_id": "int unsigned NOT NULL",
        "secret": "varchar(760) NOT NULL",
        "order_id": "int unsigned DEFAULT NULL",
        "status": _FLAG,
    },
    "pay": {
        "id": _ID,
        "name": "varchar(16) NOT NULL",
        "code": "varchar(32) NOT NULL",
        "handle": "varchar(64) NOT NULL",
    },
    "user": {
        "id": _ID,
        "username": "varchar(32) NOT NULL",
        "email": "varchar(128) DEFAULT NULL",
        "password": "varchar(64) NOT NULL",
        "salt": "varchar(32) NOT NULL",
        "app_key": "varchar(32) NOT NULL",
    },
    "coupon": {"id": _ID, "code": "varchar(32) NOT NULL", "money": _MONEY},
    "shared": {
        "id": _ID,
        "name": "varchar(128) NOT NULL",
        "domain": "varchar(128) NOT NULL",
        "app_id": "varchar(32) NOT NULL",
        "app_key": "varchar(64) NOT NULL",
    },
    "bill": {
        "id": _ID,
        "owner": "int unsigned NOT NULL",
        "amount": _MONEY,
        "type": "tinyint NOT NULL",
        "log": "varchar(64) NOT NULL",
        "create_time": "datetime NOT NULL",
    },
    "ticket": {
        "id": _ID,
        "ticket_no": "char(20) NOT NULL UNIQUE",
        "title": "varchar(100) NOT NULL",
        "order_trade_no": "char(19) DEFAULT NULL",
        "closed_time": _AT,
        "create_time": "datetime NOT NULL",
    },
    "ticket_message": {
        "id": "bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "ticket_id": "int unsigned NOT NULL",
        "sender_type": "tinyint unsigned NOT NULL",
        "sender_name": "varchar(32) NOT NULL",
        "content": "longtext",
        "create_time": "datetime NOT NULL",
    },
    "manage_log": {
        "id": _ID,
        "nickname": "varchar(32) NOT NULL",
        "content": "varchar(128) NOT NULL",
        "create_time": "datetime NOT NULL",
    },
}
TICKET_TABLES: Final = ("ticket", "ticket_message")
"""Shops before version 3.5 have none."""


def create_tables(connection: Connection, *, prefix: str = "acg_", tickets: bool = True) -> None:
    """Create the shop's tables; its operations log is MyISAM, as in the shop."""
    for table, columns in TABLES.items():
        if tickets or table not in TICKET_TABLES:
            lines = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            engine = "MyISAM" if table == "manage_log" else "InnoDB"
            ddl = f"CREATE TABLE `{prefix}{table}` ({lines}) ENGINE={engine}"
            execute(connection, f"{ddl} CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci")
    connection.commit()
