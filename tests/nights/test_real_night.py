"""Nights on real shops, judged from outside: boto3, FORMAT.md's reader, and the shop's rows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymysql.cursors import DictCursor

from archiver.errors import Exit
from tests.nights.evidence import (
    BucketVault,
    Opened,
    Row,
    end_of_period,
    payload,
    shanghai,
)
from tests.nights.site import (
    SHANGHAI,
    Site,
    assert_identity,
    s3_store,
    source,
    total,
)
from tests.servers.mariadb import READER_PASSWORD, ShopDatabase
from tests.servers.proxy import S3Proxy
from tests.servers.seaweedfs import S3Bucket
from tests.shops import dujiaoka

ORDERS = 4_000
DAYS = 12
PASSWORD = 'password_env = "SHOP_DB_PASSWORD"'


@pytest.fixture
def site(tmp_path: Path, s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A host with the store's credentials in its environment."""
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    return Site(tmp_path / "host", environment={"SHOP_DB_PASSWORD": READER_PASSWORD})


# ------------------------------------------------------------------------- the shop's own view


def shop_rows(shop: ShopDatabase) -> dict[str, Row]:
    """Return all orders by number, with the names that stand in other tables, in shop time."""
    with shop.connect() as connection, connection.cursor(DictCursor) as cursor:
        cursor.execute("SET time_zone = '+08:00'")
        cursor.execute(
            "SELECT o.*, g.gd_description, c.gp_name, p.pay_name, p.pay_check, k.coupon "
            "FROM orders o LEFT JOIN goods g ON g.id = o.goods_id "
            "LEFT JOIN goods_group c ON c.id = g.group_id "
            "LEFT JOIN pays p ON p.id = o.pay_id LEFT JOIN coupons k ON k.id = o.coupon_id"
        )
        return {row["order_sn"]: row for row in cursor.fetchall()}


def expected(row: Row) -> dict[str, Any]:
    """Return what the archive must say of a shop's row; written from the shop's code, not ours."""
    direct = row["pay_check"] in ("zfbf2f", "wescan")
    payment = {
        "method": row["pay_name"],
        "channel": "direct" if direct else "aggregator",
        "provider_no": (row["trade_no"] or None) if direct else None,
        "aggregator_no": (row["trade_no"] or None) if row["pay_check"] == "alipay" else None,
        "merchant_no": row["order_sn"],
        "amount": row["actual_price"],
    }
    extra = {"pay_id": row["pay_id"], "deleted_at": utc_text(row["deleted_at"])}
    extra["coupon_id"] = row["coupon_id"] or None
    extra["coupon_returned"] = row["coupon_ret_back"] or None
    deliveries = [("card", None, line) for line in (row["info"] or "").splitlines()]
    if row["type"] == dujiaoka.MANUAL:
        form = dict(line.replace("：", ":", 1).split(":", 1) for line in row["info"].splitlines())
        deliveries = [("manual", form["账号"].strip(), None)]
        extra["大区"] = form.get("大区", "").strip() or None
    return {
        "outcome": {4: "completed", 5: "failed"}[row["status"]],
        "source_status": str(row["status"]),
        "contact": row["email"],
        "client_ip": row["buy_ip"],
        "product": (
            *(str(row["goods_id"]), row["title"], row["gp_name"], row["gd_description"]),
            {1: "automatic", 2: "manual"}[row["type"]],
        ),
        "quantity": row["buy_amount"],
        "money": (
            *(row["goods_price"], row["wholesale_discount_price"], row["coupon_discount_price"]),
            *(row["coupon"], row["total_price"], row["actual_price"], "CNY"),
        ),
        "created_at": row["created_at"].replace(tzinfo=SHANGHAI).astimezone(UTC),
        "completed_at": row["updated_at"].replace(tzinfo=SHANGHAI).astimezone(UTC),
        "payments": [payment] if row["pay_id"] else [],
        "deliveries": deliveries,
        "extra": {name: str(value) for name, value in extra.items() if value is not None},
    }


