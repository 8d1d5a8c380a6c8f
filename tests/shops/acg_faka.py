"""异次元发卡 (acg-faka 3.5) in MariaDB: orders as its code and its staff leave them.

Times are the shop's local ones in `datetime` columns. What must never leave the shop, or never in
plain, is planted under the canary words below.
"""

import json
import random
import string
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tests.shops.acg_faka_tables import TABLES, Connection, create_tables
from tests.shops.dujiaoka_tables import insert_rows

QUERY_PASSWORD: Final = "CanaryQueryPwd"
GAME_PASSWORD: Final = "CanaryGamePwd"
SUPPLIER_KEY: Final = "CanarySupplierKey"
USER_PASSWORD: Final = "CanaryUserPwd"
PAY_URL: Final = "CanaryPayUrl"
UNSOLD_CARD: Final = "CANARYSTOCK"
CARD: Final = "CANARYCARD"
CANARIES_NEVER_KEPT: Final = (
    *(QUERY_PASSWORD, GAME_PASSWORD, SUPPLIER_KEY, USER_PASSWORD, PAY_URL, UNSOLD_CARD),
)
APOLOGY: Final = "很抱歉，有人在你付款之前抢走了商品，请联系客服。"
WAITING: Final = "正在发货中，请耐心等待，如有疑问，请联系客服。"

CATEGORIES: Final = ("点卡", "会员直充")
# name, category, price, delivered by hand, supplier
PRODUCTS: Final = (
    ("<b>Steam</b> 50元 ✨", 1, "49.50", 0, None),
    ("爱奇艺 月卡", 1, "15.90", 0, 1),
    ("原神 代充 “6480”", 2, "598.00", 1, None),
)
PAYS: Final = (("余额", "#system", "#system"), ("支付宝", "alipay", "Epay"), ("微信", "wx", "Own"))
USERS: Final = ("老王", "reseller<1>", "promoter", "buyer😀")
SUPPLIER: Final = ("上游批发", "https://supply.example.com")


class Order(NamedTuple):
    """One order, with what stands in other tables because of it."""

    row: Mapping[str, Any]
    form: Mapping[str, str]
    """What its buyer filled in, by title."""
    ticket: bool
    refund: Decimal | None
    by_hand: datetime | None
    """When staff delivered it."""

    @property
    def state(self) -> tuple[int, int]:
        """Paid, delivered."""
        return self.row["status"], self.row["delivery_status"]


