"""Shops of one's own on PostgreSQL and SQLite, by the preset `sql` and a mapping."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from archiver.errors import Exit
from tests.nights.evidence import FolderVault, Opened, Row
from tests.nights.site import SHANGHAI, Site, assert_identity, dir_store, source, total
from tests.servers.postgres import READER_PASSWORD, PostgresDatabase

SQL_MAPPING = '''
[source.mapping]
name = "own-shop"
version = 3
key = "no"
key_kind = "text"
order_id = "no"
changed_at = "updated"
query = """
SELECT no, state, account, product, qty, paid, paid_at, done_at, touched_at, txn FROM deals"""
[source.mapping.status]
column = "state"
completed = ["done"]
refunded = ["refunded"]
open = ["paid"]
ignored = ["new"]
[source.mapping.times]
paid = { column = "paid_at", zone = "Asia/Shanghai" }
delivered = { column = "done_at", zone = "Asia/Shanghai" }
updated = { column = "touched_at", zone = "epoch_s" }
[source.mapping.completion]
latest_of = ["paid", "delivered"]
otherwise = "updated"
[source.mapping.fields]
"buyer.account" = "account"
"product.name" = "product"
"quantity" = "qty"
"money.paid" = { column = "paid", scale = 2 }
"money.currency" = { const = "CNY" }
[[source.mapping.payments]]
[source.mapping.payments.columns]
method = { const = "alipay" }
provider_no = "txn"
amount = { column = "paid", scale = 2 }
[[source.mapping.children]]
field = "deliveries"
query = "SELECT deal_no, pos, card FROM deal_cards"
key = "deal_no"
order = "pos"
split_lines = true
[source.mapping.children.columns]
kind = { const = "card" }
secret = "card"
'''

Deal = tuple[str, str, str, str, int, int, str, str | None, int, str]
"""A row of `deals`."""


def deals(today: date, count: int) -> Iterator[tuple[Deal, list[str]]]:
    """Yield rows of a shop that somebody wrote himself, with their cards."""
    for n in range(count):
        paid = datetime.combine(today, datetime.min.time()) - timedelta(
            days=n % 6, hours=-(n % 23), seconds=n
        )
        state = ("done", "done", "refunded", "paid", "new")[n % 5]
        done = paid + timedelta(minutes=n % 50) if n % 7 else None
        touched = int(paid.replace(tzinfo=SHANGHAI).timestamp()) + 60
        number = f"D-{n * 7919 % count:05d}-{'甲' if n % 2 else 'b'}'\"%_"
        deal = (
            *(number, state, f"买家{n}", f"点卡 {n} 😀", 1 + n % 3, n * 101 % 100_000),
            *(str(paid), str(done) if done else None, touched, f"2026{n:020d}"),
        )
        yield deal, [f"CARD-{n}-{m}\r\nPIN-{n}" for m in range(n % 3)]


DDL = (
    """
    CREATE TABLE deals (
      no VARCHAR(60) PRIMARY KEY, state VARCHAR(20), account VARCHAR(60), product VARCHAR(60),
      qty INTEGER, paid BIGINT, paid_at TIMESTAMP, done_at TIMESTAMP, touched_at BIGINT,
      txn VARCHAR(60)
    )
    """,
    "CREATE TABLE deal_cards (deal_no VARCHAR(60), pos INTEGER, card TEXT)",
)


def assert_deals(rows: list[Row], made: list[tuple[Deal, list[str]]], last: date) -> None:
    """Compare all that the mapping maps with what was put into the shop."""
    due = {}
    for deal, cards in made:
        number, state, account, product, quantity, paid, paid_at, done_at, _, txn = deal
        end = datetime.fromisoformat(max(paid_at, done_at or "")).replace(tzinfo=SHANGHAI)
        if state in ("done", "refunded") and end.date() <= last:
            due[number] = {
                "outcome": {"done": "completed"}.get(state, state),
                "account": account,
                "product": product,
                "quantity": quantity,
                "paid": Decimal(paid) / 100,
                "txn": [txn],
                "completed_at": end,
                "basis": "delivered" if done_at and done_at >= paid_at else "paid",
                "cards": [line for card in cards for line in card.split("\r\n")],
            }
    found = {
        row["order_id"]: {
            "outcome": row["outcome"],
            "account": row["buyer"]["account"],
            "product": row["product"]["name"],
            "quantity": row["quantity"],
            "paid": row["money"]["paid"],
            "txn": [one["provider_no"] for one in row["payments"]],
            "completed_at": row["completed_at"],
            "basis": row["completed_basis"],
            "cards": [one["secret"] for one in row["deliveries"]],
        }
        for row in rows
    }
    for one in (*due.values(), *found.values()):
        if one["completed_at"] and one["basis"] == "paid":
            continue
        # Both at the same instant: either name is right.
        one["basis"] = "paid or delivered"
    assert len(found) == len(rows)
    assert found.keys() == due.keys()
    differing = [n for n in due if {**found[n], "basis": ""} != {**due[n], "basis": ""}]
    assert not differing, (found[differing[0]], due[differing[0]])


def run_own_shop(site: Site, url: str, execute: Callable[[str], object], more: str) -> Opened:
    """Seal a shop of one's own with the preset `sql`, change it, seal again."""
    site.configure(store=dir_store(), sources=source(url, preset="sql", more=more + SQL_MAPPING))
    first = site.first_night()
    opened = Opened.at(FolderVault(site.folder / "vault"), site.folder)
    assert (first.exit, first.failures) == (Exit.DONE, [])
    assert_identity(first)
    count = len(opened.rows())
    second = site.night()
    assert set(total(second)) == {"read", "unchanged"}
    assert len(opened.manifests) == len(first.days)
    # One more card under an order that was sealed: its child rows belong to it.
    number = opened.rows()[-1]["order_id"].replace("'", "''")
    execute(f"INSERT INTO deal_cards VALUES ('{number}', 9, 'CARD-AFTERWARDS')")
    third = site.night()
    assert total(third)["revisions"] == 1
    assert opened.rows()[-1]["deliveries"][-1]["secret"] == "CARD-AFTERWARDS"
    assert len(opened.rows()) == count + 1
    opened.assert_everything_is_named_once()
    return opened


