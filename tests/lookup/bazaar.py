"""A bazaar: shops whose orders share buyers, merchants, products, addresses and even numbers.

Everything is made from a seed, so that a failure can be repeated.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.mapping import OrderMapping, parse_mapping
from tests import format_reader
from tests.archives import Row, RowsSource
from tests.auditor import secret_in
from tests.cards import text
from tests.desk import Desk, at, founded

MAPPING: Final[OrderMapping] = parse_mapping("""
name = "bazaar"
version = 1
key = "id"
order_id = "no"
changed_at = "updated"
query = "SELECT * FROM orders"

[status]
column = "state"
completed = ["done"]
refunded = ["refunded"]
failed = ["failed"]
ignored = ["unpaid"]

[times]
created = { column = "made_at", zone = "UTC" }
paid = { column = "paid_at", zone = "UTC" }
completed = { column = "done_at", zone = "UTC" }
updated = { column = "touched_at", zone = "UTC" }

[completion]
latest_of = ["completed"]
otherwise = "updated"

[fields]
"buyer.contact" = "contact"
"buyer.account" = "account"
"buyer.client_ip" = "ip"
"seller.merchant_id" = "merchant"
"seller.name" = "merchant_name"
"product.name" = "product"
"money.paid" = "paid"
"money.currency" = { const = "CNY" }

[[payments]]
when = [{ column = "channel", present = true }]
columns = { method = "channel", amount = "paid", provider_no = "trade_no", merchant_no = "own_no" }

[[deliveries]]
split_lines = true
columns = { kind = { const = "card" }, secret = "secret", target = "target" }
""")

BUYERS: Final = 40
PRODUCTS: Final = ("Q币 100个", "魔兽点卡", "Steam 50% 充值卡", "Café 会员", "_测试_")
CHANNELS: Final = ("alipay", "wechat", None)
START: Final = at(2)
MOST_REVISED: Final = 300
"""Of one shop in a night: more than that a night would not seal at once."""


def a_row(random_: random.Random, number: int, ended: datetime, shop: int) -> Row:
    """Return an order; its values are drawn from few, so that many orders share them."""
    buyer = random_.randrange(BUYERS)
    merchant = random_.randrange(4)
    secrets = [f"C{random_.randrange(10**8):08d}----P{random_.randrange(10**6):06d}"]
    secrets += ["REUSED-CARD-2026"] if random_.random() < 0.05 else []
    row: dict[str, Any] = {
        "id": number,
        # Shop 1 and 2 number alike: an id may stand in both.
        "no": f"D{number:06d}" if shop < 2 else f"E{number:06d}",
        "state": random_.choices(("done", "refunded", "failed"), (8, 1, 1))[0],
        "made_at": ended - timedelta(minutes=random_.randrange(5, 500)),
        "paid_at": ended - timedelta(minutes=4),
        "done_at": ended,
        "touched_at": ended,
        "contact": (f"Buyer{buyer}@QQ.com", f"1380000{buyer:04d}")[buyer % 2],
        "account": f"user{buyer}" if random_.random() < 0.5 else None,
        "ip": f"10.1.{buyer}.7" if random_.random() < 0.9 else "::ffff:10.1.1.1",
        "merchant": f"m{merchant}",
        "merchant_name": ("卡盟一号", "Straße", "m0", None)[merchant],
        "product": random_.choice(PRODUCTS),
        "paid": f"{random_.randrange(1, 9)}.50",
        "channel": random_.choice(CHANNELS),
        "trade_no": f"2026{number:012d}",
        "own_no": f"M{number % 50}",
        "target": f"+86 138-0000-{buyer:04d}" if random_.random() < 0.3 else None,
        "secret": "\n".join(secrets),
    }
    return _shown(row)


def _shown(row: Row) -> Row:
    return {n: text(v) if isinstance(v, datetime) else v for n, v in row.items()}


@dataclass(slots=True)
class Bazaar:
    """An archive of several shops after several nights."""

    desk: Desk
    sealed: Sequence[Row]
    """Every sealed revision, whole, read by FORMAT.md's reader alone."""

    @property
    def archive(self) -> Archive:
        """The archive, opened as a night opens it."""
        return self.desk.open()


@dataclass(slots=True)
class Market:
    """Shops whose days come one by one; each order and change follows from the seed."""

    desk: Desk
    random: random.Random
    opened: int = 0
    """Days so far."""

    def next_day(self, orders: int) -> None:
        """Let a day pass: new orders, spread over the shops, and changes to old ones."""
        day, self.opened = self.opened, self.opened + 1
        self.desk.clock.instant = START + timedelta(days=day)
        for shop, source in enumerate(self.desk.sources):
            for n in range(orders // len(self.desk.sources)):
                number = day * 1_000_000 + n + 1
                ended = START + timedelta(days=day, seconds=self.random.randrange(40_000))
                source.held.append(a_row(self.random, number, ended, shop))
            if day:
                _revise(self.random, source, START + timedelta(days=day, seconds=100))

    def seal(self) -> None:
        """Run the night of the last day."""
        self.desk.night_of(1 + self.opened)


def market(folder: Path, *, shops: int = 3, seed: int = 1) -> Market:
    """Open shops that have no orders yet, and their archive."""
    desk = founded(folder, [], mapping=MAPPING, now=at(2, 0), page_rows=20_000)
    desk.sources = [
        RowsSource(MAPPING, [], name=f"shop{n}", exact=True, page_rows=20_000) for n in range(shops)
    ]
    return Market(desk, random.Random(seed))


def bazaar(folder: Path, *, orders: int, days: int = 5, seed: int = 1) -> Bazaar:
    """Seal three shops over some days, with revisions that change values and late orders."""
    made = market(folder, seed=seed)
    for _ in range(days):
        made.next_day(orders // days)
        made.seal()
    return Bazaar(made.desk, [row for _, rows in read_all(made.desk) for row in rows])


def _revise(random_: random.Random, source: RowsSource, now: datetime) -> None:
    for place in random_.sample(range(len(source.held)), min(len(source.held) // 20, MOST_REVISED)):
        row = dict(source.held[place])
        row["touched_at"] = text(now)
        changed = random_.choice(("contact", "state", "product", "paid", "done_at", "secret"))
        row[changed] = {
            "contact": f"buyer{random_.randrange(BUYERS)}@qq.com",
            "state": "refunded",
            "product": random_.choice(PRODUCTS),
            "paid": f"{random_.randrange(1, 9)}.50",
            "done_at": text(now),
            "secret": "N0000001----Q000001\nN0000002----Q000002",  # none is lost: that is an alarm
        }[changed]
        source.held[place] = row


def read_all(desk: Desk, after: int = 0) -> Iterator[tuple[int, Sequence[Row]]]:
    """Yield each manifest behind `after` and the rows that it names, with their secrets."""
    fetch = format_reader.fetch_from(desk.store)
    folder = desk.place.folder
    anchor = desk.place.keys.anchor.read_bytes()
    roots = {
        "base": secret_in(folder / "root.key", "seed"),
        "reveal": secret_in(folder / "reveal-root.key", "seed"),
    }
    catalog = Catalog(desk.open(), folder / "index" / "manifests")
    catalog.refresh()
    read = format_reader.names()["read"]
    for entry in catalog.entries[after:]:
        number = entry.document.number
        tables = read(fetch, anchor, number, roots)
        yield number, [row for table in tables for row in table.to_pylist()]


NOW: Final = datetime(2026, 3, 20, tzinfo=UTC)
