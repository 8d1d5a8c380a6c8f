"""Who is there, and rows asked for by key: what a census of a shop is made of."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from archiver.errors import MappingError
from archiver.mapping import OrderMapping, parse_mapping
from archiver.ports import Window
from archiver.sources.database import CENSUS_ROWS, DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.archives import RowsSource
from tests.servers.mariadb import ShopDatabase
from tests.servers.postgres import PostgresDatabase
from tests.shops import dujiaoka
from tests.sources.shops import EVER, keys, window

OWN: dict[str, Any] = {
    "name": "own",
    "version": 1,
    "query": "SELECT no, state, begun, paid, done, note FROM deals",
    "key": "no",
    "key_kind": "text",
    "order_id": "no",
    "changed_at": "updated",
    "status": {"column": "state", "completed": ["ok"], "open": ["paid"], "ignored": ["new"]},
    "times": {
        "created": {"column": "begun", "zone": "UTC"},
        "paid": {"column": "paid", "zone": "UTC"},
        "updated": {"column": "done", "zone": "UTC"},
    },
    "completion": {"latest_of": ["paid"], "otherwise": "updated"},
    "children": [
        {
            "field": "deliveries",
            "query": "SELECT deal, card FROM cards",
            "key": "deal",
            "columns": {"secret": "card"},
        }
    ],
}
# number, state, created, paid, touched
DEALS = (
    ("a'1", "ok", "2026-09-05 10:00:00", "2026-09-05 10:05:00", "2026-12-01 00:00:00"),
    ("b2", "paid", "2026-09-05 10:00:00", "2026-12-05 10:05:00", None),  # open: it has no end
    ("c3", "new", "2026-09-05 10:00:00", None, None),
    ("d4", "ok", "2026-09-06 10:00:00", "2026-12-05 10:05:00", None),  # ends too late
    ("e5", "ok", "2026-03-01 10:00:00", "2026-09-05 10:05:00", None),  # created too early
    ("f6", "ok", None, "2026-09-05 10:05:00", None),
    ("g7", "ok", "2026-09-07 10:00:00", None, "2026-12-05 00:00:00"),
    ("h8", "odd", "2026-09-07 10:00:00", "2026-09-07 10:00:00", None),
    ("i9", None, "2026-09-07 10:00:00", "2026-09-07 10:00:00", None),
    ("j0", "ok", "2026-09-07 10:00:00", "2026-01-07 10:00:00", None),  # ended long ago
)
BORN = window("2026-09-01T00:00Z", "2026-10-01T00:00Z")
COUNTED = ["a'1", "b2", "f6", "g7", "h8", "i9", "j0"]
COUNTED_LATE = ["a'1", "b2", "g7"]
"""Those of them that may have ended lately: touched, or open."""


@dataclass(frozen=True)
class Shop:
    """A shop on any kind of database."""

    url: str
    password: str | None
    connect: Any
    mark: str

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Change it."""
        with closing(self.connect()) as connection:
            yield connection.cursor()
            connection.commit()

    def source(self, **options: Any) -> DatabaseSource:  # noqa: ANN401  (the source's)
        """Return it as a source."""
        return DatabaseSource("own", self.url, self.password, parse_mapping(OWN), **options)


