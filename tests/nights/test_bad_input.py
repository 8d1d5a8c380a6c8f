"""What shops really hold: every broken row is a reject with its bytes, and nothing is lost."""

from dataclasses import dataclass
from typing import Any

import pytest

from archiver.errors import Exit, MappingError, SourceAccessError
from tests.nights.evidence import FolderVault, Opened, values
from tests.nights.shop import BentShop, MariaShop, SqliteShop, good_orders
from tests.nights.site import (
    Site,
    assert_identity,
    codes,
    dir_store,
    reasons,
    shown,
    total,
)
from tests.shops import dujiaoka

KINDS = (
    # What `tests/conftest.py` cannot see: the fixture asks for the server at run time.
    pytest.param("mariadb", marks=[pytest.mark.server, pytest.mark.allow_hosts(["127.0.0.1"])]),
    "sqlite",
)
SECRET = "CANARYCARD"


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest) -> BentShop:
    """A shop that takes anything, in both databases in turn."""
    bent: BentShop = request.getfixturevalue(f"bent_{request.param}")
    return bent


def opened(site: Site) -> Opened:
    return Opened.at(FolderVault(site.folder / "vault"), site.folder)


def found_on(site: Site, shop: BentShop, more: str = "") -> Site:
    site.configure(store=dir_store(), sources=shop.source(more))
    site.init()
    return site


# ---------------------------------------------------------------------------- broken rows


@dataclass(frozen=True, slots=True)
class Broken:
    """How one row is broken."""

    column: str
    value: Any
    reason: str
    only: str = ""
    """The one database in which a column can hold this."""


BROKEN = (
    Broken("order_sn", None, "null-order-id"),
    Broken("order_sn", "", "null-order-id"),
    Broken("order_sn", " \t　", "null-order-id"),
    Broken("updated_at", "0000-00-00 00:00:00", "bad-time"),
    Broken("updated_at", "9999-12-31 23:59:59", "bad-time"),
    Broken("updated_at", "yesterday", "bad-time", only="sqlite"),
    Broken("updated_at", "１２-03-05", "bad-time", only="sqlite"),
    Broken("updated_at", None, "missing-end-time"),
    Broken("created_at", "0000-00-00 00:00:00", "bad-time"),
    Broken("actual_price", "-0.01", "negative-money"),
    Broken("actual_price", "12345678901234567.89", "money-too-wide"),
    Broken("goods_price", "1.005", "money-too-wide"),
    Broken("total_price", "ten", "bad-number", only="sqlite"),
    Broken("total_price", "１２", "bad-number", only="sqlite"),
    Broken("total_price", "NaN", "bad-number", only="sqlite"),
    Broken("total_price", "1,000.00", "bad-number", only="sqlite"),
    Broken("buy_amount", "many", "bad-number"),
    Broken("buy_amount", "３", "bad-number"),
    Broken("buy_amount", "9223372036854775808", "bad-number"),
    Broken("buy_amount", "1.5", "bad-number"),
    Broken("info", b"CANARYCARD\x00-1", "nul-byte"),
    Broken("info", b"CANARYCARD\xc3\x28\xff\xfe", "broken-utf8"),
    Broken("info", "卡密CANARYCARD".encode("gb18030"), "broken-utf8"),
    Broken("info", b"CANARYCARD \xed\xa0\x80 a lone surrogate", "broken-utf8"),
    Broken("status", "9", "unknown-status"),
    Broken("status", None, "unknown-status"),
    Broken("status", "４", "unknown-status"),
    Broken("status", " 4", "unknown-status"),
)