def utc_text(local: datetime | None) -> str | None:
    """Return a shop's time as the archive's database session shows it."""
    if local is None:
        return None
    return f"{local.replace(tzinfo=SHANGHAI).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def sealed(row: Row) -> dict[str, Any]:
    """Return an archived order in the form of `expected`."""
    product, money = row["product"], row["money"]
    kept = ("method", "channel", "provider_no", "aggregator_no", "merchant_no", "amount")
    return {
        "outcome": row["outcome"],
        "source_status": row["source_status"],
        "contact": row["buyer"]["contact"],
        "client_ip": row["buyer"]["client_ip"],
        "product": tuple(product[n] for n in ("id", "name", "category", "description", "kind")),
        "quantity": row["quantity"],
        "money": tuple(
            money[name]
            for name in (
                *("unit_price", "discount", "coupon_discount", "coupon"),
                *("total", "paid", "currency"),
            )
        ),
        "created_at": row["created_at"],
        "completed_at": row["completed_at"],
        "payments": [{name: one[name] for name in kept} for one in row["payments"]],
        "deliveries": [(d["kind"], d["target"], d["secret"]) for d in row["deliveries"]],
        "extra": {one["name"]: one["value"] for one in row["extra"]},
    }


def assert_archived(rows: list[Row], shop: Mapping[str, Row], last: date) -> None:
    """Every finished order of a closed day is there once, field for field, and nothing else."""
    due = {
        number: row
        for number, row in shop.items()
        if row["status"] in (dujiaoka.COMPLETED, dujiaoka.FAILED)
        and row["updated_at"].date() <= last
    }
    by_number = {row["order_id"]: row for row in rows}
    assert len(by_number) == len(rows)
    assert by_number.keys() == due.keys()
    for number, row in by_number.items():
        assert sealed(row) == expected(due[number]), number
        assert (row["source"], row["revision"]) == ("main", 1)
        assert row["completed_basis"] == "updated"
        unknown = ("paid_at", "delivered_at", "closed_at", "after_sales", "events")
        assert not any(row[name] for name in unknown)
        for one in row["deliveries"]:
            secret = one["secret"]
            assert (one["card_token"] is None) == (secret is None)
            assert not secret or secret.endswith(one["hint"])
            assert not secret or len(one["hint"]) <= min(4, len(secret) / 4)


# -------------------------------------------------------------------------------------- locks


