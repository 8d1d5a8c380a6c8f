"""A shop whose orders know their payments, sealed on a memory store, and what is paid for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archiver import roots
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.keyring import KeyPair
from archiver.mapping import OrderMapping, parse_mapping
from archiver.reconcile import Comparison, Found, Kinds, Request, compare
from archiver.statements import parse_statement_mapping
from tests import cards, desk
from tests.archives import Silent
from tests.desk import Desk, at
from tests.statements import bills
from tests.statements.bills import Paid

ALIPAY: Final = "支付宝当面付"
WECHAT: Final = "微信扫码"

MAPPING: Final[OrderMapping] = parse_mapping(
    """
name = "payments"
version = 1
key = "id"
order_id = "no"
changed_at = "updated"
query = "SELECT * FROM orders"

[status]
column = "state"
completed = ["done"]
refunded = ["refunded"]

[times]
created = { column = "created_at", zone = "UTC" }
completed = { column = "done_at", zone = "UTC" }
updated = { column = "touched_at", zone = "UTC" }

[completion]
latest_of = ["completed"]

[fields]
"money.paid" = "paid"
"money.currency" = "currency"

[[payments]]
when = [{ column = "method", present = true }]
[payments.columns]
method = "method"
channel = "channel"
provider_no = "trade_no"
merchant_no = "out_no"
amount = "paid"

[[children]]
field = "after_sales"
query = "SELECT order_id, amount, number FROM refunds"
key = "order_id"
columns = { amount = "amount", number = "number" }
"""
)


def order(number: int, ended: datetime, **columns: object) -> dict[str, Any]:
    """Return a finished order that was paid by Alipay a quarter of an hour before its end."""
    row: dict[str, Any] = {
        "id": number,
        "no": f"ORD-{number}",
        "state": "done",
        "created_at": ended - timedelta(minutes=20),
        "done_at": ended,
        "touched_at": columns.get("done_at", ended),
        "paid": f"{number % 90 + 10}.50",
        "currency": "CNY",
        "method": ALIPAY,
        "channel": "direct",
        "trade_no": bills.alipay_no(number),
        "out_no": None,
    }
    return cards.shown(row | columns)


def payment(row: Mapping[str, Any], **changes: object) -> Paid:
    """Return what the provider says of an order that is as it should be."""
    ended = datetime.fromisoformat(row["done_at"] + "+00:00")
    fields: dict[str, Any] = {
        "number": row["trade_no"] or bills.alipay_no(row["id"]),
        "order": row["out_no"] or row["no"],
        "amount": row["paid"],
        "at": (ended - timedelta(minutes=15)).replace(microsecond=0),
    }
    return Paid(**(fields | changes))


@dataclass(slots=True)
class Books:
    """The shop's archive and statements that are compared with it."""

    desk: Desk
    folder: Path
    statements: int = field(default=0)

    @property
    def rows(self) -> list[Any]:
        """The shop's orders."""
        return self.desk.rows

    def open(self) -> tuple[Archive, Catalog, KeyPair]:
        """Open the archive as a compliance officer does."""
        archive = self.desk.open()
        catalog = Catalog(archive, self.folder / "index" / "manifests")
        catalog.refresh()
        root = roots.open_root(
            self.desk.place.keys.roots["base"],
            archive.document.roots["base"],
            archive.id,
            "base",
            environment={},
        )
        return archive, catalog, root

    def file(self, text: str | bytes, encoding: str = "gb18030") -> Path:
        """Write a statement."""
        self.statements += 1
        path = self.folder / f"statement-{self.statements}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    def compare(self, text: str | bytes | Path, **request: Any) -> Comparison:  # noqa: ANN401
        """Compare a statement; the result's differences can be read until the test ends."""
        path = text if isinstance(text, Path) else self.file(text)
        if request.pop("mapped", False):
            request["mapping"] = parse_statement_mapping(bills.MAPPING)
        archive, catalog, root = self.open()
        made = Request(statement=path, **request)
        return compare(archive, catalog, root, made, Silent())


def open_shop(folder: Path, rows: Sequence[Mapping[str, Any]], *, sealed: int = 5) -> Books:
    """Found an archive over a shop's orders and seal the days up to March `sealed`."""
    desk_ = desk.founded(folder, list(rows), mapping=MAPPING, now=at(sealed + 1, 3), exact=False)
    report = desk_.night()
    assert report.failures == []
    return Books(desk_, folder)


def kinds(comparison: Comparison) -> dict[Kinds, int]:
    """Return how many differences of each kind there are."""
    return {one.kind: one.count for one in comparison.totals}


def found(comparison: Comparison) -> list[Found]:
    """Return all differences."""
    return list(comparison.differences())
