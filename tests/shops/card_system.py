"""card-system (Tai7sy): the tables of the shop of many merchants, and what its code leaves there.

Amounts are whole fen. `created_at` and `updated_at` are timestamps, `paid_at` is the shop's local
time. What must never leave the shop, or never in plain, is planted under the canary words below.
"""

import json
import random
import string
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final, NamedTuple, TypeAlias

from pymysql.connections import Connection as MariaConnection
from pymysql.cursors import Cursor

from tests.shops.dujiaoka_tables import execute, insert_rows

Connection: TypeAlias = "MariaConnection[Cursor]"

QUERY_PASSWORD: Final = "CanaryQueryPwd"
COOKIE: Final = "CanaryCustomerCookie"
GAME_PASSWORD: Final = "CanaryGamePwd"
GATEWAY_KEY: Final = "CanaryGatewayKey"
USER_PASSWORD: Final = "CanaryUserPwd"
UNSOLD_CARD: Final = "CANARYSTOCK"
CARD: Final = "CANARYCARD"
CANARIES_NEVER_KEPT: Final = (
    *(QUERY_PASSWORD, COOKIE, GAME_PASSWORD, GATEWAY_KEY, USER_PASSWORD, UNSOLD_CARD),
)
UNPAID, PAID, SUCCESS, FROZEN, REFUND = range(5)

_ID = "int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY"
_INT = "int NOT NULL DEFAULT 0"
_TEXT = "varchar(191) DEFAULT NULL"
_TIMES = {"created_at": "timestamp NULL DEFAULT NULL", "updated_at": "timestamp NULL DEFAULT NULL"}
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "orders": {
        "id": _ID,
        "user_id": _INT,
        "order_no": "varchar(128) NOT NULL",
        "product_id": _INT,
        "product_name": _TEXT,
        "count": _INT,
        "ip": _TEXT,
        "customer": "varchar(32) DEFAULT NULL",
        "contact": _TEXT,
        "contact_ext": "text",
        "query_password": "varchar(128) DEFAULT NULL",
        "send_status": "tinyint NOT NULL DEFAULT 0",
        "remark": "text",
        "cost": _INT,
        "price": _INT,
        "discount": _INT,
        "sms_price": _INT,
        "paid": _INT,
        "fee": _INT,
        "system_fee": _INT,
        "income": _INT,
        "pay_id": _INT,
        "pay_trade_no": _TEXT,
        "status": _INT,
        "frozen_reason": _TEXT,
        "api_out_no": "varchar(128) DEFAULT NULL",
        "api_info": "text",
        "paid_at": "datetime DEFAULT NULL",
        **_TIMES,
    },
    "products": {
        "id": _ID,
        "user_id": _INT,
        "category_id": _INT,
        "name": _TEXT,
        "description": "longtext",
        "delivery": "tinyint NOT NULL DEFAULT 0",
        "password": _TEXT,
    },
    "categories": {"id": _ID, "name": _TEXT},
    "cards": {"id": _ID, "product_id": _INT, "card": "text", "type": _INT, "status": _INT},
    "card_order": {"id": _ID, "order_id": _INT, "card_id": _INT},
    "pays": {"id": _ID, "name": _TEXT, "driver": _TEXT, "config": "text"},
    "users": {"id": _ID, "email": "varchar(100) NOT NULL", "password": "varchar(100) NOT NULL"},
    "fund_records": {
        "id": _ID,
        "user_id": _INT,
        "type": "int NOT NULL DEFAULT 2",
        "amount": _INT,
        "balance": _INT,
        "order_id": "int DEFAULT NULL",
        "remark": _TEXT,
        **_TIMES,
    },
}
MERCHANTS: Final = ("shop@example.com", "第二家@example.cn")
# name, merchant, price in fen, delivered by hand
PRODUCTS: Final = (
    ("腾讯Q币 10元", 1, 980, 0),
    ("VPN 共享 ✨", 2, 100, 0),
    ("王者荣耀 代充", 2, 6030, 1),
)
SHARED_PRODUCT: Final = 2
"""Its one card is sold again and again."""


class Order(NamedTuple):
    """One order, with what stands in other tables because of it."""

    row: Mapping[str, Any]
    cards: tuple[str, ...]
    funds: tuple[tuple[int, int, str], ...]
    """Type (1 in, 2 out), fen, remark."""
    form: Mapping[str, str]


