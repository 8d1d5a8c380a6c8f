"""A shop of acg-faka on MariaDB, by the command line: what its staff does behind a night's back.

Manual deliveries that touch no time, rows that come weeks late, orders exported and deleted, a
move to a new source.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from archiver.errors import Exit
from cli.main import program
from tests.nights.evidence import FolderVault, Opened
from tests.nights.orders import PASSWORD
from tests.nights.site import Site, dir_store, source
from tests.servers.mariadb import ShopDatabase
from tests.shops import acg_faka

DAYS, ORDERS, OPEN_DAYS = 13, 120, 8


class Shop:
    """Runs commands on a site, and statements on its shop."""

    def __init__(self, site: Site, database: ShopDatabase) -> None:
        self.site = site
        self.database = database

    def configure(self, name: str = "main", more: str = "") -> None:
        """Write the configuration, with one source."""
        shop = source(self.database.url, name=name, preset="acg-faka", more=PASSWORD + more)
        archive = f"open_days = {OPEN_DAYS}"
        self.site.configure(store=dir_store(), sources=shop, archive=archive)

    def archiver(self, *arguments: str) -> dict[str, Any]:
        """Run a command and return its document."""
        config = ("--config", str(self.site.folder / "archiver.toml"), "--json")
        ran = CliRunner().invoke(program, [*arguments, *config], env=self.site.environment)
        document: dict[str, Any] = json.loads(ran.stdout)
        assert ran.exit_code == document["exit"]
        return document

    def night(self) -> dict[str, Any]:
        """Run a night; its counts of all days are in `total`."""
        document = self.archiver("nightly")
        days = document["days"]
        names = ("read", "orders", "revisions", "unchanged", "rejects", "vanished")
        document["total"] = {name: sum(day[name] for day in days) for name in names}
        return document

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the shop's administrator."""
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return rows

    def sealed(self) -> dict[tuple[str, int], str]:
        """Return the outcome of each sealed revision."""
        opened = Opened.at(FolderVault(self.site.folder / "vault"), self.site.folder)
        rows = opened.rows()
        assert len(rows) == len({(r["source"], r["order_id"], r["revision"]) for r in rows})
        return {(row["order_id"], row["revision"]): row["outcome"] for row in rows}


@pytest.fixture
def shop(site: Site, shop_database: ShopDatabase) -> Shop:
    """A shop of some weeks, and its archive after the first night."""
    with shop_database.connect() as connection:
        start = site.days_before(DAYS - 1)
        acg_faka.fill(connection, orders=ORDERS, days=DAYS, start=start)
    made = Shop(site, shop_database)
    made.configure()
    assert made.archiver("init")["exit"] == 0
    return made


def codes(document: dict[str, Any]) -> list[str]:
    return [alarm["code"] for alarm in document["alarms"]]


def test_what_staff_does_behind_a_nights_back_is_sealed_or_told(shop: Shop, tmp_path: Path) -> None:
    limit = shop.site.days_before(OPEN_DAYS - 1)
    [(late_id, late_no)] = shop.run(
        "SELECT id, trade_no FROM acg_order WHERE status = 1 AND delivery_status = 1"
        " ORDER BY id LIMIT 1"
    )
    shop.run("CREATE TABLE kept AS SELECT * FROM acg_order")
    shop.run(f"DELETE FROM acg_order WHERE id = {late_id}")

    first = shop.night()

    open_now = {
        number
        for (number,) in shop.run(
            "SELECT trade_no FROM acg_order WHERE status = 1 AND delivery_status = 0"
            f" AND pay_time < '{limit}'"
        )
    }
    assert first["exit"] == 0
    assert len(open_now) > 1
    sealed = shop.sealed()
    assert {number for (number, _), outcome in sealed.items() if outcome == "open"} == open_now
    finished = shop.run(
        "SELECT COUNT(*) FROM acg_order WHERE status = 1 AND delivery_status = 1"
        f" AND pay_time < '{shop.site.last_closed + timedelta(1)}'"
    )
    assert len(sealed) == len(open_now) + finished[0][0]

    # A delivery by hand touches no time; a row appears weeks late; six are exported and
    # deleted, as this shop's administration does it.
    by_hand = min(open_now)
    shop.run(f"UPDATE acg_order SET delivery_status = 1 WHERE trade_no = '{by_hand}'")
    shop.run(f"INSERT INTO acg_order SELECT * FROM kept WHERE id = {late_id}")
    gone = shop.run(
        "SELECT id, DATE(pay_time) FROM acg_order WHERE status = 1 AND delivery_status = 1"
        f" AND id <> {late_id} ORDER BY id LIMIT 6"
    )
    shop.run(f"DELETE FROM acg_order WHERE id IN ({', '.join(str(i) for i, _ in gone)})")

    second = shop.night()

    assert (second["exit"], second["outcome"], codes(second)) == (20, "alarm", ["vanished"])
    [alarm] = second["alarms"]
    assert "6 sealed orders" in alarm["message"]
    assert str(gone[0][1]) in alarm["message"]
    assert alarm["next"].startswith("archiver source check --source main")
    assert second["total"]["vanished"] == 6
    assert (second["total"]["orders"], second["total"]["revisions"]) == (1, 1)
    sealed = shop.sealed()
    assert sealed[by_hand, 2] == "completed"
    assert sealed[late_no, 1] == "completed"

    shop.configure(more=f"purged_through = {gone[-1][1]}\n")
    third = shop.night()
    assert (third["exit"], third["total"]["vanished"]) == (Exit.DONE, 0)
    assert shop.sealed() == sealed

    move(shop, sealed, tmp_path / "ids.csv", f"purged_through = {gone[-1][1]}\n")


def move(shop: Shop, sealed: dict[tuple[str, int], str], id_map: Path, more: str) -> None:
    """Move the shop to another source, with other order numbers."""
    shop.run("UPDATE acg_order SET trade_no = CONCAT('N', trade_no)")
    numbers = sorted({number for number, _ in sealed})
    id_map.write_text("\n".join(["old,new", *(f"{n},N{n}" for n in numbers)]))
    early = shop.archiver("source", "retire", "main", "--successor", "shop2")
    assert (early["exit"], codes(early)) == (2, ["request"])
    shop.configure("shop2", more=more)
    assert codes(shop.archiver("status")) == ["missing-days", "source-gone"]
    retire = ("source", "retire", "main", "--successor", "shop2", "--id-map", str(id_map))
    done = shop.archiver(*retire)
    assert (done["exit"], done["mapped"], done["unknown"]) == (0, len(numbers), 0)
    assert shop.archiver(*retire)["already"] is True
    other = shop.archiver(*retire[:-2])
    assert (other["exit"], codes(other)) == (2, ["request"])

    config = ("--config", str(shop.site.folder / "archiver.toml"))
    shown = CliRunner().invoke(program, ["nightly", *config], env=shop.site.environment)
    moved = shop.night()

    assert shown.exit_code == 0
    assert "✓" in shown.stdout  # nothing but known entries was sealed
    assert (moved["exit"], codes(moved)) == (Exit.DONE, [])
    assert (moved["total"]["orders"], moved["total"]["revisions"]) == (0, 0)
    assert moved["total"]["unchanged"] > 0
    assert shop.sealed() == sealed
    assert codes(shop.archiver("status")) == []
