"""Orders of a real shop, changed at ten to midnight by who may write to its database."""

from datetime import UTC, date, datetime, timedelta

from archiver.errors import Exit
from archiver.sightings import look_around
from tests.archives import Silent
from tests.nights.shop import MariaShop
from tests.nights.site import SHANGHAI, Site, dir_store
from tests.shops import dujiaoka

DAY = date(2026, 3, 5)


def on(day: date, hour: float) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    return (midnight + timedelta(hours=hour)).astimezone(UTC)


def test_what_is_done_to_a_shop_at_ten_to_midnight_is_named_by_its_night(
    site: Site, mariadb_shop: MariaShop
) -> None:
    site.configure(store=dir_store(), sources=mariadb_shop.source())
    orders = [
        order._replace(status=dujiaoka.COMPLETED, type=dujiaoka.AUTOMATIC, updated_at=ended)
        for order in dujiaoka.make_orders(orders=12, days=2, start=DAY - timedelta(1), seed=3)
        for ended in [max(order.updated_at, order.created_at)]
    ]
    mariadb_shop.add(orders)
    site.clock.instant = on(DAY, 3)
    site.init()
    assert site.night().failures == []
    today = [order for order in orders if order.updated_at.startswith(str(DAY))]
    changed, parked, dated, deleted, saved, *_ = today

    site.clock.instant = on(DAY, 23.5)
    installation = site.installation
    archive = installation.archive(to_seal=True)
    sources = installation.sources.all()
    looked = look_around(archive, installation.catalog(archive), sources, Silent())

    assert (looked.exit, looked.sighted) == (Exit.DONE, len(today))
    mariadb_shop.run("UPDATE orders SET info = 'CARD-OTHER' WHERE id = ?", changed.id)
    mariadb_shop.run("UPDATE orders SET status = -1 WHERE id = ?", parked.id)
    mariadb_shop.run(
        "UPDATE orders SET created_at = created_at - INTERVAL 400 DAY,"
        " updated_at = updated_at - INTERVAL 400 DAY WHERE id = ?",
        dated.id,
    )
    mariadb_shop.run("DELETE FROM orders WHERE id = ?", deleted.id)
    mariadb_shop.run(
        "UPDATE orders SET updated_at = ?, coupon_ret_back = 1 WHERE id = ?",
        *(f"{on(DAY, 23.9):%Y-%m-%d %H:%M:%S}", saved.id),
    )
    site.clock.instant = on(DAY + timedelta(1), 3)
    report = site.night()

    altered, gone = report.failures
    assert (altered.code, gone.code) == ("sighted-altered", "sighted-gone")
    named = str(altered.params["orders"])
    assert set(named.split(", ")) == {
        f"•••{changed.order_sn[-4:]} (goods)",
        f"•••{parked.order_sn[-4:]} (parked)",
        f"•••{dated.order_sn[-4:]} (sale + back-dated)",
    }
    assert gone.params["orders"] == f"•••{deleted.order_sn[-4:]}"