def fill(
    connection: Connection, *, orders: int, days: int, start: date, seed: int = 1, prefix: str = ""
) -> list[Order]:
    """Create the shop with orders of `days` days; the same arguments give the same orders."""
    for table, kinds in TABLES.items():
        lines = ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
        ddl = f"CREATE TABLE `{prefix}{table}` ({lines}) ENGINE=InnoDB CHARSET=utf8mb4"
        execute(connection, f"{ddl} COLLATE=utf8mb4_unicode_ci")

    def add(table: str, columns: str, rows: list[tuple[object, ...]]) -> None:
        insert_rows(connection, f"{prefix}{table}", columns.split(), rows)

    add("categories", "name", [("游戏",)])
    add("users", "email password", [(email, USER_PASSWORD) for email in MERCHANTS])
    add(
        "products",
        "name user_id category_id description delivery password",
        [(n, user, 1, f"{n}说明", hand, QUERY_PASSWORD) for n, user, _, hand in PRODUCTS],
    )
    add("pays", "name driver config", [("支付宝", "AliAop", GATEWAY_KEY), ("微信", "WePay", "")])
    add("cards", "product_id card", [(1, f"{UNSOLD_CARD}-{n}") for n in range(5)])
    add("cards", "id product_id card type", [(900_000, SHARED_PRODUCT, f"{CARD}-SHARED", 1)])
    made = list(make_orders(orders=orders, days=days, start=start, seed=seed))
    columns = tuple(TABLES["orders"])
    insert_rows(
        connection,
        f"{prefix}orders",
        columns,
        [tuple(order.row[name] for name in columns) for order in made],
    )
    card_id = 900_001
    for order in made:
        ident, at = order.row["id"], order.row["updated_at"]
        for card in order.cards:
            if order.row["product_id"] == SHARED_PRODUCT:
                add("card_order", "order_id card_id", [(ident, 900_000)])
                continue
            sold = (card_id, order.row["product_id"], card, 0, 2)
            add("cards", "id product_id card type status", [sold])
            add("card_order", "order_id card_id", [(ident, card_id)])
            card_id += 1
        for kind, amount, remark in order.funds:
            record = (order.row["user_id"], kind, amount, 5000, ident, remark, at, at)
            names = "user_id type amount balance order_id remark created_at updated_at"
            add("fund_records", names, [record])
    withdrawal = (1, 2, -9999, 0, None, "提现", f"{start} 00:00:00")
    add("fund_records", "user_id type amount balance order_id remark created_at", [withdrawal])
    connection.commit()
    return made


def make_orders(*, orders: int, days: int, start: date, seed: int = 1) -> Iterator[Order]:
    """Yield orders without storing them, oldest first."""
    chance = random.Random(seed)
    begin = datetime.combine(start, clock_time())
    seconds = sorted(chance.randrange(days * 86_400 - 4_000) for _ in range(orders))
    for number, second in enumerate(seconds, 1):
        yield _order(chance, number, begin + timedelta(seconds=second))


def _order(chance: random.Random, number: int, created: datetime) -> Order:
    item = chance.choices((1, 2, 3), (5, 2, 3))[0]
    _, merchant, price, by_hand = PRODUCTS[item - 1]
    count = chance.choice((1, 1, 2, 4)) if item != SHARED_PRODUCT else 1
    total, discount = price * count, chance.choice((0, 0, 50))
    paid, fee = total - discount, total // 50
    status = chance.choices((UNPAID, PAID, SUCCESS, FROZEN, REFUND), (15, 5, 70, 4, 6))[0]
    paid_at = created + timedelta(seconds=chance.randrange(5, 900))
    order_no = f"{created:%Y%m%d%H%M%S}" + "".join(chance.choices(string.ascii_letters, k=5))
    form = _form(chance) if by_hand else {}
    if chance.random() < 0.3:
        form["_mail"] = f"buyer{number}@qq.com"
    delivered = status in (SUCCESS, FROZEN, REFUND)
    row = {
        "id": number,
        "user_id": merchant,
        "order_no": order_no,
        "product_id": item,
        "product_name": PRODUCTS[item - 1][0],
        "count": count,
        "ip": f"112.9.{chance.randrange(256)}.{chance.randrange(256)}",
        "customer": COOKIE,
        "contact": f"buyer{number}@qq.com",
        # As PHP does by default: every letter beyond ASCII is a number.
        "contact_ext": json.dumps(form) if form else None,
        "query_password": QUERY_PASSWORD,
        "send_status": chance.choice((0, 1)),
        "remark": "已手工充值" if by_hand and delivered else None,
        "cost": price // 2 * count,
        "price": total,
        "discount": discount,
        "sms_price": chance.choice((0, 10)),
        "paid": paid,
        "fee": fee,
        "system_fee": fee // 2,
        "income": paid - fee,
        "pay_id": chance.choice((1, 2)),
        "pay_trade_no": f"2026{number:024d}" if status != UNPAID else None,
        "status": status,
        "frozen_reason": "买家投诉" if status in (FROZEN, REFUND) else None,
        "api_out_no": f"OUT{number}" if chance.random() < 0.1 else None,
        "api_info": None,
        "paid_at": str(paid_at) if status != UNPAID else None,
        "created_at": str(created),
        "updated_at": str(paid_at + timedelta(seconds=chance.randrange(3_000))),
    }
    return Order(row=row, cards=_cards(chance, row), funds=_funds(row), form=form)


def _form(chance: random.Random) -> dict[str, str]:
    return {
        "游戏账号": f"王者{chance.randrange(10**6)}",
        "密码": f"{GAME_PASSWORD}{chance.randrange(10**6)}",
        "大区": chance.choice(("微信区", "QQ区")),
    }


def _cards(chance: random.Random, row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["status"] in (UNPAID, PAID) or PRODUCTS[row["product_id"] - 1][3]:
        return ()
    if row["product_id"] == SHARED_PRODUCT:
        return (f"{CARD}-SHARED",)
    letters = string.ascii_uppercase
    return tuple(f"{CARD}-{''.join(chance.choices(letters, k=12))}" for _ in range(row["count"]))


def _funds(row: Mapping[str, Any]) -> tuple[tuple[int, int, str], ...]:
    """What the shop books: the merchant's part in, and out again when an order is frozen."""
    if row["status"] in (UNPAID, PAID):
        return ()
    income, number = row["income"], row["order_no"]
    booked = [(1, income, f"订单#{number}")]
    if row["status"] in (FROZEN, REFUND):
        booked.append((2, -income, f"买家投诉, 冻结订单#{number}"))
    return tuple(booked)
