"""What becomes of every row: sealed, revised, known, doubled, rejected or past its time."""

from collections import Counter
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
from archiver.errors import Exit, MappingError, SourceUnavailableError
from archiver.mapping import OrderMapping
from archiver.ports import RawPage, Window
from archiver.repeats import SeenIds
from archiver.retention import Rule
from archiver.rows import part_of
from tests import cards
from tests.archives import RULES, RowsSource
from tests.auditor import Audit, lawful_date
from tests.desk import at, day_of, failure, founded, march, totals
from tests.faults import Count

SECOND = timedelta(seconds=1)


def on_the_fourth(*numbers: int) -> list[cards.Row]:
    return [cards.order(n, at(4, 10) + timedelta(minutes=n)) for n in numbers]


def ids(found: Audit, kind: str = "orders") -> list[str]:
    return [row["order_id"] for named in found.of(kind) for row in named.rows]


# --- unchanged and revised -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"touched_at": at(5, 9)},
        {"category": "another name in the look-up", "touched_at": at(5, 9)},
        {"category": None, "touched_at": at(5, 9)},
        {"category": b"\xff broken", "touched_at": at(5, 9)},
        {"a_column_the_mapping_does_not_name": "x", "touched_at": at(5, 9)},
    ],
)
@pytest.mark.parametrize("mapping", [cards.OWN, cards.PROXY], ids=["own", "proxy"])
def test_a_row_that_was_only_touched_is_unchanged(
    tmp_path: Path, mapping: OrderMapping, columns: dict[str, object]
) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2), mapping=mapping)
    desk.night()
    desk.change(1, **columns)
    report = desk.night_of(5)
    assert totals(report) == {"read": 2, "unchanged": 2}
    assert ids(desk.audit()) == ["N1", "N2"]


@pytest.mark.parametrize(
    "columns",
    [
        {"contact": "other@example.com"},
        {"contact": None},
        {"contact": ""},
        {"paid": "11.51"},
        {"channel": "cash"},
        {"secret": "ANOTHER-CARD\nAND-A-THIRD-ONE"},
        {"state": "refunded"},
        {"category_id": 2},
    ],
)
@pytest.mark.parametrize("mapping", [cards.OWN, cards.PROXY], ids=["own", "proxy"])
def test_a_change_of_its_own_columns_makes_the_next_revision(
    tmp_path: Path, mapping: OrderMapping, columns: dict[str, object]
) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2), mapping=mapping)
    desk.night()
    desk.change(1, **columns, touched_at=at(5, 9))

    report = desk.night_of(5)

    assert totals(report) == {"read": 2, "revisions": 1, "unchanged": 1}
    one, two = desk.audit().revisions("N1")
    assert (one["revision"], two["revision"]) == (1, 2)
    assert two["first_seen_at"] == one["first_seen_at"] == at(5, 3)
    assert two["completed_at"] == one["completed_at"] == at(4, 10) + timedelta(minutes=1)
    assert totals(desk.night_of(6)) == {"read": 2, "unchanged": 2}


def test_a_row_that_changes_back_is_a_further_revision(tmp_path: Path) -> None:
    desk = founded(tmp_path, on_the_fourth(1))
    desk.night()
    desk.change(1, paid="99.00", touched_at=at(5))
    desk.night_of(5)
    desk.change(1, paid="11.50", touched_at=at(6))
    desk.night_of(6)
    paid = [str(row["money"]["paid"]) for row in desk.audit().revisions("N1")]
    assert paid == ["11.50", "99.00", "11.50"]


def test_a_child_row_that_comes_later_makes_a_revision(tmp_path: Path) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2))
    desk.source.children = {"events": [{"order_id": 1, "kind": "paid", "at": cards.text(at(4))}]}
    desk.night()
    desk.source.children = {
        "events": [
            {"order_id": 1, "kind": "paid", "at": cards.text(at(4))},
            {"order_id": 1, "kind": "complained", "at": cards.text(at(5))},
        ]
    }
    assert totals(desk.night_of(5)) == {"read": 2, "revisions": 1, "unchanged": 1}
    one, two = desk.audit().revisions("N1")
    assert [len(row["events"]) for row in (one, two)] == [1, 2]