def fill(
    connection: Connection,
    *,
    orders: int,
    days: int,
    start: date,
    seed: int = 1,
    prefix: str = "acg_",
    tickets: bool = True,
) -> list[Order]:
    """Create the shop with orders of `days` days; the same arguments give the same orders."""
    create_tables(connection, prefix=prefix, tickets=tickets)

    def add(table: str, columns: str, rows: list[tuple[object, ...]]) -> None:
        insert_rows(connection, f"{prefix}{table}", columns.split(), rows)

    add("category", "name", [(name,) for name in CATEGORIES])
    add("shared", "name domain app_id app_key", [(*SUPPLIER, "77", SUPPLIER_KEY)])
    add(
        "commodity",
        "name category_id price delivery_way shared_id description",
        [(*product, f"<p>{product[0]}</p>") for product in PRODUCTS],
    )
    add("pay", "name code handle", [*PAYS])
    add(
        "user",
        "username email password salt app_key",
        [(name, None, USER_PASSWORD, USER_PASSWORD, SUPPLIER_KEY) for name in USERS],
    )
    add("coupon", "code money", [("SAVE5", "5.00")])
    add("card", "commodity_id secret", [(1, f"{UNSOLD_CARD}-{n}") for n in range(5)])
    made = list(make_orders(orders=orders, days=days, start=start, seed=seed))
    columns = tuple(TABLES["order"])
    insert_rows(
        connection,
        f"{prefix}order",
        columns,
        [tuple(order.row[name] for name in columns) for order in made],
    )
    for order in made:
        number, paid = order.row["trade_no"], order.row["pay_time"]
        if order.refund is not None:
            bill = (4, str(order.refund), 1, f"售后退款[{number}]", paid)
            add("bill", "owner amount type log create_time", [bill])
        if order.row["user_id"] and paid:
            add(
                "bill",
                "owner amount type log create_time",
                [(order.row["user_id"], "1.00", 1, f"自营商品出售[{number}]", paid)],
            )
        if order.by_hand:
            log = f"[手动发货]({order.row['id']})修改了发货信息"
            at = str(order.by_hand)
            add("manage_log", "nickname content create_time", [("客服小李", log, at)])
        if order.ticket and tickets:
            ident = order.row["id"]
            add(
                "ticket",
                "id ticket_no title order_trade_no closed_time create_time",
                [(ident, f"T{ident:08d}", "卡密无法使用", number, paid, paid)],
            )
            add(
                "ticket_message",
                "ticket_id sender_type sender_name content create_time",
                [
                    (ident, 0, "买家", f"<p>{CARD} 是坏的</p>", paid),
                    (ident, 1, "客服", "已补发", paid),
                ],
            )
    add("manage_log", "nickname content create_time", [("站长", "[登录]后台", f"{start} 00:00:00")])
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
    item = chance.choices((1, 2, 3), (5, 3, 3))[0]
    _, _, price, by_hand, _ = PRODUCTS[item - 1]
    count = chance.choice((1, 1, 1, 2, 5))
    amount = Decimal(price) * count
    paid_at = created + timedelta(seconds=chance.randrange(5, 900))
    paid = chance.random() < 0.8
    delivered = paid and not (by_hand and chance.random() < 0.3)
    owner, merchant = chance.choice((0, 0, 4)), chance.choice((0, 0, 1))
    form = _form(chance) if by_hand or chance.random() < 0.1 else {}
    titles = {f"field{n}": {"value": v, "cn": k} for n, (k, v) in enumerate(form.items())}
    # The shop has written its forms both ways.
    widget = json.dumps(titles, ensure_ascii=chance.random() < 0.5) if form else None
    refund = amount if delivered and chance.random() < 0.05 else None
    secret = None
    if paid:
        secret = _goods(chance, count) if delivered else WAITING
    hour = timedelta(hours=chance.randrange(1, 90))
    row = {
        "id": number,
        "owner": owner,
        "user_id": merchant,
        "trade_no": "".join(chance.choices(string.digits, k=12)) + f"{number:06d}",
        "amount": str(amount),
        "commodity_id": item,
        "card_id": chance.choice((None, 0, number)),
        "card_num": count,
        "pay_id": chance.choice((1, 2, 3)),
        "create_time": str(created),
        "create_ip": f"36.1.{chance.randrange(256)}.{chance.randrange(256)}",
        "create_device": chance.randrange(4),
        "pay_time": str(paid_at) if paid else None,
        "status": int(paid),
        "secret": secret,
        "password": QUERY_PASSWORD,
        "contact": chance.choice(
            ("a&amp;b@qq.com", "13800138000", "&lt;李&gt;", f"{number}@qq.com")
        ),
        "delivery_status": int(delivered),
        "pay_url": f"https://pay.example.com/{PAY_URL}/{number}",
        "coupon_id": chance.choice((None, 0, 1)),
        "cost": chance.choice(("0.00", "1.25")),
        "from": chance.choice((None, 0, 3)),
        "premium": chance.choice(("0.00", "2.00", None)),
        "widget": widget,
        "rent": str(Decimal(price) / 2),
        "race": chance.choice((None, "", "国区")),
        "rebate": chance.choice(("0.00", "0.33", None)),
        "pay_cost": chance.choice(("0.00", "0.60")),
        "sku": chance.choice((None, '{"面值":"50"}')),
        "divide_amount": chance.choice((None, "0.00", "0.44")),
        "substation_user_id": chance.choice((None, 2)),
        "request_no": f"R{number:017d}" if chance.random() < 0.1 else None,
    }
    return Order(
        row=row,
        form=form,
        ticket=paid and chance.random() < 0.1,
        refund=refund,
        by_hand=paid_at + hour if by_hand and delivered else None,
    )


def _form(chance: random.Random) -> dict[str, str]:
    return {
        "游戏账号": f"player{chance.randrange(10**6)}",
        "登录密码": f"{GAME_PASSWORD}{chance.randrange(10**6)}",
        "大区": chance.choice(("天空岛（官服）", "世界树")),
    }


def _goods(chance: random.Random, count: int) -> str:
    if chance.random() < 0.05:
        return APOLOGY
    cards = ("".join(chance.choices(string.ascii_uppercase, k=12)) for _ in range(count))
    return "\r\n".join(f"{CARD}-{card}" for card in cards)
