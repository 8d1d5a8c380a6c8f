"""独角数卡 (dujiaoka 2.x): its tables, and orders as its code and its administrators leave them.

The same columns in MariaDB and in SQLite, under any table prefix. Times are the shop's local
ones (+08:00), as Laravel writes them: the MariaDB session of a connection that fills a shop is
set to that zone. Everything that must never leave the shop, or never in plain, is planted under
the canary words below, so that a test can search for them byte by byte.
"""

import random
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from typing import Final, NamedTuple

from pymysql.connections import Connection as MariaConnection
from pymysql.cursors import Cursor

from tests.shops.dujiaoka_tables import (
    ORDER_COLUMNS,
    TIMES,
    Connection,
    create_tables,
    execute,
    has_orders_table,
    insert_rows,
)

SEARCH_PASSWORD: Final = "CanarySearchPwd"
"""`orders.search_pwd`: never archived."""
GAME_PASSWORD: Final = "CanaryGamePwd"
"""In `orders.info` of manual orders, behind 密码: never archived."""
MERCHANT_KEY: Final = "CanaryMerchantKey"
"""`pays.merchant_id`, `merchant_key`, `merchant_pem`: never read."""
UNSOLD_CARD: Final = "CANARYSTOCK"
"""`carmis.carmi` of cards that nobody has bought: never read."""
CARD: Final = "CANARYCARD"
"""Begins every sold card secret: archived, under the reveal key only."""
LOOP_CARD: Final = f"{CARD}-LOOP-0001-ALWAYS-THE-SAME"
"""A reusable card (`carmis.is_loop`): the same secret in many orders."""

CANARIES_NEVER_KEPT: Final = (SEARCH_PASSWORD, GAME_PASSWORD, MERCHANT_KEY, UNSOLD_CARD)
CANARIES_NEVER_PLAIN: Final = (CARD,)

EXPIRED, WAIT_PAY, PENDING, PROCESSING, COMPLETED, FAILED, ABNORMAL = -1, 1, 2, 3, 4, 5, 6
AUTOMATIC, MANUAL = 1, 2
START: Final = date(2026, 9, 1)

# ---------------------------------------------------------------------------- catalogue


class Product(NamedTuple):
    """One line of `goods`, as far as orders depend on it."""

    id: int
    group_id: int
    name: str
    price: Decimal
    type: int
    weight: int
    """How often it is bought."""
    form: tuple[str, ...] = ()
    """What a buyer fills in for a manual order."""


GROUPS: Final = ("游戏点卡", "影音会员", "软件激活码", "代充服务")
PRODUCTS: Final = (
    Product(1, 1, "Steam 充值卡 50元（国区）", Decimal("49.50"), AUTOMATIC, 30),
    Product(2, 1, "腾讯Q币卡 10元", Decimal("9.80"), AUTOMATIC, 25),
    Product(3, 2, "爱奇艺黄金VIP会员 月卡", Decimal("15.90"), AUTOMATIC, 15),
    Product(4, 3, "Windows 11 专业版激活码", Decimal("88.00"), AUTOMATIC, 8),
    Product(5, 3, "VPN 试用共享账号（循环）", Decimal("0.00"), AUTOMATIC, 4),
    Product(
        6, 4, "原神 创世结晶 6480 代充", Decimal("598.00"), MANUAL, 6, ("账号", "密码", "大区")
    ),
    Product(7, 4, "王者荣耀 648点券 代充", Decimal("60.30"), MANUAL, 8, ("账号", "密码", "大区")),
    Product(8, 2, "“网易云”黑胶 VIP 年卡 直充 ✨", Decimal("118.80"), MANUAL, 4, ("账号",)),
)
LOOP_PRODUCT: Final = 5
WHOLESALE: Final = ((5, Decimal("0.95")), (20, Decimal("0.90")))

# id, name, code, how its payment numbers look
PAYS: Final = (
    (1, "支付宝当面付", "zfbf2f", "alipay"),
    (2, "微信扫码", "wescan", "wechat"),
    (3, "易支付-支付宝", "alipay", "aggregator"),
    (4, "码支付微信", "mwx", "merchant"),
)
COUPONS: Final = ((1, Decimal("5.00"), "NEWYEAR5"), (2, Decimal("1.50"), "老客户1.5"))