def test_a_revision_is_sealed_in_a_supplement_of_its_own(tmp_path: Path) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2))
    desk.night()
    desk.change(1, paid="99.00", touched_at=at(5, 9))
    desk.rows.append(cards.order(3, at(5, 10)))
    desk.night_of(5)
    partitions = [[row["order_id"] for row in one.rows] for one in desk.audit().of("orders")]
    assert sorted(partitions) == [["N1"], ["N1", "N2"], ["N3"]]


def test_an_end_time_known_by_proxy_stands_however_often_the_row_is_saved(tmp_path: Path) -> None:
    desk = founded(tmp_path, on_the_fourth(1), mapping=cards.PROXY)
    desk.night()
    for day in (5, 6, 7):
        desk.change(1, paid=f"{day}.00", touched_at=at(day))
        desk.night_of(day)
    found = desk.audit()
    ends = {row["completed_at"] for row in found.revisions("N1")}
    assert ends == {at(4, 10) + timedelta(minutes=1)}
    assert {named.about["retain_until"] for named in found.of("orders")} == {
        lawful_date(at(4)).isoformat().replace("+00:00", "Z")
    }


def test_an_end_time_of_its_own_may_move_later_but_never_earlier(tmp_path: Path) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2))
    desk.night()
    desk.change(1, state="refunded", closed_at=at(5, 8), touched_at=at(5, 8))
    desk.change(2, done_at=at(2, 8), touched_at=at(5, 8))

    desk.night_of(5)

    found = desk.audit()
    assert [row["completed_at"] for row in found.revisions("N1")] == [
        at(4, 10) + timedelta(minutes=1),
        at(5, 8),
    ]
    assert [row["completed_at"] for row in found.revisions("N2")] == [
        at(4, 10) + timedelta(minutes=2),
        at(4, 10) + timedelta(minutes=2),
    ]
    # And what stands is what the next night compares with.
    desk.change(1, closed_at=at(4, 22), touched_at=at(6, 8))
    desk.night_of(6)
    assert desk.audit().revisions("N1")[-1]["completed_at"] == at(5, 8)


def test_an_edit_on_a_day_not_yet_closed_waits_for_its_night_if_it_moves_the_end(
    tmp_path: Path,
) -> None:
    desk = founded(tmp_path, on_the_fourth(1))
    desk.night()
    desk.change(1, closed_at=at(5, 1), touched_at=at(5, 1), state="refunded")
    assert totals(desk.night()) == {}
    assert totals(desk.night_of(5)) == {"read": 1, "revisions": 1}


def test_rows_in_states_that_are_not_archived_are_not_counted(tmp_path: Path) -> None:
    rows = on_the_fourth(1, 2, 3)
    rows[1]["state"], rows[2]["state"] = "unpaid", "paid"
    desk = founded(tmp_path, rows)
    assert totals(desk.night()) == {"read": 1, "orders": 1}


# --- one id twice --------------------------------------------------------------------------------


def double(row: cards.Row, key: int, **columns: object) -> cards.Row:
    return cards.shown({**row, "id": key, **columns})


@pytest.mark.parametrize("page_rows", [100, 1])
def test_equal_rows_count_once(tmp_path: Path, page_rows: int) -> None:
    rows = on_the_fourth(1, 2, 3)
    copies = [double(rows[0], 51), double(rows[0], 52), double(rows[2], 53)]
    desk = founded(tmp_path, [*rows, *copies], page_rows=page_rows)
    report = desk.night()
    assert totals(report) == {"read": 6, "orders": 3, "duplicates": 3}
    assert ids(desk.audit()) == ["N2", "N1", "N3"]
    assert desk.source.passes == 2
    assert totals(desk.night()) == {"read": 6, "unchanged": 3, "duplicates": 3}


