"""A shop of acg-faka on MariaDB, sealed and read back row for row."""

import html
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from archiver.errors import Exit
from archiver.ports import Window
from tests.nights.evidence import FolderVault, Opened, Row
from tests.nights.orders import (
    DAYS,
    ORDERS,
    PASSWORD,
    assert_nothing_forbidden,
    extra,
    instant,
    lines,
    text,
    told,
    unless_zero,
)
from tests.nights.site import SHANGHAI, Site, assert_identity, dir_store, source, total
from tests.servers.mariadb import ShopDatabase
from tests.shops import acg_faka


def acg_expected(order: acg_faka.Order) -> dict[str, Any]:
    """Return what the archive must say of an order; written from the shop's code, not ours."""
    row = order.row
    name, category, _, by_hand, supplied = acg_faka.PRODUCTS[row["commodity_id"] - 1]
    method, _, handle = acg_faka.PAYS[row["pay_id"] - 1]
    parts = (Decimal(row[part] or 0) for part in ("rebate", "divide_amount"))
    return {
        "outcome": "completed",
        "created_at": instant(row["create_time"]),
        "paid_at": instant(row["pay_time"]),
        "completed_at": instant(row["pay_time"]),
        "completed_basis": "paid",
        "quantity": row["card_num"],
        "seller.merchant_id": str(row["user_id"]),
        "seller.name": acg_faka.USERS[row["user_id"] - 1] if row["user_id"] else None,
        "seller.own": row["user_id"] == 0,
        "seller.sub_site": text(row["substation_user_id"]),
        "seller.promoter": unless_zero(row["from"]),
        "buyer.account": acg_faka.USERS[row["owner"] - 1] if row["owner"] else None,
        "buyer.guest": row["owner"] == 0,
        "buyer.contact": html.unescape(row["contact"]),
        "buyer.client_ip": row["create_ip"],
        "buyer.device": ("PC", "Android", "iOS", "iPad")[row["create_device"]],
        "product.name": name,
        "product.category": acg_faka.CATEGORIES[category - 1],
        "product.description": f"<p>{name}</p>",
        "product.kind": "manual" if by_hand else "automatic",
        "product.sku": row["sku"],
        "money.paid": Decimal(row["amount"]),
        "money.total": Decimal(row["amount"]),
        "money.fees": Decimal(row["pay_cost"]),
        "money.cost_price": Decimal(row["rent"]),
        "money.shares": sum(parts, Decimal(0)),
        "money.coupon": "SAVE5" if row["coupon_id"] else None,
        "payment": (
            *(method, {"#system": "balance", "Epay": "aggregator"}.get(handle), None),
            *(row["trade_no"], Decimal(row["amount"]), instant(row["pay_time"])),
        ),
        "cards": [(line, line == acg_faka.APOLOGY) for line in lines(row["secret"])],
        "target": [order.form["游戏账号"]] if order.form else [],
        "extra": {
            name: value
            for name, value in {
                "race": text(row["race"]),
                "buyer_id": unless_zero(row["owner"]),
                "pay_id": str(row["pay_id"]),
                "coupon_id": unless_zero(row["coupon_id"]),
                "sub_site_fee": unless_zero(row["cost"]),
                "premium": unless_zero(row["premium"]),
                "rebate": unless_zero(row["rebate"]),
                "divide_amount": unless_zero(row["divide_amount"]),
                "supplier": acg_faka.SUPPLIER[0] if supplied else None,
                "supplier_domain": acg_faka.SUPPLIER[1] if supplied else None,
                "大区": order.form.get("大区"),
            }.items()
            if value is not None
        },
    }


ACG_TOLD = tuple(name for name in acg_expected(
    next(acg_faka.make_orders(orders=1, days=1, start=date(2026, 1, 1)))
) if name not in ("payment", "cards", "target", "extra"))  # fmt: skip