def fill_catalogue(connection: Connection, *, prefix: str = "") -> None:
    """Fill everything but orders: products, groups, payment channels, coupons, some stock."""
    stamp = datetime.combine(START, clock_time()) - timedelta(days=100)
    times: tuple[str, str, None] = (str(stamp), str(stamp), None)
    insert_rows(
        connection,
        f"{prefix}goods_group",
        ("id", "gp_name", *TIMES),
        [(number, name, *times) for number, name in enumerate(GROUPS, 1)],
    )
    insert_rows(
        connection,
        f"{prefix}goods",
        (
            *("id", "group_id", "gd_name", "gd_description", "gd_keywords", "retail_price"),
            *("actual_price", "type", "wholesale_price_cnf", "other_ipu_cnf", *TIMES),
        ),
        [
            (
                *(item.id, item.group_id, item.name, f"{item.name}，自动发货", "点卡,会员"),
                *(str(item.price + 1), str(item.price), item.type, "5=0.95\n20=0.90"),
                "\n".join(f"field{n}={label}=true" for n, label in enumerate(item.form)),
                *times,
            )
            for item in PRODUCTS
        ],
    )
    insert_rows(
        connection,
        f"{prefix}pays",
        (
            *("id", "pay_name", "pay_check", "pay_method", "merchant_id", "merchant_key"),
            *("merchant_pem", "pay_handleroute", *TIMES),
        ),
        [
            (
                *(number, name, code, 2, f"{MERCHANT_KEY}-id{number}", f"{MERCHANT_KEY}-{number}"),
                *(f"{MERCHANT_KEY}-pem-{number}", f"/pay/{code}", *times),
            )
            for number, name, code, _ in PAYS
        ],
    )
    insert_rows(
        connection,
        f"{prefix}coupons",
        ("id", "discount", "coupon", "ret", *TIMES),
        [(number, str(discount), code, 999, *times) for number, discount, code in COUPONS],
    )
    stock = [
        (item.id, 1, 0, f"{UNSOLD_CARD}-{item.id}-{n}", *times)
        for item in PRODUCTS
        if item.type == AUTOMATIC and item.id != LOOP_PRODUCT
        for n in range(5)
    ]
    insert_rows(
        connection,
        f"{prefix}carmis",
        ("goods_id", "status", "is_loop", "carmi", *TIMES),
        [*stock, (LOOP_PRODUCT, 1, 1, LOOP_CARD, *times)],
    )
    connection.commit()


# ------------------------------------------------------------------------------- orders


class Order(NamedTuple):
    """One line of `orders`; the fields are `ORDER_COLUMNS`, money and times as text."""

    id: int
    order_sn: str
    goods_id: int
    coupon_id: int
    title: str
    type: int
    goods_price: str
    buy_amount: int
    coupon_discount_price: str
    wholesale_discount_price: str
    total_price: str
    actual_price: str
    search_pwd: str
    email: str
    info: str
    pay_id: int | None
    buy_ip: str
    trade_no: str
    status: int
    coupon_ret_back: int
    created_at: str
    updated_at: str
    deleted_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What `fill` has put into a shop."""

    orders: list[Order]

    @property
    def by_status(self) -> Counter[int]:
        """How many orders have each status."""
        return Counter(order.status for order in self.orders)

    def finished(self) -> list[Order]:
        """The orders that the shop calls completed."""
        return [order for order in self.orders if order.status == COMPLETED]

    def finished_on(self, day: date) -> list[Order]:
        """The completed orders last touched on this day of the shop's calendar."""
        return [order for order in self.finished() if order.updated_at.startswith(str(day))]


def fill(
    connection: Connection,
    *,
    orders: int,
    days: int = 60,
    start: date = START,
    seed: int = 1,
    first_id: int = 1,
    prefix: str = "",
) -> Filled:
    """Create tables and catalogue where they are missing, and add orders of `days` days.

    The same arguments always give the same orders. All times lie in the days, `created_at`
    rises with the id, and `updated_at` is later by seconds (a card), hours (a manual order),
    or days (touched again by an administrator).
    """
    if not has_orders_table(connection, prefix):
        create_tables(connection, prefix=prefix)
        fill_catalogue(connection, prefix=prefix)
    made = list(make_orders(orders=orders, days=days, start=start, seed=seed, first_id=first_id))
    insert_orders(connection, made, prefix=prefix)
    return Filled(orders=made)


def insert_orders(connection: Connection, orders: Sequence[Order], *, prefix: str = "") -> None:
    """Add these orders, as they are."""
    insert_rows(connection, f"{prefix}orders", ORDER_COLUMNS, orders)
    connection.commit()


def make_orders(
    *, orders: int, days: int = 60, start: date = START, seed: int = 1, first_id: int = 1
) -> Iterator[Order]:
    """Yield orders without storing them, oldest first."""
    chance = random.Random(seed)
    begin = datetime.combine(start, clock_time())
    last_second = begin + timedelta(days=days) - timedelta(seconds=1)
    seconds = sorted(chance.randrange(days * 86_400) for _ in range(orders))
    for number, second in enumerate(seconds, first_id):
        yield _order(chance, number, begin + timedelta(seconds=second), last_second)