@pytest.mark.parametrize("page_rows", [100, 1])
def test_different_rows_with_one_id_are_all_rejects(tmp_path: Path, page_rows: int) -> None:
    rows = on_the_fourth(1, 2, 3)
    copies = [double(rows[0], 51, paid="99.00"), double(rows[0], 52)]
    desk = founded(tmp_path, [*rows, *copies], page_rows=page_rows)

    report = desk.night()

    assert report.exit is Exit.REJECTS
    assert totals(report) == {"read": 5, "orders": 2, "rejects": 3}
    found = desk.audit()
    assert ids(found) == ["N2", "N3"]
    told = [(row["row_key"], row["order_id"], row["reason"]) for row in found.rejects]
    assert sorted(told) == [(key, b"N1", "duplicate-id") for key in (b"1", b"51", b"52")]
    assert totals(desk.night()) == {"read": 5, "unchanged": 2, "rejected_before": 3}


def test_different_rows_with_one_id_on_different_days_are_rejects_of_the_night(
    tmp_path: Path,
) -> None:
    rows = [cards.order(1, at(2)), cards.order(2, at(4), no="N1"), cards.order(3, at(3))]
    desk = founded(tmp_path, rows)
    assert totals(desk.night()) == {"read": 3, "orders": 1, "rejects": 2}
    assert ids(desk.audit()) == ["N3"]


def test_different_rows_with_one_id_are_rejects_though_one_was_sealed_before(
    tmp_path: Path,
) -> None:
    desk = founded(tmp_path, on_the_fourth(1, 2))
    desk.night()
    desk.rows.append(cards.order(3, at(5), no="N1"))
    assert totals(desk.night_of(5)) == {"read": 3, "unchanged": 1, "rejects": 2}
    found = desk.audit()
    assert len(found.revisions("N1")) == 1
    assert totals(desk.night_of(6)) == {"read": 3, "unchanged": 1, "rejected_before": 2}
    # Somebody gives the second one a number of its own: both are orders again.
    desk.change(3, no="N3", touched_at=at(7))
    assert totals(desk.night_of(7)) == {"read": 3, "unchanged": 2, "orders": 1}
    assert Counter(desk.audit().names) == Counter({("main", f"N{n}", 1): 1 for n in (1, 2, 3)})


def test_a_doubled_row_that_is_broken_keeps_nobody_from_the_other(tmp_path: Path) -> None:
    rows = on_the_fourth(1)
    desk = founded(tmp_path, [*rows, double(rows[0], 51, paid="x")])
    assert totals(desk.night()) == {"read": 2, "orders": 1, "rejects": 1}


@pytest.mark.parametrize("max_rows", [4, 100_000])
def test_doubles_are_found_though_full_partitions_were_sealed_before_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_rows: int
) -> None:
    monkeypatch.setattr("archiver.batch.MAX_ROWS", max_rows)
    rows = on_the_fourth(*range(1, 21))
    copies = [double(rows[0], 51), double(rows[1], 52, paid="99.00")]
    desk = founded(tmp_path, [*rows, *copies], page_rows=3)
    assert totals(desk.night()) == {"read": 22, "orders": 19, "duplicates": 1, "rejects": 2}
    assert sorted(ids(desk.audit())) == sorted(f"N{n}" for n in range(1, 21) if n != 2)


def test_a_page_of_nothing_but_doubles_is_settled_too(tmp_path: Path) -> None:
    row = cards.order(1, at(4))
    desk = founded(tmp_path, [double(row, n) for n in range(1, 8)], page_rows=2)
    assert totals(desk.night()) == {"read": 7, "orders": 1, "duplicates": 6}