def test_every_kind_of_broken_row_is_sealed_with_its_bytes_and_repaired_later(
    site: Site, shop: BentShop
) -> None:
    cases = [broken for broken in BROKEN if broken.only in ("", shop.kind)]
    orders = [
        order for back in range(3) for order in good_orders(site.days_before(back), 20,
                                                            first_id=1 + 20 * back)
    ]  # fmt: skip
    shop.add(orders)
    broken = dict(zip(range(1, 60, 2), cases, strict=False))
    assert len(broken) == len(cases)
    repairs = {}
    for key, case in broken.items():
        [[repairs[key]]] = shop.ask(f"SELECT {case.column} FROM orders WHERE id = {key}")
        shop.run(f"UPDATE orders SET {case.column} = ? WHERE id = {key}", case.value)
    found_on(site, shop, more="page_rows = 7")

    first = site.night()

    assert first.failures == []
    assert first.exit is Exit.REJECTS
    assert_identity(first)
    counted: dict[str, int] = {}
    for case in cases:
        counted[case.reason] = counted.get(case.reason, 0) + 1
    assert reasons(first) == counted
    assert total(first)["orders"] == len(orders) - len(broken)
    assert total(first)["rejects"] == len(broken)
    archive = opened(site)
    rejects = {int(row["row_key"]): row for row in archive.rows("rejects")}
    assert rejects.keys() == broken.keys()
    for key, case in broken.items():
        raw, row = shop.raw(key), rejects[key]
        assert (row["reason"], row["column"]) == (case.reason, case.column), case
        assert row["order_id"] == raw["order_sn"]
        assert "search_pwd" not in values(row)
        for name, value in values(row).items():
            assert value == raw[name], (case, name)
    archive.assert_everything_is_named_once()

    # Without the reveal root not even the reasons open.
    with pytest.raises(PermissionError):
        Opened.at(archive.vault, site.folder, reveal=False).rows("rejects")

    # Nothing has changed: they are not sealed again.
    second = site.night()
    assert second.exit is Exit.DONE
    assert total(second)["rejected_before"] == len(broken)
    assert set(total(second)) == {"read", "unchanged", "rejected_before"}
    assert_identity(second)

    # Somebody repairs all but two of them, and breaks one of these in another way.
    left, worse = list(broken)[-2:]
    for key, case in broken.items():
        if key not in (left, worse):
            shop.run(f"UPDATE orders SET {case.column} = ? WHERE id = {key}", repairs[key])
    shop.run(f"UPDATE orders SET status = 'worse' WHERE id = {worse}")
    third = site.night()
    assert third.exit is Exit.REJECTS
    assert total(third)["orders"] == len(broken) - 2
    assert (total(third)["rejects"], total(third)["rejected_before"]) == (1, 1)
    assert_identity(third)
    numbers = [row["order_id"] for row in archive.rows()]
    assert len(numbers) == len(set(numbers)) == len(orders) - 2
    archive.assert_everything_is_named_once()


def test_broken_rows_are_told_without_what_they_hold(site: Site, bent_mariadb: BentShop) -> None:
    bent_mariadb.add(good_orders(site.last_closed, 3))
    bent_mariadb.run("UPDATE orders SET info = ? WHERE id = 2", b"CANARYCARD\x00")
    found_on(site, bent_mariadb)

    report = site.night()

    told = repr([(d.day, d.counts, d.outcomes, d.reject_reasons, d.sums) for d in report.days])
    assert SECRET not in told + shown(report)
    assert reasons(report) == {"nul-byte": 1}


# ---------------------------------------------------------------------- odd rows that are good


ODD_IDS = (
    "'; DROP TABLE orders; --",
    "../../../etc/passwd",
    "orders/main/2026/01/01/x.parquet",
    '"quoted" \\ back\\slash',
    "%",
    "_",
    "NULL",
    "0",
    "-1",
    "1e9",
    "id with  two spaces ",
    " id with  two spaces",
    "ABC",
    "abc",
    "line\nbreak",
    "tab\t",
    "😀订单☃",
    "e\u0301",
    "é",
    "x" * 9_000,
    "x" * 9_001,
    "\u202e\u200bright to left",
    "１２３",
    "123",
)