def _order(chance: random.Random, number: int, created: datetime, last_second: datetime) -> Order:
    product = chance.choices(PRODUCTS, [item.weight for item in PRODUCTS])[0]
    status = chance.choices(
        (EXPIRED, WAIT_PAY, PENDING, PROCESSING, COMPLETED, FAILED, ABNORMAL),
        (15, 3, 3, 2, 73, 1, 3),
    )[0]
    if product.type == AUTOMATIC and status in (PENDING, PROCESSING):
        status = COMPLETED
    paid = status not in (EXPIRED, WAIT_PAY)
    amount = chance.choices((1, 2, 3, 6, 25), (80, 10, 5, 4, 1))[0]
    total = product.price * amount
    rate = next((rate for least, rate in reversed(WHOLESALE) if amount >= least), Decimal(1))
    wholesale = (total - total * rate).quantize(Decimal("0.01"))
    coupon = chance.choice(COUPONS) if chance.random() < 0.06 and total >= 10 else None
    discount = coupon[1] if coupon else Decimal("0.00")
    actual = total - wholesale - discount
    pay = chance.choices(PAYS, (45, 30, 20, 5))[0] if actual else None
    order_sn = "".join(chance.choices(string.ascii_uppercase + string.digits, k=16))
    updated = min(_updated(chance, created, status, product.type), last_second)
    return Order(
        id=number,
        order_sn=order_sn,
        goods_id=product.id,
        coupon_id=coupon[0] if coupon else 0,
        title=f"{product.name} x {amount}",
        type=product.type,
        goods_price=str(product.price),
        buy_amount=amount,
        coupon_discount_price=str(discount),
        wholesale_discount_price=str(wholesale),
        total_price=str(total),
        actual_price=str(actual),
        search_pwd=f"{SEARCH_PASSWORD}{number}" if chance.random() < 0.6 else "",
        email=_email(chance),
        info=_info(chance, product, amount, status),
        pay_id=pay[0] if pay else None,
        buy_ip=_ip(chance),
        trade_no=_trade_no(chance, pay[3], created, order_sn) if pay and paid else "",
        status=status,
        coupon_ret_back=int(coupon is not None and status == EXPIRED),
        created_at=str(created),
        updated_at=str(updated),
        deleted_at=str(updated) if chance.random() < 0.02 else None,
    )


def _updated(chance: random.Random, created: datetime, status: int, kind: int) -> datetime:
    if status == EXPIRED:
        return created + timedelta(minutes=5)
    if status == WAIT_PAY:
        return created
    seconds = chance.randrange(15, 290)  # the time a buyer needs to pay
    if kind == MANUAL and status in (COMPLETED, FAILED):
        seconds += chance.randrange(600, 40 * 3600)
    if chance.random() < 0.01:  # an administrator touches it again
        seconds += chance.randrange(1, 20 * 86_400)
    return created + timedelta(seconds=seconds)


def _info(chance: random.Random, product: Product, amount: int, status: int) -> str:
    """The shop's text area: cards one per line once paid, or the form as its buyer filled it."""
    if product.type == MANUAL:
        return _form(chance, product)
    if status != COMPLETED:
        return ""
    if product.id == LOOP_PRODUCT:
        return "\n".join([LOOP_CARD] * amount)
    return "\n".join(_card(chance) for _ in range(amount))


def _form(chance: random.Random, product: Product) -> str:
    # `desc:value` and an end of line is what the shop writes; administrators edit the text.
    colon = chance.choices((":", ": ", "："), (75, 20, 5))[0]
    values = {
        "账号": chance.choice((f"1{chance.randrange(3 * 10**9, 10**10 - 1)}", _email(chance))),
        "密码": f"{GAME_PASSWORD}{chance.randrange(10**6)}",
        "大区": chance.choice(("天空岛（官服）", "世界树（B服）", "微信区", "QQ区")),
    }
    return "".join(f"{label}{colon}{values[label]}\n" for label in product.form)


def _card(chance: random.Random) -> str:
    blocks = ["".join(chance.choices(string.ascii_uppercase + string.digits, k=5)) for _ in "123"]
    form = chance.randrange(3)
    if form == 0:
        return f"{CARD}-{'-'.join(blocks)}"
    if form == 1:
        return f"{CARD}{chance.randrange(10**12)}----{blocks[0]}{blocks[1]}"
    return f"卡号：{CARD}{chance.randrange(10**12)} 密码：{blocks[2]}{blocks[0]}"


def _email(chance: random.Random) -> str:
    if chance.random() < 0.6:
        return f"{chance.randrange(10**5, 4 * 10**9)}@qq.com"
    name = "".join(chance.choices(string.ascii_lowercase, k=chance.randrange(4, 10)))
    return f"{name}{chance.randrange(100)}@{chance.choice(('163.com', 'gmail.com', '126.com'))}"