@pytest.mark.parametrize("page_rows", [7, 1000])
def test_a_column_that_is_no_order_id_is_refused_and_nothing_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_rows: int
) -> None:
    monkeypatch.setattr("archiver.capture.MAX_REPEATED", 20)
    rows = [{**row, "no": f"product {row['id'] % 5}"} for row in on_the_fourth(*range(1, 60))]
    desk = founded(tmp_path, rows, page_rows=page_rows)
    counting = Count(desk.store)

    report = desk.night(store=counting)

    error = failure(report)
    assert isinstance(error, MappingError)
    assert report.exit is Exit.FIX_REQUEST
    assert "54 of 59 rows" in str(error)
    assert "order_id = no " in str(error)
    assert not counting.calls["put"]


@pytest.mark.parametrize(("limit", "share"), [(19, False), (20, True)])
def test_a_shop_that_doubles_few_of_its_numbers_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, share: bool
) -> None:
    monkeypatch.setattr("archiver.capture.MAX_REPEATED", limit)
    rows = on_the_fourth(*range(1, 41))
    desk = founded(tmp_path, [*rows, *(double(row, row["id"] + 100) for row in rows[:20])])
    assert (desk.night().failures == []) is share


def test_rows_of_one_id_are_held_with_their_own_child_rows_only(tmp_path: Path) -> None:
    rows = on_the_fourth(1, 2, 3)
    desk = founded(tmp_path, [*rows, double(rows[0], 51, paid="99.00")])
    desk.source.children = {
        "events": [
            {"order_id": n, "kind": f"paid {n}", "at": cards.text(at(4))} for n in (1, 2, 3, 3, 51)
        ]
    }
    page = next(desk.source.pages(Window(start=at(1), end=at(9))))

    held = part_of(page, pa.array([0, 3]), cards.OWN)

    assert held.rows["id"].to_pylist() == [b"1", b"51"]
    assert held.children["events"]["kind"].to_pylist() == [b"paid 1", b"paid 51"]
    assert totals(desk.night()) == {"read": 4, "orders": 2, "rejects": 2}
    told = {
        row["row_key"]: {v["value"] for v in row["values"] if v["name"].endswith("kind")}
        for row in desk.audit().rejects
    }
    assert told == {b"1": {b"paid 1"}, b"51": {b"paid 51"}}


def test_a_source_whose_ids_never_rest_is_tried_again_later(tmp_path: Path) -> None:
    class Restless(RowsSource):
        """Doubles another row each time it is read."""

        def pages(
            self,
            ended: Window,
            changed: Window | None = None,
            *,
            beyond: datetime | None = None,
            limit: int | None = None,
        ) -> Iterator[RawPage]:
            again = double(dict(self.held[self.passes]), 100 + self.passes)
            pages = list(RowsSource.pages(self, ended, changed, beyond=beyond, limit=limit))
            extra = RowsSource(self.mapping, [again])
            return iter([*pages, *extra.pages(ended, changed)])

    desk = founded(tmp_path)
    desk.sources[0] = Restless(cards.OWN, [*on_the_fourth(*range(1, 9))])
    report = desk.night()
    assert isinstance(failure(report), SourceUnavailableError)
    assert not desk.audit().manifests


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
def test_exactly_the_ids_that_come_twice_are_noticed(pages: list[list[int]]) -> None:
    seen = SeenIds()
    for page in pages:
        seen.add(pa.array(page, pa.uint64()).to_numpy())
    counted = Counter(head for page in pages for head in page)
    noticed = {int(head) for part in seen.repeated for head in part}
    assert noticed == {head for head, count in counted.items() if count > 1}
    assert seen.again == counted.total() - len(counted)


# --- rejects -------------------------------------------------------------------------------------


