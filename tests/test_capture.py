"""What becomes of every row: sealed, revised, known, doubled, rejected or past its time."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import Exit, MappingError, SourceUnavailableError
from archiver.mapping import OrderMapping
from archiver.ports import RawPage, Window
from archiver.repeats import SeenIds
from archiver.rows import part_of
from tests import cards
from tests.archives import RowsSource
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
    assert set(counting.puts) == {"ledger", "checkpoints"}  # of the founding's lock proof


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
            exact: bool = False,
        ) -> Iterator[RawPage]:
            again = double(dict(self.held[self.passes]), 100 + self.passes)
            pages = list(
                RowsSource.pages(self, ended, changed, beyond=beyond, limit=limit, exact=exact)
            )
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