def test_odd_but_valid_rows_are_sealed_as_they_are(site: Site, shop: BentShop) -> None:
    orders = good_orders(site.last_closed, len(ODD_IDS))
    shop.add(orders)
    large = "😀" + "卡" * (10 * 1024 * 1024 // 3)
    infos = {1: large, 2: "A\r\nB\r\n", 3: "A\n\n \nB", 4: "卡号：１２３ 密码：４５６", 5: ""}
    for key, number in enumerate(ODD_IDS, 1):
        shop.run(f"UPDATE orders SET order_sn = ? WHERE id = {key}", number)
        shop.run(f"UPDATE orders SET info = ? WHERE id = {key}", infos.get(key, f"card {key}"))
    shop.run("UPDATE orders SET title = ? WHERE id = 6", "＇；<script>😀\r\n")
    shop.run("UPDATE orders SET email = NULL, goods_id = 999, pay_id = 999 WHERE id = 7")
    shop.run("UPDATE orders SET actual_price = '9999999999999999.99' WHERE id = 8")
    found_on(site, shop)

    report = site.night()

    assert (report.exit, report.failures, reasons(report)) == (Exit.DONE, [], {})
    rows = {row["order_id"]: row for row in opened(site).rows()}
    assert sorted(rows) == sorted(ODD_IDS)
    secrets = [[d["secret"] for d in rows[number]["deliveries"]] for number in ODD_IDS]
    assert secrets[0] == [large]
    assert secrets[1:5] == [["A", "B"], ["A", "B"], [infos[4]], []]
    assert secrets[5:] == [[f"card {key}"] for key in range(6, len(ODD_IDS) + 1)]
    assert rows[ODD_IDS[5]]["product"]["name"] == "＇；<script>😀\r\n"
    orphan = rows[ODD_IDS[6]]
    assert (orphan["buyer"]["contact"], orphan["product"]["category"]) == (None, None)
    assert orphan["payments"][0]["method"] is None
    assert str(rows[ODD_IDS[7]]["money"]["paid"]) == "9999999999999999.99"
    assert set(total(site.night())) == {"read", "unchanged"}


def test_a_text_beyond_16_mib_is_a_reject_that_keeps_it(site: Site, bent_mariadb: BentShop) -> None:
    bent_mariadb.add(good_orders(site.last_closed, 3))
    bent_mariadb.run("UPDATE orders SET info = REPEAT('CARD ', 3600000) WHERE id = 2")
    found_on(site, bent_mariadb)

    report = site.night()

    assert reasons(report) == {"too-large": 1}
    [reject] = opened(site).rows("rejects")
    assert values(reject)["info"] == b"CARD " * 3_600_000
    assert total(site.night())["rejected_before"] == 1


def test_an_amount_that_only_looks_negative_or_wide_is_good(
    site: Site, bent_sqlite: BentShop
) -> None:
    good = ("-0.00", "+1.5", "1e2", "0001.50", "1.500", ".5")
    bent_sqlite.add(good_orders(site.last_closed, len(good)))
    for key, amount in enumerate(good, 1):
        bent_sqlite.run(f"UPDATE orders SET actual_price = ? WHERE id = {key}", amount)
    found_on(site, bent_sqlite)

    report = site.night()

    assert reasons(report) == {}
    paid = [str(row["money"]["paid"]) for row in opened(site).rows()]
    assert sorted(paid) == sorted(["0.00", "1.50", "100.00", "1.50", "1.50", "0.50"])


# ------------------------------------------------------------------------------- repeated ids


def test_equal_rows_count_once_and_unlike_ones_are_all_rejects(site: Site, shop: BentShop) -> None:
    yesterday = good_orders(site.last_closed, 30)
    before = good_orders(site.days_before(1), 10, first_id=101)
    one, two, three, four, five = yesterday[:5]
    again = [
        one._replace(id=201),
        one._replace(id=202, updated_at=f"{site.days_before(1)} 10:00:00"),  # the touch differs
        two._replace(id=203, info="CANARYCARD-OTHER"),
        three._replace(id=204, status=dujiaoka.WAIT_PAY),  # never paid: no order at all
        before[0]._replace(id=205, actual_price="77.00"),  # its twin ended on another day
        four._replace(id=206, order_sn=four.order_sn.lower()),  # another number
        five._replace(id=207, order_sn=f"{five.order_sn} "),  # another number, too
    ]
    shop.add([*yesterday, *before, *again])
    found_on(site, shop, more="page_rows = 9")

    first = site.night()

    assert first.failures == []
    assert (first.exit, reasons(first)) == (Exit.REJECTS, {"duplicate-id": 4})
    assert_identity(first)
    assert total(first)["duplicates"] == 2
    assert total(first)["orders"] == 30 + 10 + len(again) - 1 - 4 - 2
    archive = opened(site)
    keys = sorted(int(row["row_key"]) for row in archive.rows("rejects"))
    assert keys == [2, 101, 203, 205]
    rows = {row["order_id"]: row for row in archive.rows()}
    assert one.order_sn in rows
    assert three.order_sn in rows
    assert {two.order_sn, before[0].order_sn}.isdisjoint(rows)
    archive.assert_everything_is_named_once()

    second = site.night()
    assert (second.exit, total(second)["rejected_before"]) == (Exit.DONE, 4)
    assert total(second)["duplicates"] == 2

    # The twins are parted: all four are orders now.
    shop.run("UPDATE orders SET order_sn = 'PARTED-1' WHERE id = 203")
    shop.run("UPDATE orders SET order_sn = 'PARTED-2' WHERE id = 205")
    third = site.night()
    assert total(third)["orders"] == 4
    assert (third.exit, total(third).get("rejects")) == (Exit.DONE, None)
    archive.assert_everything_is_named_once()


def test_a_twin_that_comes_later_does_not_replace_what_was_sealed(
    site: Site, shop: BentShop
) -> None:
    orders = good_orders(site.last_closed, 5)
    shop.add(orders)
    found_on(site, shop)
    site.night()
    shop.add([orders[0]._replace(id=900, info="CANARYCARD-FORGED")])

    second = site.night()

    assert reasons(second) == {"duplicate-id": 2}
    assert total(second).get("revisions") is None
    assert_identity(second)
    archive = opened(site)
    assert [r["revision"] for r in archive.rows() if r["order_id"] == orders[0].order_sn] == [1]
    archive.assert_everything_is_named_once()
    # The twin is gone again: the first order is what it was.
    shop.run("DELETE FROM orders WHERE id = 900")
    third = site.night()
    assert set(total(third)) == {"read", "unchanged"}


# ------------------------------------------------------------------ columns, tables, nothing


def test_a_missing_column_or_table_is_named_and_nothing_is_sealed(
    site: Site, shop: BentShop
) -> None:
    shop.add(good_orders(site.last_closed, 5))
    found_on(site, shop)
    shop.run("ALTER TABLE orders RENAME COLUMN trade_no TO txn_no")

    report = site.night()

    assert (report.exit, codes(report), report.days) == (Exit.FIX_REQUEST, ["mapping"], [])
    assert isinstance(report.failures[0], MappingError)
    assert "trade_no" in shown(report)
    assert "archiver source check --source main" in shown(report)
    shop.run("ALTER TABLE orders RENAME COLUMN txn_no TO trade_no")
    shop.run("ALTER TABLE orders RENAME TO gone")
    report = site.night()
    assert (report.exit, codes(report)) == (Exit.FIX_REQUEST, ["source-access"])
    assert isinstance(report.failures[0], SourceAccessError)
    assert "orders" in shown(report)
    shop.run("ALTER TABLE gone RENAME TO orders")
    assert opened(site).manifests == []

    # A column that the mapping does not know is none of our business.
    shop.run("ALTER TABLE orders ADD COLUMN game_password VARCHAR(99) DEFAULT 'CanaryGamePwd'")
    report = site.night()
    assert (report.exit, total(report)) == (Exit.DONE, {"read": 5, "orders": 5})


def test_empty_nights_are_sealed_and_later_orders_are_not_lost(site: Site, shop: BentShop) -> None:
    found_on(site, shop)

    empty = site.night()

    assert (empty.exit, total(empty)) == (Exit.DONE, {})
    [manifest] = opened(site).manifests
    assert (manifest["day"], manifest["objects"]) == (str(site.last_closed), [])
    assert len(site.night().days) == 1
    assert len(opened(site).manifests) == 1
    # Late ones of the day that was sealed empty, and of the day before the archive's first one.
    shop.add(good_orders(site.last_closed, 2))
    shop.add(good_orders(site.days_before(1), 2, first_id=50))
    late = site.night()
    assert total(late) == {"read": 4, "orders": 4}
    opened(site).assert_everything_is_named_once()


def test_orders_past_their_retention_are_counted_and_not_sealed(
    site: Site, sqlite_shop: SqliteShop
) -> None:
    long_ago = site.days_before(3 * 366 + 20)
    sqlite_shop.add(good_orders(long_ago, 3))
    found_on(site, sqlite_shop)

    report = site.night(as_of=long_ago)

    assert (report.exit, report.failures) == (Exit.DONE, [])
    assert total(report) == {"read": 3, "expired": 3}
    assert [manifest["objects"] for manifest in opened(site).manifests] == [[]]


def test_a_sqlite_shop_and_a_mariadb_shop_are_sealed_side_by_side(
    site: Site, bent_mariadb: MariaShop, bent_sqlite: SqliteShop
) -> None:
    same = good_orders(site.last_closed, 6)
    bent_mariadb.add(same)
    bent_sqlite.add(same)
    both = bent_mariadb.source() + bent_sqlite.source().replace('"main"', '"second"')
    site.configure(store=dir_store(), sources=both)
    site.init()

    report = site.night()

    # The same number in two sources is two orders.
    assert total(report) == {"read": 12, "orders": 12}
    opened(site).assert_everything_is_named_once()
    bent_sqlite.run("ALTER TABLE orders RENAME TO gone")
    bent_mariadb.add(good_orders(site.last_closed, 1, first_id=70))
    partly = site.night()
    assert (partly.exit, total(partly)["orders"]) == (Exit.FIX_REQUEST, 1)
