"""SQLite: dynamic types, read-only, and the demo's shop."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from archiver.errors import ConfigurationError, MappingError, SourceAccessError
from archiver.mapping import MapContext, parse_mapping
from archiver.sources.check import inspect
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.mapping.pages import MAPPING
from tests.shops import dujiaoka as shop
from tests.sources.shops import EVER, SEEN, keys, mapped, orders, rejects, window

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name needs quoting in a URL."""
    place = tmp_path / "a shop?"
    place.mkdir()
    return place


def source(file: Path, **options: Any) -> DatabaseSource:  # noqa: ANN401 (DatabaseSource's)
    return DatabaseSource(
        "main",
        f"sqlite:///{str(file).replace('?', '%3F')}",
        None,
        load_mapping("dujiaoka"),
        timezone="Asia/Shanghai",
        **options,
    )


def test_a_dujiaoka_shop_in_sqlite_reads_like_one_in_mariadb(folder: Path) -> None:
    with sqlite3.connect(folder / "shop.db") as connection:
        filled = shop.fill(connection, orders=1500)
    connection.close()
    here = source(folder / "shop.db", page_rows=300)

    found = {order["order_id"]: order for order in orders(here)}

    expected = {o.order_sn: o for o in filled.orders if o.status in (shop.COMPLETED, shop.FAILED)}
    assert found.keys() == expected.keys()
    for number, order in expected.items():
        local = found[number]["completed_at"].astimezone(SHANGHAI)
        assert local.strftime("%F %T") == order.updated_at
    day = window("2026-09-06T00:00+08:00", "2026-09-07T00:00+08:00")
    finished = [o for o in expected.values() if o.updated_at.startswith("2026-09-06")]
    assert here.days(day) == {day.start.date(): len(finished)}
    assert {o.id for o in finished} <= set(keys(here.pages(day)))


def test_ends_in_the_future_are_read_with_the_newest_day_and_with_no_other(folder: Path) -> None:
    with sqlite3.connect(folder / "shop.db") as connection:
        filled = shop.fill(connection, orders=300)
        finished = [o.id for o in filled.orders if o.status == shop.COMPLETED][:2]
        for number, end in zip(
            finished, ("2099-01-01 00:00:00", "2026-11-30 00:00:00"), strict=True
        ):
            connection.execute("UPDATE orders SET updated_at = ? WHERE id = ?", (end, number))
    connection.close()
    here = source(folder / "shop.db")
    day = window("2026-09-06T00:00+08:00", "2026-09-07T00:00+08:00")
    beyond = datetime.fromisoformat("2026-11-30T00:00:00+08:00")

    read = set(keys(here.pages(day)))

    assert not read & {*finished}
    assert set(keys(here.pages(day, beyond=beyond))) == read | {*finished}
    later = beyond + timedelta(seconds=1)
    assert set(keys(here.pages(day, day, beyond=later))) == read | {finished[0]}


@pytest.mark.parametrize("label", ["备注", "留言", "备 注", "客服备注"])
def test_a_card_in_a_remark_of_a_manual_order_is_under_the_reveal_key_only(
    folder: Path, label: str
) -> None:
    card = f"{shop.CARD}-IN-A-REMARK-"
    with sqlite3.connect(folder / "shop.db") as connection:
        shop.fill(connection, orders=200)
        connection.execute("DELETE FROM orders WHERE type = 1 OR status <> 4")
        form = f"账号:player\n大区:微信区\n{label}：补发 {card}' || id || '"
        connection.execute(f"UPDATE orders SET info = '{form}'")
    connection.close()
    here = source(folder / "shop.db")

    found = orders(here)

    assert found
    for order in found:
        (delivery,) = order["deliveries"]
        assert delivery.pop("secret").startswith(f"{label}：补发 {card}")
        assert delivery["target"] == "player"
        assert {"name": "大区", "value": "微信区"} in order["extra"]
        assert card not in repr(order)
    shown = inspect(here, MapContext(archive="shop-1", source="main", observed_at=SEEN)).orders
    assert len(shown) == len(found)
    assert card not in repr(shown)
    assert "微信区" not in repr(shown)


def test_values_of_any_type_arrive_as_their_text(folder: Path) -> None:
    file = folder / "odd.db"
    with sqlite3.connect(file) as connection:
        shop.fill(connection, orders=30)
        ids = [row[0] for row in connection.execute("SELECT id FROM orders WHERE status = 4")]
        for column, value, number in (
            ("title", b"\xff\xfe", ids[0]),
            ("title", 17, ids[1]),
            ("actual_price", 12.5, ids[2]),
            ("actual_price", "rubbish", ids[3]),
            ("updated_at", "2026/09/01 10:00:00", ids[4]),
            ("updated_at", 1756692000, ids[5]),
            ("info", "x" * 10_000_000, ids[6]),
            ("info", b"a\x00b", ids[7]),
        ):
            connection.execute(f"UPDATE orders SET {column} = ? WHERE id = ?", (value, number))
    connection.close()
    here = source(file, page_bytes=1_000_000)

    assert rejects(here) == {
        str(ids[0]).encode(): "broken-utf8",
        str(ids[3]).encode(): "bad-number",
        str(ids[4]).encode(): "bad-time",
        str(ids[5]).encode(): "bad-time",
        str(ids[7]).encode(): "nul-byte",
    }
    read = mapped(here, here.pages(EVER))
    assert len(read) > 1  # ten million bytes are a page of their own
    # A date that does not sort as one cannot hide from any window.
    assert str(ids[4]).encode() in rejects(here, window("2021-01-01T00:00Z", "2021-01-02T00:00Z"))


