"""A shop of card-system on MariaDB, sealed and read back row for row."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from archiver.errors import Exit
from tests.nights.evidence import FolderVault, Opened, Row
from tests.nights.orders import (
    DAYS,
    ORDERS,
    PASSWORD,
    assert_nothing_forbidden,
    extra,
    instant,
    told,
    unless_zero,
)
from tests.nights.site import Site, assert_identity, dir_store, source, total
from tests.servers.mariadb import ShopDatabase
from tests.shops import card_system


def cs_expected(order: card_system.Order) -> dict[str, Any]:
    """Return what the archive must say of an order."""
    row = order.row
    name, merchant, _, by_hand = card_system.PRODUCTS[row["product_id"] - 1]

    def yuan(column: str) -> Decimal:
        return Decimal(row[column]) / 100

    return {
        "outcome": {2: "completed", 4: "refunded"}[row["status"]],
        "created_at": instant(row["created_at"]),
        "paid_at": instant(row["paid_at"]),
        "completed_at": instant(row["updated_at"]),
        "completed_basis": "updated",
        "quantity": row["count"],
        "seller.merchant_id": str(merchant),
        "seller.name": card_system.MERCHANTS[merchant - 1],
        "buyer.contact": row["contact"],
        "buyer.client_ip": row["ip"],
        "product.name": name,
        "product.category": "游戏",
        "product.kind": "manual" if by_hand else "automatic",
        "money.paid": yuan("paid"),
        "money.total": yuan("price"),
        "money.discount": yuan("discount"),
        "money.fees": yuan("fee"),
        "money.cost_price": yuan("cost"),
        "money.shares": yuan("income"),
        "payment": (
            *(("支付宝", "微信")[row["pay_id"] - 1], row["pay_trade_no"], row["order_no"]),
            *(yuan("paid"), instant(row["paid_at"])),
        ),
        "cards": [(card, row["product_id"] == card_system.SHARED_PRODUCT) for card in order.cards],
        "target": [order.form["游戏账号"]] if "游戏账号" in order.form else [],
        "after_sales": [
            (Decimal(-fen) / 100, remark) for kind, fen, remark in order.funds if kind == 2
        ],
        "events": [
            *([("remark", row["remark"])] if row["remark"] else []),
            *(
                (("", "fund-in", "fund-out")[kind], f"{fen} fen, balance 5000: {remark}")
                for kind, fen, remark in order.funds
            ),
        ],
        "extra": {
            name: value
            for name, value in {
                "pay_id": str(row["pay_id"]),
                "frozen_reason": row["frozen_reason"],
                "sms_price_fen": unless_zero(row["sms_price"]),
                "system_fee_fen": unless_zero(row["system_fee"]),
                "大区": order.form.get("大区"),
                "_mail": order.form.get("_mail"),
            }.items()
            if value is not None
        },
    }


def cs_sealed(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    """Return an archived order in the form of `cs_expected`."""
    [payment] = row["payments"]
    parts = ("method", "provider_no", "merchant_no", "amount", "callback_at")
    return {
        **told(row, *names),
        "payment": tuple(payment[name] for name in parts),
        "cards": [(d["secret"], d["reusable"]) for d in row["deliveries"] if d["kind"] == "card"],
        "target": [d["target"] for d in row["deliveries"] if d["target"]],
        "after_sales": [(one["amount"], one["note"]) for one in row["after_sales"]],
        "events": [(one["kind"], one["note"]) for one in row["events"]],
        "extra": extra(row),
    }


def test_a_card_system_shop_is_sealed_row_for_row(site: Site, shop_database: ShopDatabase) -> None:
    with shop_database.connect() as connection:
        start = site.days_before(DAYS - 2)
        made = card_system.fill(connection, orders=ORDERS, days=DAYS, start=start)
    site.configure(
        store=dir_store(), sources=source(shop_database.url, preset="card-system", more=PASSWORD)
    )

    report = site.first_night()

    assert (report.exit, report.failures) == (Exit.DONE, [])
    assert_identity(report)
    opened = Opened.at(FolderVault(site.folder / "vault"), site.folder)
    rows = {row["order_id"]: row for row in opened.rows()}
    due = {
        order.row["order_no"]: order
        for order in made
        if order.row["status"] in (card_system.SUCCESS, card_system.REFUND)
        and order.row["updated_at"] < str(site.last_closed + timedelta(1))
    }
    assert rows.keys() == due.keys()
    assert len(due) > 200
    for number, row in rows.items():
        expected = cs_expected(due[number])
        lists = ("payment", "cards", "target", "after_sales", "events", "extra")
        names = tuple(name for name in expected if name not in lists)
        assert cs_sealed(row, names) == expected
    assert_nothing_forbidden(site, rows, card_system.CANARIES_NEVER_KEPT)
    opened.assert_everything_is_named_once()
    assert set(total(site.night())) == {"read", "unchanged"}