def assert_locked_by_the_calendar(vault: BucketVault, opened: Opened) -> None:
    """Every version is COMPLIANCE, until the day that the law's calendar gives, and no other."""
    due: dict[str, date] = {}
    for number, manifest in enumerate(opened.manifests, 1):
        due[f"manifests/{number:08d}.json"] = evidence(manifest)
        for kind in ("orders", "rejects"):
            named = [one for one in manifest["objects"] if one["kind"] == kind]
            for one, table in zip(named, opened.tables(number, kind), strict=True):
                time = "completed_at" if kind == "orders" else "first_seen_at"
                last = max(shanghai(row[time]) for row in table.to_pylist())
                due[one["key"]] = end_of_period(last)
        for one in manifest["objects"]:
            if one["of"]:
                due[one["key"]] = due[one["of"]]
            assert one["cohort"][-16:-9] == f"{due[one['key']]:%Y-%m}"
    due |= checkpoints(vault)
    for version in vault.versions():
        if version.key.startswith("cohorts/"):
            year, month = map(int, version.key.removesuffix(".json")[-16:-9].split("-"))
            due[version.key] = date(year + month // 12, month % 12 + 1, 1)
        elif version.key not in due:
            due[version.key] = evidence(payload(vault.fetch(version.key, None)))
        assert version.mode == "COMPLIANCE", version.key
        assert version.retain_until is not None
        midnight = datetime.combine(due[version.key], datetime.min.time(), SHANGHAI)
        assert version.retain_until == midnight, version.key
    assert len(vault.listed()) == len(due)  # one version of each, and nothing unexplained


def checkpoints(vault: BucketVault) -> Mapping[str, date]:
    """Return until when checkpoints are locked: as long as the parts behind which they stand."""
    keys = [key for key in vault.names() if key.startswith("ledger/0")]
    parts = [payload(vault.fetch(key, None)) for key in keys]
    sizes = (part["first"] + len(part["entries"]) for part in parts)
    return {f"checkpoints/{size}": evidence(part) for size, part in zip(sizes, parts, strict=True)}


def evidence(document: Mapping[str, Any]) -> date:
    """Return until when a document is locked: the longest class and three years more."""
    return end_of_period(shanghai(datetime.fromisoformat(document["created_at"])), years=6)


# -------------------------------------------------------------------------------------- MariaDB


def test_a_dujiaoka_shop_on_mariadb_is_sealed_row_for_row_under_locks_that_the_law_demands(
    site: Site, shop_database: ShopDatabase, s3_bucket: S3Bucket, s3_proxy: S3Proxy
) -> None:
    today = site.last_closed + timedelta(1)
    with shop_database.connect() as connection:
        dujiaoka.fill(connection, orders=ORDERS, days=DAYS, start=today - timedelta(DAYS - 1))
    site.configure(
        store=s3_store(s3_proxy.bucket), sources=source(shop_database.url, more=PASSWORD)
    )
    vault = BucketVault.of(s3_bucket)

    first = site.first_night()

    opened = Opened.at(vault, site.folder)
    shop = shop_rows(shop_database)
    assert (first.exit, first.failures) == (Exit.DONE, [])
    assert_identity(first)
    rows = opened.rows()
    assert_archived(rows, shop, site.last_closed)
    assert total(first) == {"read": len(rows), "orders": len(rows)}
    assert sum(s.sealed_amount for day in first.days for s in day.sums) == sum(
        (Decimal(shop[row["order_id"]]["actual_price"]) for row in rows), Decimal(0)
    )
    assert_locked_by_the_calendar(vault, opened)
    opened.assert_everything_is_named_once()

    # Without the reveal root everything but the secrets opens.
    custody = Opened.at(vault, site.folder, reveal=False)
    cards = [d for row in custody.rows() for d in row["deliveries"]]
    assert cards
    assert not any("secret" in card for card in cards)

    # The second night finds nothing to do.
    before = vault.listed()
    s3_proxy.forget_requests()
    second = site.night()
    assert (second.exit, s3_proxy.count("PUT"), s3_proxy.count("POST")) == (Exit.DONE, 0, 0)
    assert vault.listed() == before
    assert set(total(second)) == {"read", "unchanged"}
    assert_identity(second)

    # The third one seals what was changed and what came late, as a supplement.
    changed = next(
        row
        for row in shop.values()
        if row["updated_at"].date() == site.days_before(2)
        and (row["status"], row["type"]) == (dujiaoka.COMPLETED, dujiaoka.AUTOMATIC)
    )
    late = change_shop(shop_database, site, changed)
    third = site.night()
    assert (total(third)["revisions"], total(third)["orders"]) == (1, 1)
    assert_identity(third)
    assert len(opened.manifests) == len(first.days) + 1
    old = next(row for row in rows if row["order_id"] == changed["order_sn"])
    assert_supplement(opened, site, old, late)
    assert_locked_by_the_calendar(vault, opened)
    opened.assert_everything_is_named_once()
    s3_proxy.forget_requests()
    assert set(total(site.night())) == {"read", "unchanged"}
    assert s3_proxy.count("PUT") == 0


def change_shop(database: ShopDatabase, site: Site, changed: Row) -> str:
    """Change an order, add a late one and one of today; return the late one's number."""
    today = site.last_closed + timedelta(1)
    late, new = dujiaoka.make_orders(
        orders=2, days=1, start=site.days_before(1), seed=77, first_id=900_001
    )
    done: dict[str, Any] = {
        "status": dujiaoka.COMPLETED,
        "type": dujiaoka.AUTOMATIC,
        "info": "CANARYCARD-LATE",
    }
    late = late._replace(**done)
    new = new._replace(**done, created_at=f"{today} 00:10:00", updated_at=f"{today} 00:11:00")
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders SET info = 'CANARYCARD-REPLACED' WHERE id = %s", [changed["id"]]
        )
        # Renaming a category is no change of the orders that were sold under the old name.
        cursor.execute("UPDATE goods_group SET gp_name = '改名'")
        dujiaoka.insert_orders(connection, [late, new])
    return late.order_sn


def assert_supplement(opened: Opened, site: Site, old: Row, late: str) -> None:
    """The last manifest holds the changed order as revision 2, and the late one."""
    manifest = opened.manifests[-1]
    assert manifest["day"] == str(site.last_closed)
    partitions = [one for one in manifest["objects"] if one["kind"] == "orders"]
    # One, or two where a month of retention ends between both orders.
    assert len(partitions) == len({one["cohort"] for one in partitions})
    tables = opened.tables(len(opened.manifests))
    found = {row["order_id"]: row for table in tables for row in table.to_pylist()}
    assert found.keys() == {old["order_id"], late}
    revised = found[old["order_id"]]
    assert revised["revision"] == 2
    assert [d["secret"] for d in revised["deliveries"]] == ["CANARYCARD-REPLACED"]
    assert revised["completed_at"] == old["completed_at"]
    assert revised["first_seen_at"] == old["first_seen_at"]
    assert revised["product"]["category"] == "改名"