def acg_sealed(row: Row) -> dict[str, Any]:
    """Return an archived order in the form of `acg_expected`."""
    [payment] = row["payments"]
    names = ("method", "channel", "provider_no", "merchant_no", "amount", "callback_at")
    return {
        **told(row, *ACG_TOLD),
        "payment": tuple(payment[name] for name in names),
        "cards": [(d["secret"], d["placeholder"]) for d in row["deliveries"] if d["secret"]],
        "target": [d["target"] for d in row["deliveries"] if d["target"]],
        "extra": extra(row),
    }


@pytest.mark.parametrize("tickets", [True, False])
def test_an_acg_faka_shop_is_sealed_row_for_row(
    site: Site, shop_database: ShopDatabase, tickets: bool
) -> None:
    with shop_database.connect() as connection:
        start = site.days_before(DAYS - 2)
        made = acg_faka.fill(
            connection, orders=ORDERS, days=DAYS, start=start, prefix="x_", tickets=tickets
        )
    more = PASSWORD + 'parameters = { prefix = "x_" }\n'
    shop = source(shop_database.url, preset="acg-faka", more=more)
    site.configure(store=dir_store(), sources=shop)

    report = site.first_night()

    assert (report.exit, report.failures) == (Exit.DONE, [])
    assert_identity(report)
    opened = Opened.at(FolderVault(site.folder / "vault"), site.folder)
    rows = {row["order_id"]: row for row in opened.rows()}
    due = {
        order.row["trade_no"]: order
        for order in made
        if order.state == (1, 1) and order.row["pay_time"] < str(site.last_closed + timedelta(1))
    }
    assert rows.keys() == due.keys()
    assert len(due) > 200
    for number, row in rows.items():
        assert acg_sealed(row) == acg_expected(due[number])
        assert_acg_after_sales(row, due[number], tickets=tickets)
    assert_nothing_forbidden(site, rows, acg_faka.CANARIES_NEVER_KEPT)
    opened.assert_everything_is_named_once()
    assert set(total(site.night())) == {"read", "unchanged"}


def assert_acg_after_sales(row: Row, order: acg_faka.Order, *, tickets: bool) -> None:
    """Tickets, refunds to accounts, and deliveries by hand are there."""
    if not tickets:
        assert (row["after_sales"], row["events"]) == ([], [])
        return
    paid = instant(order.row["pay_time"])
    found = sorted((a["route"], a["amount"], a["requested_at"], a["paid_at"])
                   for a in row["after_sales"])  # fmt: skip
    due: list[Any] = [("balance", order.refund, None, paid)] if order.refund is not None else []
    due += [("ticket", None, paid, None)] if order.ticket else []
    assert found == due
    hand = [one["at"] for one in row["events"] if one["kind"] == "manual-delivery"]
    assert hand == ([order.by_hand.replace(tzinfo=SHANGHAI)] if order.by_hand else [])
    said = [(e["kind"], e["actor"]) for e in row["events"] if e["kind"].startswith("ticket")]
    assert said == ([("ticket-buyer", "买家"), ("ticket-staff", "客服")] if order.ticket else [])


def test_what_acg_faka_delivers_by_hand_later_is_sealed_when_its_row_is_asked_for(
    site: Site, shop_database: ShopDatabase
) -> None:
    with shop_database.connect() as connection, connection.cursor() as cursor:
        made = acg_faka.fill(connection, orders=200, days=3, start=site.days_before(40))
        waiting = next(order.row for order in made if order.state == (1, 0))
        shop = source(shop_database.url, preset="acg-faka", more=PASSWORD)
        site.configure(store=dir_store(), sources=shop)
        site.first_night()
        cursor.execute(
            "UPDATE acg_order SET delivery_status = 1, secret = 'CANARYCARD-LATE' WHERE id = %s",
            [waiting["id"]],
        )
        connection.commit()
    here = site.installation.sources.all()[0].source
    ever = site.clock.now() - timedelta(days=90)
    window = Window(start=ever, end=site.clock.now())

    states = {
        key: state
        for table in here.census(window, window)
        for key, state in zip(table["key"].to_pylist(), table["state"].to_pylist(), strict=True)
    }

    assert states[str(waiting["id"]).encode()] == b"1-1"
    [page] = here.rows([str(waiting["id"]).encode()])
    assert page.rows["secret"].to_pylist() == [b"CANARYCARD-LATE"]