def test_a_reject_is_sealed_once_and_counted_afterwards(tmp_path: Path) -> None:
    desk = founded(tmp_path, [*on_the_fourth(1), cards.order(2, at(4), paid="-5")])
    report = desk.night()
    assert totals(report) == {"read": 2, "orders": 1, "rejects": 1}
    assert day_of(report, march(4)).reject_reasons == {"negative-money": 1}
    assert totals(desk.night_of(5)) == {"read": 2, "unchanged": 1, "rejected_before": 1}
    (reject,) = desk.audit().rejects
    values = {value["name"]: value["value"] for value in reject["values"]}
    assert values["paid"] == b"-5"
    assert "category" not in values  # a look-up is not the order's own


def test_a_reject_that_changes_and_stays_broken_is_sealed_again(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(2, at(4), paid="-5")])
    desk.night()
    desk.change(2, paid="-6", touched_at=at(5))
    report = desk.night_of(5)
    assert totals(report) == {"read": 1, "rejects": 1}
    assert len(desk.audit().rejects) == 2


def test_a_repaired_row_becomes_an_order_and_a_broken_order_a_reject(tmp_path: Path) -> None:
    desk = founded(tmp_path, [*on_the_fourth(1), cards.order(2, at(4), paid="-5")])
    desk.night()
    desk.change(2, paid="5.00", touched_at=at(5))
    desk.change(1, paid="-1", touched_at=at(5))
    assert totals(desk.night_of(5)) == {"read": 2, "orders": 1, "rejects": 1}
    desk.change(1, paid="11.50", touched_at=at(6))
    assert totals(desk.night_of(6)) == {"read": 2, "unchanged": 2}
    found = desk.audit()
    assert set(found.names) == {("main", "N1", 1), ("main", "N2", 1)}
    assert len(found.rejects) == 2


@pytest.mark.parametrize("absurd", [None, "", "0000-00-00 00:00:00", "9999-12-31 23:59:59", "soon"])
def test_a_row_without_a_usable_end_time_is_a_reject_of_the_night(
    tmp_path: Path, absurd: str | None
) -> None:
    rows = [*on_the_fourth(1), cards.order(2, at(4)) | {"done_at": absurd, "touched_at": absurd}]
    desk = founded(tmp_path, rows)
    assert totals(desk.night()) == {"read": 2, "orders": 1, "rejects": 1}
    assert totals(desk.night_of(5)) == {"read": 2, "unchanged": 1, "rejected_before": 1}


@pytest.mark.parametrize("mapping", [cards.OWN, cards.PROXY], ids=["own", "proxy"])
def test_an_end_in_the_future_is_a_reject_of_the_night_and_sealed_once(
    tmp_path: Path, mapping: OrderMapping
) -> None:
    future = cards.order(2, at(4), done_at=datetime(2099, 1, 1, tzinfo=UTC), touched_at=at(4))
    if mapping is cards.PROXY:
        future = cards.touch(future, datetime(2099, 1, 1, tzinfo=UTC))
    # An order of the running day is no reject, and neither is one of a zone mistaken by hours.
    rows = [*on_the_fourth(1), future, cards.order(3, at(5, 2)), cards.order(4, at(6, 2))]
    desk = founded(tmp_path, rows, mapping=mapping)
    report = desk.night()
    assert totals(report) == {"read": 2, "orders": 1, "rejects": 1}
    assert day_of(report, march(4)).reject_reasons == {"future-time": 1}
    assert totals(desk.night_of(6)) == {
        "read": 4,
        "unchanged": 1,
        "orders": 2,
        "rejected_before": 1,
    }
    # A catch-up reads it, too, and seals it with its first day as whatever came late.
    desk.rows.append({**future, "id": 20, "no": "N20"})
    report = desk.night_of(12)
    assert [day.counts["rejects"] for day in report.days] == [1, 0, 0, 0, 0, 0]


def test_a_page_of_rejects_alone_is_sealed_on_a_day_without_orders(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(4), paid="x") for n in range(1, 6)])
    assert totals(desk.night()) == {"read": 5, "rejects": 5}
    found = desk.audit()
    assert [named.about["kind"] for named in found.objects] == ["rejects", "known"]


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