@pytest.fixture(params=["mariadb", "postgres", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """The same deals in every kind of database."""
    if request.param == "sqlite":
        file = tmp_path / "own.db"
        found = Shop(f"sqlite:///{file}", None, lambda: sqlite3.connect(file), "?")
    elif request.param == "mariadb":
        maria: ShopDatabase = request.getfixturevalue("shop_database")
        found = Shop(maria.url, maria.reader_password, maria.connect, "%s")
    else:
        postgres: PostgresDatabase = request.getfixturevalue("postgres_database")
        found = Shop(postgres.url, postgres.reader_password, postgres.connect, "%s")
    time = "TIMESTAMP" if request.param == "postgres" else "DATETIME"
    with found.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE deals (no VARCHAR(20) PRIMARY KEY, state VARCHAR(9), begun {time},"
            f" paid {time}, done {time}, note TEXT)"
        )
        cursor.execute("CREATE TABLE cards (deal VARCHAR(20), card TEXT)")
        for deal in DEALS:
            marks = ", ".join([found.mark] * 5)
            cursor.execute(f"INSERT INTO deals VALUES ({marks}, 'x')", deal)
            values = f"({found.mark}, {found.mark})"
            cursor.execute(f"INSERT INTO cards VALUES {values}", (deal[0], f"CARD-{deal[0]}"))
    return found


def listed(tables: Iterator[pa.Table]) -> list[str]:
    """Return the keys of a census, after a look at its form."""
    found: list[str] = []
    for table in tables:
        assert table.column_names == ["key", "order_id", "state"]
        assert {field.type for field in table.schema} == {pa.large_binary()}
        found += [key.decode() for key in table["key"].to_pylist()]
    return found


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_census_counts_who_may_have_ended_and_who_is_open(shop: Shop) -> None:
    ended = window("2025-09-20T00:00Z", "2026-10-01T00:00Z")

    (table,) = shop.source().census(BORN, ended)

    assert sorted(listed(iter([table]))) == COUNTED
    states = dict(zip(table["key"].to_pylist(), table["state"].to_pylist(), strict=True))
    assert (states[b"b2"], states[b"i9"]) == (b"paid", None)
    assert table["order_id"] == table["key"]

    late = window("2026-09-20T00:00Z", "2026-10-01T00:00Z")
    assert sorted(listed(shop.source().census(BORN, late))) == COUNTED_LATE


def test_the_source_of_tests_counts_no_fewer_than_a_database() -> None:
    ended = window("2025-09-20T00:00Z", "2026-10-01T00:00Z")
    names = ("id", "state", "begun", "paid", "done")
    rows = [dict(zip(names, (n, *deal[1:]), strict=True)) for n, deal in enumerate(DEALS)]
    mapping = parse_mapping({**OWN, "key": "id", "order_id": "id", "children": []})
    numbers = [str(n) for n, deal in enumerate(DEALS) if deal[0] in COUNTED]
    born = Window(start=BORN.start, end=BORN.end)

    exact = listed(RowsSource(mapping, list(rows), exact=True, page_rows=2).census(born, ended))
    wide = listed(RowsSource(mapping, list(rows), page_rows=2).census(born, ended))

    assert exact == numbers
    assert set(exact) < set(wide)
    late = window("2026-09-20T00:00Z", "2026-10-01T00:00Z")
    few = listed(RowsSource(mapping, list(rows), exact=True).census(born, late))
    assert few == [str(n) for n, deal in enumerate(DEALS) if deal[0] in COUNTED_LATE]


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_rows_are_found_by_key_whatever_their_state_with_their_children(shop: Shop) -> None:
    chosen = [b"j0", b"c3", b"none", b"a'1", b"d4", b"c3"]

    pages = list(shop.source(page_rows=2).rows(chosen))

    rows = [row for page in pages for row in page.rows.to_pylist()]
    assert sorted(row["no"] for row in rows) == [b"a'1", b"c3", b"d4", b"j0"]
    assert max(page.rows.num_rows for page in pages) <= 2
    for page in pages:
        there = set(page.rows["no"].to_pylist())
        children = page.children["deliveries"].to_pylist()
        assert {child["deal"] for child in children} == there
        assert [child["card"] for child in children] == [b"CARD-" + c["deal"] for c in children]
    assert list(shop.source().rows([])) == []


def test_a_census_of_a_proxy_time_leaves_nobody_out_for_being_touched(
    shop_database: ShopDatabase,
) -> None:
    with shop_database.connect() as connection:
        made = dujiaoka.fill(connection, orders=400)
    source = DatabaseSource(
        "main", shop_database.url, shop_database.reader_password, load_mapping("dujiaoka")
    )
    early = window("2026-09-01T00:00+08:00", "2026-09-02T00:00+08:00")
    born = window("2026-08-31T00:00+08:00", "2026-09-20T00:00+08:00")

    counted = {int(key) for key in listed(source.census(born, early))}

    paid = {o.id: o for o in made.orders if o.status not in (dujiaoka.EXPIRED, dujiaoka.WAIT_PAY)}
    assert counted <= paid.keys()
    assert counted >= {n for n, order in paid.items() if order.created_at < "2026-09-20"}
    assert not counted & {n for n, order in paid.items() if order.created_at > "2026-09-22"}
    assert keys(source.rows([str(n).encode() for n in sorted(counted)])) == sorted(counted)


def test_a_census_is_read_in_large_pages_and_reads_no_other_column(tmp_path: Path) -> None:
    file = tmp_path / "wide.db"
    count = CENSUS_ROWS + 5_000
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE deals (no INTEGER PRIMARY KEY, state, paid, note)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO deals SELECT i, 'ok', '2026-09-05 10:05:00', zeroblob(100) FROM n",
            [count],
        )
    mapping: OrderMapping = parse_mapping(
        {
            **OWN,
            "query": "SELECT no, state, paid, note FROM deals",
            "key_kind": "integer",
            "changed_at": None,
            "times": {"paid": {"column": "paid", "zone": "UTC"}},
            "completion": {"latest_of": ["paid"]},
            "children": [],
        }
    )
    source = DatabaseSource("own", f"sqlite:///{file}", None, mapping, page_rows=10)

    sizes = [table.num_rows for table in source.census(BORN, EVER)]

    assert sum(sizes) == count
    assert len(sizes) <= 3


def test_a_key_that_two_rows_share_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE deals (no, state, begun, paid, done, note)")
        connection.execute("CREATE TABLE cards (deal, card)")
        connection.executemany("INSERT INTO deals VALUES (?, 'ok', ?, ?, NULL, '')", [
            ("x", "2026-09-05", "2026-09-05"), ("x", "2026-09-06", "2026-09-06"),
        ])  # fmt: skip
    source = DatabaseSource("own", f"sqlite:///{file}", None, parse_mapping(OWN))

    with pytest.raises(MappingError, match="not unique"):
        list(source.rows([b"x"]))


def test_absurd_times_are_counted_in_every_census(tmp_path: Path) -> None:
    file = tmp_path / "absurd.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE deals (no PRIMARY KEY, state, begun, paid, done, note)")
        connection.execute("CREATE TABLE cards (deal, card)")
        connection.executemany("INSERT INTO deals VALUES (?, 'ok', ?, ?, NULL, '')", [
            ("a", "0000-00-00 00:00:00", "9999-12-31 00:00:00"), ("b", "soon", "later"),
            ("c", "9999-01-01 00:00:00", "2026-09-06 00:00:00"),
            ("d", "2026-08-01 00:00:00", "2026-09-06 00:00:00"),
        ])  # fmt: skip
    source = DatabaseSource("own", f"sqlite:///{file}", None, parse_mapping(OWN))
    ended = Window(start=datetime(2026, 9, 1, tzinfo=UTC), end=datetime(2026, 10, 1, tzinfo=UTC))

    assert listed(source.census(BORN, ended)) == ["a", "b", "c"]
