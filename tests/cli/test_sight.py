"""`archiver sight` on a small shop in SQLite, and what it says of orders that were changed."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from archiver.run_locks import sight_lock
from archiver.wiring import SystemClock
from tests.cli.conftest import Terminal

COPIED = (
    "goods_id, coupon_id, title, type, goods_price, buy_amount, coupon_discount_price,"
    " wholesale_discount_price, total_price, actual_price, email, info, pay_id, buy_ip, trade_no,"
    " status, coupon_ret_back, deleted_at"
)


def run(terminal: Terminal, statement: str, *values: object) -> None:
    """Do something to the shop behind the archive's back."""
    with closing(sqlite3.connect(terminal.folder / "shop.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount


def sell(terminal: Terminal, *numbers: str) -> None:
    """Let orders end just now."""
    now = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M:%S}"
    for number in numbers:
        run(
            terminal,
            f"INSERT INTO orders (order_sn, created_at, updated_at, {COPIED})"
            f" SELECT ?, ?, ?, {COPIED} FROM orders WHERE status = 4 AND type = 1 LIMIT 1",
            *(number, now, now),
        )


def in_two_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(days=2))


def test_a_look_is_told_and_what_was_changed_before_its_night_is_listed(
    founded: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded.shop(days=2)
    sell(founded, "SN-2026-0000-7001", "SN-2026-0000-7002", "SN-2026-0000-7003")

    looked = founded.json("sight")

    assert (looked.exit, looked.codes) == (0, [])
    [source] = looked.document["sources"]
    assert (source["source"], source["sighted"]) == ("main", 3)
    [sighting] = source["sightings"]
    assert sighting["rows"] == 3
    assert looked.document["ledger"]["entered"] >= 1
    assert looked.document["ledger"]["checkpoint"].startswith("checkpoints/")
    assert sighting["key"].startswith(f"sightings/main/{sighting['day']}/")
    assert "均无新内容" in founded.archiver("sight", "--lang", "zh").out

    run(founded, "UPDATE orders SET actual_price = 0.01 WHERE order_sn LIKE '%7001'")
    run(founded, "UPDATE orders SET status = 1 WHERE order_sn LIKE '%7002'")
    run(founded, "DELETE FROM orders WHERE order_sn LIKE '%7003'")
    in_two_days(monkeypatch)
    night = founded.json("nightly")

    assert night.exit == 20
    assert night.document["sightings"]["main"]["differ"] == 3
    altered, gone = night.document["alarms"][:2]
    assert (altered["code"], gone["code"]) == ("sighted-altered", "sighted-gone")
    assert "•••7001 (sale)" in altered["message"]
    assert "•••7002 (parked)" in altered["message"]
    assert "•••7003" in gone["message"]
    assert altered["next"].startswith("archiver sight --compare --source main")
    compared = founded.json(*altered["next"].split()[1:5])
    assert (compared.exit, compared.codes) == (20, ["sighted-altered", "sighted-gone"])
    findings = compared.document["sources"][0]["findings"]
    assert {one["order"][-4:]: one["changes"] for one in findings} == {
        "7001": ["sale"],
        "7002": ["parked"],
        "7003": ["gone"],
    }
    assert {one["sighting"] for one in findings} == {sighting["key"]}
    day = sighting["day"]
    shown = founded.archiver("sight", "--compare", "--from", day, "--to", day, "--lang", "zh")
    assert "改为未付款状态" in shown.out
    other = founded.json("sight", "--compare", "--from", "2020-01-01", "--to", "2020-01-02")
    assert (other.exit, other.document["sources"][0]["days"]) == (0, [])


def test_a_look_needs_a_source_and_no_days(founded: Terminal) -> None:
    founded.shop(days=2)
    refused = founded.json("sight", "--source", "other")
    assert (refused.exit, refused.codes) == (2, ["request"])
    assert founded.json("sight", "--from", "2026-03-01").exit == 2
    (founded.folder / "shop.db").unlink()
    lost = founded.json("sight")
    assert lost.exit in (2, 10)
    assert "main" in lost.document["alarms"][0]["message"]


def test_status_tells_that_a_host_has_stopped_looking(
    founded: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded.shop(days=2)
    assert founded.json("status").document["last_look"] is None
    assert founded.json("sight").exit == 0
    before = founded.json("status")
    assert before.document["last_look"] is not None
    in_two_days(monkeypatch)
    told = founded.json("status")
    assert ("sight-late" in before.codes, "sight-late" in told.codes) == (False, True)
    (founded.folder / "index" / "sight.last").write_text("damaged")
    assert "sight-late" not in founded.json("status").codes


def test_two_looks_at_once_are_told_apart(founded: Terminal) -> None:
    founded.shop(days=2)
    with sight_lock(founded.folder / "index"):
        second = founded.json("sight")
    assert (second.exit, second.codes) == (10, ["another-run"])