def test_a_key_that_repeats_across_two_pages_is_refused_and_skips_no_row(folder: Path) -> None:
    file = folder / "shop.db"
    with sqlite3.connect(file) as connection:
        shop.fill(connection, orders=40)
        number = connection.execute("SELECT id FROM orders WHERE status = 4").fetchall()[3][0]
        # The ninth and the tenth row of pages of nine share a key.
        connection.execute("CREATE TABLE spread AS SELECT * FROM orders WHERE status = 4 LIMIT 9")
        connection.execute("UPDATE spread SET id = rowid")
        connection.execute("INSERT INTO spread SELECT * FROM orders WHERE id = ?", (number,))
        connection.execute("UPDATE spread SET id = 9, order_sn = 'TENTH' WHERE rowid = 10")
    connection.close()
    spread = load_mapping("dujiaoka").query.replace("FROM orders", "FROM spread")
    mapping = load_mapping("dujiaoka").model_copy(update={"query": spread})
    here = DatabaseSource(
        "main", f"sqlite:///{str(file).replace('?', '%3F')}", None, mapping, page_rows=9
    )

    with pytest.raises(MappingError, match="not unique"):
        list(here.pages(EVER))


def test_the_shop_is_never_written(folder: Path) -> None:
    file = folder / "shop.db"
    with sqlite3.connect(file) as connection:
        shop.fill(connection, orders=10)
    connection.close()
    before = file.read_bytes()
    mapping = load_mapping("dujiaoka").model_copy(
        update={"query": "DELETE FROM orders RETURNING *"}
    )

    with pytest.raises(MappingError):
        list(DatabaseSource("main", f"sqlite:///{file}", None, mapping).pages(EVER))
    list(source(file).pages(EVER))

    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["shop.db"]


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(SourceAccessError, match="cannot be opened"):
        list(source(folder / "none.db").pages(EVER))
    (folder / "text.db").write_text("no database" * 100)
    with pytest.raises(SourceAccessError, match="no SQLite database"):
        list(source(folder / "text.db").pages(EVER))
    with sqlite3.connect(folder / "empty.db") as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(SourceAccessError, match="no table orders"):
        list(source(folder / "empty.db").pages(EVER))
    with sqlite3.connect(folder / "short.db") as connection:
        shop.fill(connection, orders=5)
        connection.execute("ALTER TABLE orders DROP COLUMN trade_no")
    connection.close()
    with pytest.raises(MappingError, match="trade_no"):
        list(source(folder / "short.db").pages(EVER))


@pytest.mark.parametrize(
    "url", ["oracle://x@y/z", "mysql://reader:canary-secret@127.0.0.1/shop", "shop.db"]
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseSource("main", url, None, load_mapping("dujiaoka"))

    assert "canary" not in str(caught.value)


def test_children_and_look_ups_come_with_exactly_their_rows(folder: Path) -> None:
    file = folder / "sql.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """
            CREATE TABLE orders (id INTEGER PRIMARY KEY, no, state, created, paid, delivered,
              updated, contact, port, guest, title, group_id, pieces, amount, fee_cents, race,
              pay, pay_no, kind, info);
            CREATE TABLE groups (id, name);
            CREATE TABLE refunds (id, order_no, amount, note, at);
            INSERT INTO groups VALUES (7, '会员'), (8, 'other');
            """
        )
        for n in range(10):
            connection.execute(
                "INSERT INTO orders (no, state, created, paid, updated, group_id, kind, amount) "
                "VALUES (?, ?, '2026-11-01 00:00:00', 1793534700, NULL, ?, 'auto', '1.00')",
                (f"N{n}", "new" if n == 3 else "done", 7 + n % 3),
            )
            for part in range(n % 3):
                connection.execute(
                    "INSERT INTO refunds VALUES (?, ?, '0.10', ?, NULL)",
                    (100 - part, f"N{n}", f"refund {part} of {n}"),
                )
    connection.close()
    here = DatabaseSource(
        "main", f"sqlite:///{file}".replace("?", "%3F"), None, parse_mapping(MAPPING), page_rows=4
    )

    found = {order["order_id"]: order for order in orders(here)}

    assert found.keys() == {f"N{n}" for n in range(10) if n != 3}
    for n in range(10):
        if n != 3:
            row = found[f"N{n}"]
            assert row["product"]["category"] == {7: "会员", 8: "other"}.get(7 + n % 3)
            notes = [f"refund {part} of {n}" for part in reversed(range(n % 3))]
            assert [entry["note"] for entry in row["after_sales"]] == notes