def _ip(chance: random.Random) -> str:
    if chance.random() < 0.15:
        return "2408:" + ":".join(f"{chance.randrange(65536):x}" for _ in range(7))
    rest = ".".join(str(chance.randrange(256)) for _ in "123")
    return f"{chance.choice((36, 58, 112, 183, 223))}.{rest}"


def _trade_no(chance: random.Random, kind: str, created: datetime, order_sn: str) -> str:
    digits = "".join(chance.choices(string.digits, k=24))
    match kind:
        case "alipay":
            return f"{created:%Y%m%d}2200{digits[:16]}"
        case "wechat":
            return f"4200{digits}"
        case "aggregator":
            return f"{created:%Y%m%d%H%M%S}{digits[:5]}"
        case _:
            return order_sn


# --------------------------------------------------------------------------------- bulk


def bulk_fill(
    connection: "MariaConnection[Cursor]",
    *,
    orders: int = 1_000_000,
    day: date = START,
    first_id: int = 1,
    prefix: str = "",
) -> None:
    """Add that many completed orders, all last touched on `day`, made by MariaDB itself.

    For benchmarks: values vary as real ones do but come from hashes of the id, so the same
    arguments give the same orders.
    """
    if not has_orders_table(connection, prefix):
        create_tables(connection, prefix=prefix)
        fill_catalogue(connection, prefix=prefix)
    cards = [item for item in PRODUCTS if item.type == AUTOMATIC and item.id != LOOP_PRODUCT]
    count = len(cards)
    ids = ", ".join(str(item.id) for item in cards)
    names = ", ".join(f"'{item.name} x '" for item in cards)
    prices = ", ".join(str(item.price) for item in cards)
    last_id = first_id + orders - 1
    statement = f"""
        INSERT INTO `{prefix}orders` ({", ".join(f"`{name}`" for name in ORDER_COLUMNS)})
        SELECT
          id, UPPER(LEFT(h, 16)), ELT(p, {ids}), 0, CONCAT(ELT(p, {names}), n), {AUTOMATIC},
          ELT(p, {prices}), n, 0, 0, ELT(p, {prices}) * n, ELT(p, {prices}) * n,
          CONCAT('{SEARCH_PASSWORD}', id),
          IF(c % 5 < 3, CONCAT(c % 3999900000 + 100000, '@qq.com'),
             CONCAT(SUBSTR(h, 3, 4 + c % 6), ELT(1 + c % 3, '@163.com', '@gmail.com', '@126.com'))),
          CONCAT('{CARD}-', UPPER(SUBSTR(h, 5, 15)),
                 IF(n > 1, CONCAT('\\n{CARD}', c, '----', UPPER(SUBSTR(h, 11, 10))), ''),
                 IF(n > 2, CONCAT('\\n卡号：{CARD}', c + 1, ' 密码：', SUBSTR(h, 21, 10)), '')),
          1 + c DIV 64 % {len(PAYS)},
          IF(c % 7 = 0, CONCAT_WS(':', '2408', SUBSTR(h, 1, 4), SUBSTR(h, 5, 4), SUBSTR(h, 9, 4),
                                  SUBSTR(h, 13, 4), SUBSTR(h, 17, 4), SUBSTR(h, 21, 4), '1'),
             INET_NTOA(603979776 + c % 16777216)),
          ELT(1 + c DIV 64 % {len(PAYS)},
              CONCAT('{day:%Y%m%d}2200', LPAD(CONV(SUBSTR(h, 1, 13), 16, 10), 16, '0')),
              CONCAT('4200', LPAD(CONV(SUBSTR(h, 1, 15), 16, 10), 24, '0')),
              CONCAT('{day:%Y%m%d}', LPAD(id, 11, '0')),
              UPPER(LEFT(h, 16))),
          {COMPLETED}, 0,
          finished - INTERVAL 15 + c % 900 SECOND, finished, NULL
        FROM (
          SELECT seq AS id, MD5(CONCAT('order', seq)) AS h, CRC32(seq) AS c,
                 1 + CRC32(seq) % {count} AS p, ELT(1 + seq % 20, 1,1,1,1,1,1,1,1,1,1,
                                                    1,1,1,1,1,1,2,2,2,3) AS n,
                 TIMESTAMP('{day}') + INTERVAL (seq - {first_id}) * 86399 DIV {orders} SECOND
                   AS finished
          FROM seq_{first_id}_to_{last_id}
        ) AS made
    """
    execute(connection, "SET time_zone = '+08:00'")
    execute(connection, "SET unique_checks = 0")
    execute(connection, statement)
    execute(connection, "SET unique_checks = 1")
    connection.commit()
    execute(connection, f"ANALYZE TABLE `{prefix}orders`")
