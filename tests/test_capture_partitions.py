"""What is sealed together: retention dates, cuts by rows and bytes, sums, days of a zone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.batch import Batch, Partitions, local_days
from archiver.retention import Rule
from tests import cards
from tests.archives import RULES
from tests.auditor import lawful_date
from tests.desk import at, day_of, founded, march, totals
from tests.test_capture import SECOND, ids, on_the_fourth

# --- retention -----------------------------------------------------------------------------------


def test_orders_past_their_retention_are_counted_and_not_sealed(tmp_path: Path) -> None:
    # In Shanghai the last lawful day of what ended on the 4th is the 4th three years later.
    free = lawful_date(at(4))
    rules = replace(RULES, since=march(3))
    rows = [cards.order(3, at(3, 23.9)), cards.order(4, at(4, 0)), cards.order(5, at(5, 0))]
    desk = founded(tmp_path, rows, now=free, rules=rules)

    report = desk.night(as_of=march(6))

    assert totals(report) == {"read": 3, "expired": 2, "orders": 1}
    assert [day.counts["expired"] for day in report.days] == [1, 1, 0, 0]
    assert ids(desk.audit()) == ["N5"]
    # What is sealed is compared however old it is.
    assert totals(desk.night(as_of=march(6))) == {"read": 3, "expired": 2, "unchanged": 1}


def test_a_microsecond_before_its_date_an_order_is_still_sealed(tmp_path: Path) -> None:
    rules = replace(RULES, since=march(4))
    # The store takes no lock that is over at once: a second is the least.
    now = lawful_date(at(4)) - SECOND
    desk = founded(tmp_path, on_the_fourth(1), now=now, rules=rules)
    assert totals(desk.night(as_of=march(4))) == {"read": 1, "orders": 1}


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        (datetime(2028, 2, 29, 3, tzinfo=UTC), "2031-03-10T16:00:00Z"),
        (datetime(2028, 2, 28, 3, tzinfo=UTC), "2031-03-10T16:00:00Z"),
        (datetime(2028, 3, 1, 3, tzinfo=UTC), "2031-03-11T16:00:00Z"),
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), "2029-01-10T16:00:00Z"),
        (datetime(2025, 12, 31, 16, tzinfo=UTC), "2029-01-11T16:00:00Z"),
        (datetime(2026, 3, 20, 15, 59, 59, 999999, tzinfo=UTC), "2029-03-30T16:00:00Z"),
        (datetime(2026, 3, 20, 16, tzinfo=UTC), "2029-03-31T16:00:00Z"),
        (datetime(2026, 3, 21, 16, tzinfo=UTC), "2029-04-01T16:00:00Z"),
    ],
)
def test_a_partition_is_kept_exactly_until_its_latest_orders_date(
    tmp_path: Path, ended: datetime, until: str
) -> None:
    desk = founded(tmp_path, [cards.order(1, ended)], now=ended + timedelta(days=2))
    desk.night()
    found = desk.audit()
    kept = {named.about["retain_until"] for named in found.objects}
    assert kept == {until}
    month = (datetime.fromisoformat(until) + timedelta(hours=8)).strftime("%Y-%m")
    # The month, then what tells the cohorts of several hosts apart.
    (cohort,) = {named.about["cohort"] for named in found.objects}
    assert cohort.rpartition("-")[0] == f"orders-{month}"


def test_orders_of_two_cohorts_are_in_two_partitions(tmp_path: Path) -> None:
    # With ten days of margin the 20th ends on the 31st at 00:00, the 21st in the next month.
    desk = founded(tmp_path, now=at(21, 3))
    desk.rows.extend(cards.order(n, at(n)) for n in (19, 20))
    desk.night()
    # Both come late, in one night.
    desk.rows.extend([cards.order(30, at(20, 22)), cards.order(31, at(21, 2))])
    desk.rows.append(cards.order(22, at(22)))
    desk.clock.instant = at(23, 3)
    desk.night(as_of=march(22))
    desk.rows.extend([cards.order(32, at(20, 21)), cards.order(33, at(21, 3))])
    desk.night_of(23)
    partitions = [
        (named.about["cohort"].rpartition("-")[0], [row["order_id"] for row in named.rows])
        for named in desk.audit().of("orders")
        if named.day == march(23)
    ]
    assert sorted(partitions) == [("orders-2029-03", ["N32"]), ("orders-2029-04", ["N33"])]


@pytest.mark.parametrize("years", [3, 5])
@pytest.mark.parametrize("margin", [7, 10, 40])
def test_other_rules_give_other_dates(tmp_path: Path, years: int, margin: int) -> None:
    rules = replace(RULES, retention=Rule(years=years, margin=timedelta(days=margin)))
    desk = founded(tmp_path, on_the_fourth(1, 2), rules=rules)
    desk.night()
    assert len(desk.audit().orders) == 2


# --- partitions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page_rows", [1, 7, 100])
@pytest.mark.parametrize("count", [9, 10, 11, 20, 47])
def test_a_partition_is_cut_at_its_limit_and_each_row_is_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, page_rows: int
) -> None:
    monkeypatch.setattr("archiver.batch.MAX_ROWS", 10)
    monkeypatch.setattr("archiver.partition.ROW_GROUP_ROWS", 4)
    desk = founded(tmp_path, on_the_fourth(*range(1, count + 1)), page_rows=page_rows)
    desk.night()
    found = desk.audit()
    assert [len(named.rows) for named in found.of("orders")] == [
        *[10] * (count // 10),
        *[count % 10] * (count % 10 > 0),
    ]
    assert ids(found) == [f"N{n}" for n in range(1, count + 1)]


def test_each_partition_of_a_supplement_has_the_date_of_its_own_latest_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.batch.MAX_ROWS", 4)
    desk = founded(tmp_path, on_the_fourth(1))
    desk.night_of(10)
    # Late orders of five days, newest first.
    desk.rows.extend(cards.order(10 + n, at(10 - n // 3)) for n in range(15))
    desk.night_of(11)
    late = [named for named in desk.audit().of("orders") if named.day == march(11)]
    assert [len(named.rows) for named in late] == [4, 4, 4, 3]
    assert [named.about["retain_until"][:10] for named in late] == [
        f"2029-03-{day + 10}" for day in (7, 8, 9, 10)
    ]


def test_fat_rows_are_cut_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.batch.MAX_BATCH_BYTES", 200_000)
    rows = on_the_fourth(*range(1, 41))
    for row in rows[10:20]:
        row["secret"] = "X" * 100_000
    desk = founded(tmp_path, rows, page_rows=6)
    desk.night()
    found = desk.audit()
    sizes = [
        sum(len(d["secret"] or "") for row in named.rows for d in row["deliveries"])
        for named in found.of("orders")
    ]
    assert len(sizes) >= 5
    assert max(sizes) <= 400_000
    assert sorted(ids(found)) == sorted(f"N{n}" for n in range(1, 41))


def test_fat_rows_of_many_days_do_not_all_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 200_000
    monkeypatch.setattr("archiver.batch.MAX_WAITING_BYTES", limit)
    waited: list[int] = []

    class Watched(Partitions):
        """Notes how much waits whenever the next page is asked for."""

        def full(self) -> Iterator[Batch]:
            yield from Partitions.full(self)
            waited.append(sum(one.size_bytes for one in self._waiting.values()))

    monkeypatch.setattr("archiver.capture.Partitions", Watched)
    rows = [cards.order(n, at(n % 20 + 1), secret="X" * 5_000 * (n % 3)) for n in range(200)]
    desk = founded(tmp_path, rows, page_rows=10, now=at(21, 3))

    assert totals(desk.night()) == {"read": 200, "orders": 200}

    assert len(waited) == 20
    assert limit / 2 < max(waited) <= limit
    found = desk.audit()
    assert sorted(ids(found)) == sorted(f"N{n}" for n in range(200))
    assert len(found.of("orders")) < 100


def test_ten_megabytes_of_text_are_an_order_too(tmp_path: Path) -> None:
    rows = on_the_fourth(1, 2)
    rows[1]["secret"] = "卡" * (10 * 1024 * 1024 // 3)
    desk = founded(tmp_path, rows)
    assert totals(desk.night()) == {"read": 2, "orders": 2}
    (order,) = desk.audit().revisions("N2")
    assert order["deliveries"][0]["secret"] == rows[1]["secret"]


# --- sums ----------------------------------------------------------------------------------------


def by_channel(rows: Sequence[cards.Row]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    found: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for row in rows:
        key = (row["channel"] or "", row["currency"] or "")
        count, amount = found.get(key, (0, Decimal(0)))
        found[key] = (count + 1, amount + Decimal(row["paid"] or 0))
    return found


def test_sums_by_channel_say_what_the_source_said_and_what_was_sealed(tmp_path: Path) -> None:
    rows = on_the_fourth(*range(1, 31))
    rows[3]["currency"], rows[4]["paid"] = "USD", None
    desk = founded(tmp_path, rows)
    sums = day_of(desk.night(), march(4)).sums
    assert {
        (line.channel, line.currency): (line.source_orders, line.source_amount) for line in sums
    } == by_channel(rows)
    assert all(line.known_orders == 0 for line in sums)

    desk.change(1, paid="50.00", touched_at=at(5))
    desk.rows.append(cards.order(31, at(5)))
    report = desk.night_of(5)
    found = {(line.channel, line.currency): line for line in day_of(report, march(5)).sums}
    # What was sealed the day before is known; the revised row and the new one are sealed.
    assert sum(line.sealed_orders for line in found.values()) == 2
    assert sum(line.known_orders for line in found.values()) == 29
    alipay = found["wechat", "CNY"]  # rows 1 and 31 were paid by it
    assert (alipay.sealed_orders, alipay.sealed_amount) == (2, Decimal("91.50"))


def test_sums_are_wider_than_any_one_amount(tmp_path: Path) -> None:
    rows = on_the_fourth(*range(3, 33, 3))
    for row in rows:
        row["paid"] = "9999999999999999.99"
    desk = founded(tmp_path, rows)
    (line,) = day_of(desk.night(), march(4)).sums
    assert line.sealed_amount == Decimal("9999999999999999.99") * 10
    desk.audit()


# --- calendars -----------------------------------------------------------------------------------

ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"]


@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 86_400 * 60_000), max_size=5),
)
def test_the_day_of_an_instant_is_the_zones(zone: str, seconds: list[int]) -> None:
    since = datetime(2012, 1, 1, tzinfo=UTC)
    instants = [since + timedelta(seconds=count, microseconds=-1) for count in seconds]
    numbers = pa.array(instants, pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    days = local_days(numbers, ZoneInfo(zone))
    expected = [one.astimezone(ZoneInfo(zone)).date() for one in instants]
    assert [date(1970, 1, 1) + timedelta(days=n) for n in days.tolist()] == expected


def test_a_day_that_a_zone_left_out_has_no_instants() -> None:
    # Samoa went from the 29th of December 2011 to the 31st.
    change = int(datetime(2011, 12, 30, 10, tzinfo=UTC).timestamp()) * 10**6
    days = local_days(np.array([change - 1, change]), ZoneInfo("Pacific/Apia"))
    assert [date(1970, 1, 1) + timedelta(days=n) for n in days.tolist()] == [
        date(2011, 12, 29),
        date(2011, 12, 31),
    ]