def test_a_shop_of_ones_own_on_postgresql_is_sealed_with_the_sql_preset(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    site = Site(tmp_path / "host", environment={"PG": READER_PASSWORD})
    made = list(deals(site.last_closed, 700))
    with postgres_database.connect() as connection:
        for statement in DDL:
            connection.execute(statement)
        with connection.cursor() as cursor:
            marks = ", ".join(["%s"] * 10)
            cursor.executemany(f"INSERT INTO deals VALUES ({marks})", [deal for deal, _ in made])
            cursor.executemany(
                "INSERT INTO deal_cards VALUES (%s, %s, %s)",
                [(deal[0], pos, card) for deal, cards in made for pos, card in enumerate(cards)],
            )
    with postgres_database.connect() as admin:
        admin.autocommit = True
        opened = run_own_shop(
            site, postgres_database.url, lambda text: admin.execute(text.encode()),
            'password_env = "PG"\n',
        )  # fmt: skip
    assert_deals([r for r in opened.rows() if r["revision"] == 1], made, site.last_closed)


def test_a_shop_of_ones_own_in_sqlite_is_sealed_with_the_sql_preset(tmp_path: Path) -> None:
    site = Site(tmp_path / "host")
    made = list(deals(site.last_closed, 700))
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        for statement in DDL:
            connection.execute(statement)
        marks = ", ".join(["?"] * 10)
        connection.executemany(f"INSERT INTO deals VALUES ({marks})", [deal for deal, _ in made])
        connection.executemany(
            "INSERT INTO deal_cards VALUES (?, ?, ?)",
            [(deal[0], pos, card) for deal, cards in made for pos, card in enumerate(cards)],
        )

    def execute(statement: str) -> None:
        with sqlite3.connect(tmp_path / "shop.db") as writer:
            writer.execute(statement)
        writer.close()

    connection.close()
    opened = run_own_shop(site, "sqlite:///../shop.db", execute, "")
    assert_deals([r for r in opened.rows() if r["revision"] == 1], made, site.last_closed)
