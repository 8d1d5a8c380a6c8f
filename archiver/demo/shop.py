"""The demonstration's shop: 独角数卡's tables in SQLite, with two months of orders.

Everything in it is invented, and the same arguments always give the same orders. It has what
real shops have: buyers who never pay, manual top-ups that take a day, rows that a broken plugin
has written, an administrator who replaces a card days later.
"""

import random
import sqlite3
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

EXPIRED, UNPAID, PENDING, COMPLETED, FAILED, ABNORMAL = -1, 1, 2, 4, 5, 6
AUTOMATIC, MANUAL = 1, 2
FORM: Final = "账号:{account}\n密码:{password}\n大区:{region}\n"
"""What the shop makes of the fields that a buyer fills in for a manual order."""


class Product(NamedTuple):
    """What is sold."""

    name: str
    group: int
    price: Decimal
    type: int
    weight: int
    """How often it is bought."""


GROUPS: Final = ("游戏点卡", "影音会员", "软件激活码", "代充服务")
PRODUCTS: Final = (
    Product("Steam 充值卡 50元（国区）", 1, Decimal("49.50"), AUTOMATIC, 30),
    Product("腾讯Q币卡 10元", 1, Decimal("9.80"), AUTOMATIC, 25),
    Product("爱奇艺黄金VIP会员 月卡", 2, Decimal("15.90"), AUTOMATIC, 15),
    Product("Windows 11 专业版激活码", 3, Decimal("88.00"), AUTOMATIC, 8),
    Product("网易云黑胶VIP 年卡 ✨", 2, Decimal("118.80"), AUTOMATIC, 8),
    Product("原神 创世结晶 6480 代充", 4, Decimal("598.00"), MANUAL, 6),
    Product("王者荣耀 648点券 代充", 4, Decimal("60.30"), MANUAL, 8),
)
PAYS: Final = (("支付宝当面付", "zfbf2f"), ("微信扫码", "wescan"), ("易支付-支付宝", "alipay"))
COUPON: Final = Decimal("5.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to the shop between two nights."""

    new: int
    late: int
    """Finished on days that were sealed already, and seen only now."""
    changed: int
    """Sealed orders whose card an administrator has replaced."""
    malformed: int
    replaced: str
    """The order number of one of the changed orders."""
    secret: str
    """The card that this order has now."""


class Shop:
    """A shop in a SQLite file, filled day by day."""

    def __init__(self, path: Path, *, last_day: date, days: int, seed: int = 20) -> None:
        """Create the file.

        Args:
            path: Of the file, which must not exist.
            last_day: The shop's last day by its own calendar.
            days: How many days it has been open by then.
            seed: Decides all orders.
        """
        self.path = path
        self.last_day = last_day
        self.first_day = last_day - timedelta(days=days - 1)
        self._chance = random.Random(seed)  # noqa: S311  invented data must repeat
        with self._connection() as connection:
            script = resources.files("archiver.demo").joinpath("dujiaoka.sql")
            connection.executescript(script.read_text("utf-8"))
            self._fill_catalogue(connection)

    def open_until(self, day: date, orders: int) -> int:
        """Add the orders of all days up to `day`, and a few that cannot be mapped.

        Returns:
            How many the shop has then.
        """
        span = (day - self.first_day).days + 1
        seconds = sorted(self._chance.randrange(span * 86_400) for _ in range(orders))
        start = datetime.combine(self.first_day, clock_time())
        end = start + timedelta(days=span, seconds=-1)
        rows = [self._order(start + timedelta(seconds=second), end) for second in seconds]
        damaged = self._chance.sample([row for row in rows if row["status"] == COMPLETED], 3)
        damaged[0]["updated_at"] = "0000-00-00 00:00:00"
        damaged[1]["actual_price"] = "-49.50"
        damaged[2]["status"] = 40
        with self._connection() as connection:
            _insert(connection, "orders", rows)
        return len(rows)

    def pass_day(self, orders: int) -> Change:
        """Let the last day happen: new orders, late ones, changed ones, broken ones."""
        start = datetime.combine(self.last_day, clock_time())
        end = start + timedelta(days=1, seconds=-1)
        seconds = sorted(self._chance.randrange(86_400) for _ in range(orders))
        new = [self._order(start + timedelta(seconds=second), end) for second in seconds]
        late = []
        for days_ago in (2, 2, 3, 5):
            # A payment message that came in time but was committed after the night had read.
            then = start - timedelta(days=days_ago, hours=-self._chance.randrange(8, 20))
            late.append(self._order(then, then + timedelta(hours=1), COMPLETED, PRODUCTS[1]))
        broken = self._order(start + timedelta(hours=9), end, COMPLETED, PRODUCTS[2])
        broken["title"] = b"\xb0\xae\xc6\xe6\xd2\xd5 VIP"  # GBK bytes in a UTF-8 column
        with self._connection() as connection:
            _insert(connection, "orders", [*new, *late, broken])
            changed = self._replace_cards(connection, start + timedelta(hours=15))
        return Change(
            new=len(new),
            late=len(late),
            changed=len(changed),
            malformed=1,
            replaced=changed[-1][0],
            secret=changed[-1][1],
        )

    def payment_no(self, order: str) -> str:
        """Return the number by which the provider knows an order's payment."""
        with self._connection() as connection:
            query = "SELECT trade_no FROM orders WHERE order_sn = ?"
            found: str = connection.execute(query, (order,)).fetchone()[0]
        return found

    def search_password(self, order: str) -> str:
        """Return the query password of an order: what must be found nowhere else."""
        with self._connection() as connection:
            query = "SELECT search_pwd FROM orders WHERE order_sn = ?"
            found: str = connection.execute(query, (order,)).fetchone()[0]
        return found

    def _replace_cards(
        self, connection: sqlite3.Connection, when: datetime
    ) -> Sequence[tuple[str, str]]:
        """Give some buyers of the last days another card, as an administrator does."""
        query = (
            "SELECT order_sn FROM orders WHERE type = 1 AND status = 4 AND buy_amount = 1 "
            "AND search_pwd <> '' AND updated_at BETWEEN ? AND ? ORDER BY id"
        )
        span = str(when - timedelta(days=5)), str(when - timedelta(days=2))
        candidates = [row[0] for row in connection.execute(query, span)]
        chosen = [(order, self._card()) for order in self._chance.sample(candidates, 6)]
        connection.executemany(
            "UPDATE orders SET info = ?, updated_at = ? WHERE order_sn = ?",
            [(card, str(when + timedelta(minutes=n)), sn) for n, (sn, card) in enumerate(chosen)],
        )
        return chosen

    def _order(
        self,
        created: datetime,
        end: datetime,
        status: int | None = None,
        product: Product | None = None,
    ) -> dict[str, object]:
        chance = self._chance
        product = product or chance.choices(PRODUCTS, [item.weight for item in PRODUCTS])[0]
        if status is None:
            states = (EXPIRED, UNPAID, PENDING, COMPLETED, FAILED, ABNORMAL)
            status = chance.choices(states, (15, 3, 3, 75, 2, 2))[0]
            if status == PENDING and product.type == AUTOMATIC:
                status = COMPLETED
        paid = status not in (EXPIRED, UNPAID)
        amount = chance.choices((1, 2, 5), (85, 10, 5))[0]
        total = product.price * amount
        discount = COUPON if chance.random() < 0.05 and total > COUPON else Decimal(0)  # noqa: PLR2004
        seconds = chance.randrange(15, 290)  # what a buyer needs to pay
        if product.type == MANUAL and status in (COMPLETED, FAILED):
            seconds += chance.randrange(600, 30 * 3600)
        updated = min(created + timedelta(seconds=seconds), end)
        pay = chance.choices((1, 2, 3), (50, 30, 20))[0]
        digits = "".join(chance.choices(string.digits, k=20))
        return {
            "order_sn": "".join(chance.choices(string.ascii_uppercase + string.digits, k=16)),
            "goods_id": PRODUCTS.index(product) + 1,
            "coupon_id": int(discount > 0),
            "title": f"{product.name} x {amount}",
            "type": product.type,
            "goods_price": str(product.price),
            "buy_amount": amount,
            "coupon_discount_price": str(discount),
            "total_price": str(total),
            "actual_price": str(total - discount),
            "search_pwd": f"query-{digits[:8]}" if chance.random() < 0.6 else "",  # noqa: PLR2004
            "email": f"{chance.randrange(10**5, 4 * 10**9)}@qq.com",
            "info": self._info(product, amount, status),
            "pay_id": pay,
            "buy_ip": f"{chance.choice((36, 58, 112, 183))}.{digits[:2]}.{digits[2:4]}.{amount}",
            "trade_no": f"{created:%Y%m%d}2200{digits[:16]}" if paid else "",
            "status": status,
            "created_at": str(created),
            "updated_at": str(updated),
        }

    def _info(self, product: Product, amount: int, status: int) -> str:
        if product.type == MANUAL:
            return FORM.format(
                account=f"1{self._chance.randrange(3 * 10**9, 10**10 - 1)}",
                password=f"game-{self._chance.randrange(10**6)}",
                region=self._chance.choice(("天空岛（官服）", "世界树（B服）", "微信区")),
            )
        return "\n".join(self._card() for _ in range(amount)) if status == COMPLETED else ""

    def _card(self) -> str:
        letters = string.ascii_uppercase + string.digits
        return "-".join("".join(self._chance.choices(letters, k=5)) for _ in range(4))

    def _fill_catalogue(self, connection: sqlite3.Connection) -> None:
        stamp = f"{self.first_day} 00:00:00"
        times = {"created_at": stamp, "updated_at": stamp}
        _insert(connection, "goods_group", [{"gp_name": name, **times} for name in GROUPS])
        _insert(
            connection,
            "goods",
            [
                {
                    "group_id": item.group,
                    "gd_name": item.name,
                    "gd_description": f"{item.name}，官方正品",
                    "gd_keywords": "点卡,会员",
                    "actual_price": str(item.price),
                    "type": item.type,
                    **times,
                }
                for item in PRODUCTS
            ],
        )
        _insert(
            connection,
            "pays",
            [
                {
                    "pay_name": name,
                    "pay_check": code,
                    "pay_method": 2,
                    "merchant_key": "never read",
                    "merchant_pem": "never read",
                    "pay_handleroute": f"/pay/{code}",
                    **times,
                }
                for name, code in PAYS
            ],
        )
        coupon = {"discount": str(COUPON), "coupon": "NEWYEAR5", "ret": 999, **times}
        _insert(connection, "coupons", [coupon])
        stock = [{"goods_id": 1, "carmi": self._card(), **times} for _ in range(20)]
        _insert(connection, "carmis", stock)

    def _connection(self) -> "_Transaction":
        return _Transaction(self.path)


class _Transaction:
    """A connection that commits and closes; sqlite3's own context manager leaves it open."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, object]]) -> None:
    names = list(rows[0])
    marks = ", ".join("?" * len(names))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608  our own names
        _values(rows, names),
    )


def _values(
    rows: Sequence[dict[str, object]], names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    for row in rows:
        yield tuple(row[name] for name in names)
